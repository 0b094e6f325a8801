"""The eight routes of the Android app, below the base URL that is compiled into it."""

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
from eventapp.android.types import ProfileChanges
from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import login_rate_limit, read_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.accept_language import choose_language
from eventapp.core.http.app_context import current_config, get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.compressed_bodies import cached_response
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import conditional_response, json_response
from eventapp.core.json import JsonObject

bp = Blueprint(
    "android",
    __name__,
    url_prefix="/android/api",
    description="The Android app",
    ignores_unknown_parameters=True,
)
BLUEPRINTS = (bp,)


@bp.route("/events")
@anonymous
@bp.response(200, AppEvent(many=True))
@bp.alt_response(304, success=True)
@bp.error_responses(503)
def list_events() -> Response:
    """Return up to 500 upcoming events, by eventId. The app searches in them on the phone."""
    found = service.list_upcoming(
        service.EVENT_CACHE.get(), now=get_database_time(), image_base_url=get_image_base_url()
    )
    return conditional_response(cached_response(found.body, found.etag), found.etag)


@bp.route("/recoms", methods=["POST"])
@read_rate_limit
@anonymous
@bp.arguments(Categories)
@bp.response(200, AppEvent(many=True))
@bp.error_responses(503)
@bp.doc(requestBody=CATEGORIES_BODY)
def recommend(body: JsonObject) -> Response:
    """Return upcoming events of these categories, or the most popular events without any."""
    found = service.recommend(
        service.EVENT_CACHE.get(),
        body["categories"],
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    return cached_response(found.body, found.etag)


@bp.route("/favorites")
@anonymous
@bp.response(200, AppEvent(many=True))
@bp.error_responses(503)
def list_favorites() -> Response:
    """Return the shared guest's favorites, newest first."""
    found = service.list_favorites(
        get_db(),
        service.EVENT_CACHE.get(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    return cached_response(found.body, found.etag)


@bp.route("/favorites", methods=["POST"])
@anonymous
@bp.arguments(AppFavorite)
@bp.response(201, Message)
@bp.response_link(201, "android_remove_favorite", {"eventId": "$request.body#/eventId"})
@bp.error_responses(404, 409, 503)
def add_favorite(body: JsonObject) -> Response:
    """Add an event to the shared guest's favorites."""
    service.add_favorite(
        get_db(),
        body["eventId"],
        event_cache=service.EVENT_CACHE.get(),
        popularity=service.POPULARITY.get(),
        now=utc_now(),
    )
    return json_response({"message": "Event favorited"}, 201)


@bp.route("/favorites", methods=["DELETE"])
@anonymous
@bp.arguments(AppFavorite)
@bp.response(200, Message)
@bp.error_responses(404, 503)
def remove_favorite(body: JsonObject) -> Response:
    """Remove an event from the shared guest's favorites."""
    service.remove_favorite(get_db(), body["eventId"], service.EVENT_CACHE.get())
    return json_response({"message": "Favorite removed"})


@bp.route("/users", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(NewUser)
@bp.response(201, AppUser)
@bp.response_link(201, "android_change_profile", capability="$response.body#/_id")
@bp.error_responses(409, 503)
def register(body: JsonObject) -> Response:
    """Register an account with a name that no other account logs in by, and log in."""
    user = service.register(get_db(), **body, settings=_login_settings(), now=utc_now())
    return json_response(user, 201)


@bp.route("/users/login", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(Credentials)
@bp.response(200, AppUser)
@bp.response_link(200, "android_change_profile", capability="$response.body#/_id")
@bp.error_responses(401, 503)
def log_in(body: JsonObject) -> Response:
    """Log in by name. The `_id` in the answer is the id for `PUT users/{id}`."""
    client_ip = request.remote_addr or ""
    user = service.log_in(
        get_db(), **body, client_ip=client_ip, settings=_login_settings(), now=utc_now()
    )
    return json_response(user)


@bp.route("/users/<capability>", methods=["PUT"])
@anonymous
@bp.arguments(Profile)
@bp.response(200, AppUser)
@bp.error_responses(401, 409, 503)
def change_profile(body: ProfileChanges, capability: str) -> Response:
    """Change the profile of the user who received this `_id` at login.

    Another email takes effect when it is verified by its mailed link and the password.
    """
    user = service.change_profile(
        get_db(), capability, body, settings=_login_settings(), now=get_database_time()
    )
    return json_response(user)


def _login_settings() -> service.LoginSettings:
    config = current_config()
    return service.LoginSettings(
        secret=config.jwt_secret,
        session_lifetime=config.jwt_refresh_expires_in,
        bcrypt_rounds=config.bcrypt_rounds,
        image_base_url=get_image_base_url(),
        sealer=service.MAIL_SEALER.get(),
        user_agent=request.headers.get("User-Agent", ""),
        can_mail=config.smtp_url is not None,
        is_production=config.is_production,
        language=choose_language(),
    )
