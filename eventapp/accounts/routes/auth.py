"""Signing up and in, staying so, and one's own profile, over HTTP."""

from typing import Any

from flask import Response, request

from eventapp.accounts import service, sessions
from eventapp.accounts.routes.users import bp as users_bp
from eventapp.accounts.schemas import (
    CreatedAnswer,
    Login,
    LogoutBody,
    NewAdmin,
    PasswordBody,
    ProfileBody,
    RefreshBody,
    Registration,
    SignedInAnswer,
    TokensAnswer,
    UserAnswer,
)
from eventapp.core.access import tokens
from eventapp.core.access.actor import ADMIN
from eventapp.core.access.permissions import anonymous, current_actor, role_required, user_required
from eventapp.core.access.rate_limits import sign_in_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import Document, get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.responses import created_response, json_response

bp = Blueprint("auth", __name__, url_prefix="/api/auth", description="Accounts")


@bp.after_request
@users_bp.after_request
def keep_out_of_caches(response: Response) -> Response:
    """These answers hold tokens or what only one person may see."""
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.route("/register", methods=["POST"])
@users_bp.route("", methods=["POST"])
@sign_in_rate_limit
@anonymous
@bp.arguments(Registration)
@bp.response(201, SignedInAnswer, headers=LOCATION_HEADER)
@bp.response_link(201, "auth_refresh", {"refreshToken": "$response.body#/refreshToken"})
@bp.error_responses(409, 503)
def register(body: dict[str, Any]) -> Response:
    """Sign up, and be signed in."""
    settings, now = current_config(), utc_now()
    user = service.register(get_db(), **body, now=now, rounds=settings.bcrypt_rounds)
    session = sessions.open_session(
        get_db(), user, now=now, lifetime=settings.jwt_refresh_expires_in
    )
    return created_response(_signed_in("User registered", user, session), _place(user))


@bp.route("/login", methods=["POST"])
@users_bp.route("/login", methods=["POST"])
@sign_in_rate_limit
@anonymous
@bp.arguments(Login)
@bp.response(200, SignedInAnswer)
@bp.response_link(200, "auth_refresh", {"refreshToken": "$response.body#/refreshToken"})
@bp.error_responses(401, 503)
def log_in(body: dict[str, Any]) -> Response:
    """Sign in by email or name."""
    settings = current_config()
    user, session = sessions.log_in(
        get_db(),
        email=body.get("email"),
        name=body.get("name"),
        password=body["password"],
        address=request.remote_addr or "",
        now=utc_now(),
        lifetime=settings.jwt_refresh_expires_in,
        rounds=settings.bcrypt_rounds,
    )
    return json_response(_signed_in("Login successful", user, session))


@bp.route("/refresh", methods=["POST"])
@anonymous
@bp.arguments(RefreshBody)
@bp.response(200, TokensAnswer)
@bp.error_responses(401, 503)
def refresh(body: dict[str, Any]) -> Response:
    """A new pair of tokens for a refresh token, sent as the bearer token or in the body."""
    claims = tokens.verify_refresh_token(body.get("refreshToken"))
    session = sessions.refresh(
        get_db(),
        tokens.session_id_of(claims),
        claims["rid"],
        now=utc_now(),
        lifetime=current_config().jwt_refresh_expires_in,
    )
    return json_response(_pair(session))


@bp.route("/logout", methods=["POST"])
@user_required
@bp.arguments(LogoutBody)
@bp.response(200, Message)
def log_out(body: dict[str, Any]) -> Response:
    """End this session's tokens, or with `everywhere` those of all the user's sessions."""
    actor = current_actor()
    sessions.log_out(
        get_db(), actor.session_id, actor.require_user_id(), everywhere=body["everywhere"]
    )
    return json_response({"message": "Logged out"})


@bp.route("/profile")
@user_required
@bp.response(200, UserAnswer)
def show_profile() -> Response:
    """The caller's account."""
    return json_response(service.present(service.get(get_db(), current_actor().require_user_id())))


@bp.route("/profile", methods=["PUT"])
@user_required
@bp.arguments(ProfileBody)
@bp.response(200, UserAnswer)
@bp.error_responses(409)
def change_profile(body: dict[str, Any]) -> Response:
    """Change what is sent of the caller's account."""
    user = service.update(get_db(), current_actor().require_user_id(), body, now=utc_now())
    return json_response(service.present(user))


@bp.route("/change-password", methods=["PUT"])
@sign_in_rate_limit
@user_required
@bp.arguments(PasswordBody)
@bp.response(200, Message)
def change_password(body: dict[str, Any]) -> Response:
    """Set a new password; all other sessions end."""
    actor = current_actor()
    sessions.change_password(
        get_db(),
        user_id=actor.require_user_id(),
        session_id=actor.session_id,
        current=body["currentPassword"],
        new=body["newPassword"],
        address=request.remote_addr or "",
        now=utc_now(),
        rounds=current_config().bcrypt_rounds,
    )
    return json_response({"message": "Password changed"})


@bp.route("/create-admin", methods=["POST"])
@role_required(ADMIN, needs_account=True)
@bp.arguments(NewAdmin)
@bp.response(201, CreatedAnswer, headers=LOCATION_HEADER)
@bp.error_responses(409)
def create_admin(body: dict[str, Any]) -> Response:
    """Add an admin."""
    user = service.register(
        get_db(), **body, role=ADMIN, now=utc_now(), rounds=current_config().bcrypt_rounds
    )
    return created_response(
        {"message": "Admin created", "user": service.present(user)}, _place(user)
    )


def _place(user: Document) -> str:
    return f"/api/users/{user['_id']}"


def _signed_in(message: str, user: Document, session: Document) -> dict[str, Any]:
    return {"message": message, "user": service.present(user), **_pair(session)}


def _pair(session: Document) -> dict[str, str]:
    user_id, session_id = session["userId"], session["_id"]
    access = tokens.create_access_token(user_id, session_id, session["gen"])
    refreshing = tokens.create_refresh_token(user_id, session_id, session["refreshId"])
    return {"accessToken": access, "refreshToken": refreshing, "token": access}
