"""Routes of the webhooks of organizers."""

from bson import ObjectId
from flask import Response

from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER
from eventapp.webhooks import delivery_lists, service
from eventapp.webhooks.schemas import (
    DeliveriesAnswer,
    DeliveriesQuery,
    DeliveryReceipt,
    WebhookAnswer,
    WebhookBody,
    WebhookPatch,
    WebhooksAnswer,
    WebhookWithSecret,
)
from eventapp.webhooks.types import WebhookChanges, WebhookInput

bp = Blueprint("webhooks", __name__, url_prefix="/api/webhooks", description="Webhooks")
BLUEPRINTS = (bp,)


@bp.route("")
@role_required(ORGANIZER)
@bp.response(200, WebhooksAnswer)
def list_webhooks() -> Response:
    """List the webhooks of the caller; of an API token those that it has made."""
    webhooks = service.list_webhooks(get_db(), current_actor(), utc_now())
    return json_response({"webhooks": webhooks})


@bp.route("", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(WebhookBody)
@bp.response(201, WebhookWithSecret)
@bp.response_link(201, "webhooks_delete_webhook", webhook_id="$response.body#/webhook/webhookId")
@bp.error_responses(404, 409)
def create_webhook(body: WebhookInput) -> Response:
    """Create a webhook, 20 at most. The answer is the only one that holds its secret.

    What happens from now on is sent to the URL by POST, signed as Standard Webhooks says
    (https://www.standardwebhooks.com), and again until it is answered with a status from 200 to
    299: after 30 seconds, then after longer pauses up to 12 hours, for three days. Then the webhook
    is disabled, and its owner is told. A receiver may get a delivery more than once and recognizes
    it by its `webhook-id`. A webhook that an API token makes belongs to the token and ends with it,
    and tells names and emails only if the token has the scope `attendees:read`.
    """
    secret, webhook = service.create_webhook(
        get_db(),
        current_actor(),
        body,
        sealer=service.WEBHOOK_SEALER.get(),
        production=current_config().is_production,
        now=utc_now(),
    )
    answer = {"message": "Webhook created", "secret": secret, "webhook": webhook}
    return json_response(answer, 201)


@bp.route("/<oid:webhook_id>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(WebhookPatch)
@bp.response(200, WebhookAnswer)
@bp.error_responses(404)
def change_webhook(body: WebhookChanges, webhook_id: ObjectId) -> Response:
    """Change a webhook, or enable it again.

    It is not told of what happened while it was disabled.
    """
    webhook = service.change_webhook(
        get_db(),
        webhook_id,
        current_actor(),
        body,
        production=current_config().is_production,
        now=utc_now(),
    )
    return json_response(webhook)


@bp.route("/<oid:webhook_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.error_responses(404)
def delete_webhook(webhook_id: ObjectId) -> Response:
    """Delete a webhook and its deliveries. An attempt that is under way may still arrive."""
    service.delete_webhook(get_db(), webhook_id, current_actor())
    return json_response({"message": "Webhook deleted"})


@bp.route("/<oid:webhook_id>/rotate-secret", methods=["POST"])
@role_required(ORGANIZER)
@bp.response(200, WebhookWithSecret)
@bp.error_responses(404)
def rotate_secret(webhook_id: ObjectId) -> Response:
    """Replace the secret. For 24 hours deliveries are signed with the old one, too."""
    secret, webhook = service.rotate_secret(
        get_db(), webhook_id, current_actor(), sealer=service.WEBHOOK_SEALER.get(), now=utc_now()
    )
    return json_response({"message": "Secret replaced", "secret": secret, "webhook": webhook})


@bp.route("/<oid:webhook_id>/deliveries")
@role_required(ORGANIZER)
@bp.arguments(DeliveriesQuery, location="query")
@bp.response(200, DeliveriesAnswer)
@bp.response_link(
    200,
    "webhooks_list_deliveries",
    webhook_id="$request.path.webhook_id",
    cursor="$response.body#/nextCursor",
)
@bp.error_responses(404)
def list_deliveries(query: JsonObject, webhook_id: ObjectId) -> Response:
    """List the deliveries of the last 30 days, newest first, with their last attempts."""
    _filters, list_position = parse_list_query(query, DeliveriesQuery)
    request = paging.PageRequest(query["page"], query["limit"], list_position)
    body, next_position = delivery_lists.list_deliveries(
        get_db(), webhook_id, current_actor(), request
    )
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, {})})


@bp.route("/<oid:webhook_id>/deliveries/<delivery_id>/replay", methods=["POST"])
@role_required(ORGANIZER)
@bp.response(202, DeliveryReceipt)
@bp.error_responses(404, 409, 410)
def replay_delivery(webhook_id: ObjectId, delivery_id: str) -> Response:
    """Send a delivery again, with the same id and the same bytes; 410 after an erasure."""
    receipt = delivery_lists.replay(get_db(), webhook_id, delivery_id, current_actor(), utc_now())
    return json_response(receipt, 202)


@bp.route("/<oid:webhook_id>/test", methods=["POST"])
@role_required(ORGANIZER)
@bp.response(202, DeliveryReceipt)
@bp.error_responses(404, 409)
def send_test(webhook_id: ObjectId) -> Response:
    """Send a delivery of the type `webhook.test` within seconds, once."""
    receipt = delivery_lists.send_test(get_db(), webhook_id, current_actor(), utc_now())
    return json_response(receipt, 202)
