"""Routes to create, list and end the caller's API tokens."""

from bson import ObjectId
from flask import Response, request

from eventapp.accounts import api_tokens
from eventapp.accounts.api_token_schemas import ApiTokenBody, ApiTokenCreated, ApiTokensAnswer
from eventapp.accounts.api_token_types import ApiTokenInput
from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.access.rate_limits import login_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.responses import created_response, json_response

bp = Blueprint("api_tokens", __name__, url_prefix="/api/auth/tokens", description="Accounts")


@bp.route("", methods=["POST"])
@login_rate_limit
@user_required
@bp.arguments(ApiTokenBody)
@bp.response(201, ApiTokenCreated, headers=LOCATION_HEADER)
@bp.error_responses(409)
def create_token(body: ApiTokenInput) -> Response:
    """Create an API token. The answer is the only one that holds its secret.

    A program sends the secret as `Authorization: Bearer evt_...`. It then acts for the owner,
    within the scopes and, if `eventIds` is sent, only for these events. The scopes reach the events
    of the owner, also where the owner is an admin; those of bookings reach the owner's own
    bookings, too. A token never may do more than its owner at that moment.
    """
    secret, token = api_tokens.create_token(
        get_db(),
        current_actor().require_user_id(),
        body,
        client_ip=request.remote_addr or "",
        now=utc_now(),
        bcrypt_rounds=current_config().bcrypt_rounds,
    )
    answer = {"message": "API token created", "secret": secret, "token": token}
    return created_response(answer, f"/api/auth/tokens/{token['tokenId']}")


@bp.route("")
@user_required
@bp.response(200, ApiTokensAnswer)
def list_tokens() -> Response:
    """List the caller's API tokens, newest first; at most 50. `lastUsedAt` is to 5 minutes."""
    user_id = current_actor().require_user_id()
    return json_response({"tokens": api_tokens.list_tokens(get_db(), user_id, utc_now())})


@bp.route("/<oid:token_id>", methods=["DELETE"])
@user_required
@bp.response(200, Message)
@bp.error_responses(404)
def end_token(token_id: ObjectId) -> Response:
    """End an API token at once, also where it reads a stream."""
    api_tokens.end_token(get_db(), current_actor().require_user_id(), token_id)
    return json_response({"message": "API token ended"})
