"""Routes of favorites and recommendations."""

from flask import Response

from eventapp.core.access.permissions import anyone, current_actor
from eventapp.core.access.rate_limits import read_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.compressed_bodies import cached_response
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import bytes_response, json_response
from eventapp.core.json import JsonObject
from eventapp.events import listing, service
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.popularity import POPULARITY
from eventapp.events.schemas.answers import BareEventsAnswer, EventAnswer
from eventapp.events.schemas.favorites import CATEGORIES_BODY, FavoriteBody, Recommendation

bp = Blueprint("favorites", __name__, url_prefix="/api/favorites", description="Favorites")
recoms_bp = Blueprint("recoms", __name__, url_prefix="/api/recoms", description="Favorites")


@bp.route("")
@anyone
@bp.response(200, BareEventsAnswer)
def list_favorites() -> Response:
    """List the caller's favorites, the newest first."""
    actor = current_actor()
    found = listing.list_favorites(
        get_db(),
        event_cache=EVENT_CACHE.get(),
        actor=actor,
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    return bytes_response(b'{"events":' + found + b"}")


@bp.route("", methods=["POST"])
@anyone
@bp.arguments(FavoriteBody)
@bp.response(201, Message)
@bp.response_link(201, "favorites_remove_favorite_by_path", event_id="$request.body#/eventId")
@bp.response_link(201, "favorites_remove_favorite", {"eventId": "$request.body#/eventId"})
@bp.error_responses(404, 409)
def add_favorite(body: JsonObject) -> Response:
    """Add an event to the caller's favorites."""
    actor = current_actor()
    service.add_favorite(
        get_db(),
        body["eventId"],
        event_cache=EVENT_CACHE.get(),
        popularity=POPULARITY.get(),
        actor=actor,
        now=utc_now(),
    )
    return json_response({"message": "Event favorited"}, 201)


@bp.route("", methods=["DELETE"])
@anyone
@bp.arguments(FavoriteBody)
@bp.response(200, Message)
@bp.error_responses(404)
def remove_favorite(body: JsonObject) -> Response:
    """Remove the event that the body names from the caller's favorites."""
    return _remove(body["eventId"])


@bp.route("/<whole:event_id>", methods=["DELETE"])
@anyone
@bp.response(200, Message)
@bp.error_responses(404)
def remove_favorite_by_path(event_id: int) -> Response:
    """Remove the event that the path names from the caller's favorites."""
    return _remove(event_id)


def _remove(event_id: int) -> Response:
    actor = current_actor()
    service.remove_favorite(get_db(), event_id, event_changes=EVENT_CACHE.get(), actor=actor)
    return json_response({"message": "Favorite removed"})


@recoms_bp.route("", methods=["POST"])
@read_rate_limit
@anyone
@recoms_bp.arguments(Recommendation)
@recoms_bp.response(200, EventAnswer(many=True))
@recoms_bp.doc(requestBody=CATEGORIES_BODY)
def recommend(body: JsonObject) -> Response:
    """List upcoming events of the categories in the body, the soonest first.

    An empty list of categories gives the most popular events.
    """
    found = listing.recommend(
        get_db(),
        body["categories"],
        event_cache=EVENT_CACHE.get(),
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    return cached_response(found.body, found.etag)
