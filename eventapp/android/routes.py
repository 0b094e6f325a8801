"""The Android app's eight calls, relative to the base URL that is compiled into it."""

from typing import Any

from flask import Response, request

from eventapp.android import service
from eventapp.android.schemas import (
    CATEGORIES_BODY,
    AppEvent,
    AppFavorite,
    AppUser,
    Categories,
    Credentials,
    NewUser,
    Profile,
)
from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import read_rate_limit, sign_in_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config, image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import conditional_response, json_response

bp = Blueprint("android", __name__, url_prefix="/android/api", description="The Android app")
BLUEPRINTS = (bp,)


@bp.route("/events")
@anonymous
@bp.response(200, AppEvent(many=True))
@bp.alt_response(304, success=True)
@bp.error_responses(503)
def list_events() -> Response:
    """Every upcoming event, up to 500: the app searches on the phone."""
    found = service.upcoming(get_db(), image_base_url=image_base_url())
    return conditional_response(json_response(found))


@bp.route("/recoms", methods=["POST"])
@read_rate_limit
@anonymous
@bp.arguments(Categories)
@bp.response(200, AppEvent(many=True))
@bp.error_responses(503)
@bp.doc(requestBody=CATEGORIES_BODY)
def recommend(body: dict[str, Any]) -> Response:
    """Upcoming events of the categories in the body, soonest first; of none, the most popular."""
    found = service.recommend(get_db(), body["categories"], image_base_url=image_base_url())
    return json_response(found)


@bp.route("/favorites")
@anonymous
@bp.response(200, AppEvent(many=True))
@bp.error_responses(503)
def list_favorites() -> Response:
    """The shared guest's favorites, newest first."""
    return json_response(service.favorites(get_db(), image_base_url=image_base_url()))


@bp.route("/favorites", methods=["POST"])
@anonymous
@bp.arguments(AppFavorite)
@bp.response(201, Message)
@bp.response_link(201, "android_remove_favorite", {"eventId": "$request.body#/eventId"})
@bp.error_responses(404, 409, 503)
def add_favorite(body: dict[str, Any]) -> Response:
    """Make an event a favorite of the shared guest."""
    service.add_favorite(
        get_db(),
        body["eventId"],
        event_changes=service.EVENT_CACHE.get(),
        popularity=service.POPULARITY.get(),
        now=utc_now(),
    )
    return json_response({"message": "Event favorited"}, 201)


@bp.route("/favorites", methods=["DELETE"])
@anonymous
@bp.arguments(AppFavorite)
@bp.response(200, Message)
@bp.error_responses(404, 503)
def remove_favorite(body: dict[str, Any]) -> Response:
    """Take an event out of the shared guest's favorites."""
    service.remove_favorite(get_db(), body["eventId"], service.EVENT_CACHE.get())
    return json_response({"message": "Favorite removed"})


@bp.route("/users", methods=["POST"])
@sign_in_rate_limit
@anonymous
@bp.arguments(NewUser)
@bp.response(201, AppUser)
@bp.response_link(201, "android_change_profile", capability="$response.body#/_id")
@bp.error_responses(409, 503)
def register(body: dict[str, Any]) -> Response:
    """Sign up with a name nobody has."""
    user = service.register(get_db(), **body, keeper=_keeper(), now=utc_now())
    return _private(json_response(user, 201))


@bp.route("/users/login", methods=["POST"])
@sign_in_rate_limit
@anonymous
@bp.arguments(Credentials)
@bp.response(200, AppUser)
@bp.response_link(200, "android_change_profile", capability="$response.body#/_id")
@bp.error_responses(401, 503)
def log_in(body: dict[str, Any]) -> Response:
    """Log in by name; the `_id` in the answer is what `PUT users/{id}` takes."""
    address = request.remote_addr or ""
    user = service.log_in(get_db(), **body, address=address, keeper=_keeper(), now=utc_now())
    return _private(json_response(user))


@bp.route("/users/<capability>", methods=["PUT"])
@anonymous
@bp.arguments(Profile)
@bp.response(200, AppUser)
@bp.error_responses(401, 409, 503)
def change_profile(body: dict[str, Any], capability: str) -> Response:
    """Change the profile that logged in for this `_id`."""
    user = service.change_profile(get_db(), capability, body, keeper=_keeper(), now=utc_now())
    return _private(json_response(user))


def _private(response: Response) -> Response:
    """The answer holds a capability: not for caches."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _keeper() -> service.Keeper:
    settings = current_config()
    return service.Keeper(
        secret=settings.jwt_secret,
        lifetime=settings.jwt_refresh_expires_in,
        rounds=settings.bcrypt_rounds,
    )
