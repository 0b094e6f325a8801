"""Routes to register, log in, refresh tokens, log out and edit the caller's own account."""

from bson import ObjectId
from flask import Response, request

from eventapp.accounts import editing, mail_preferences, service, session_lists, sessions
from eventapp.accounts.mail_requests import MAIL_SEALER
from eventapp.accounts.routes.email_change_input import split_changes
from eventapp.accounts.routes.users import bp as users_bp
from eventapp.accounts.schemas import (
    CreatedAnswer,
    Login,
    LogoutBody,
    NewAdmin,
    OwnProfileBody,
    PasswordBody,
    ProfileAnswer,
    RefreshBody,
    Registration,
    SessionsAnswer,
    SessionsQuery,
    SignedInAnswer,
    TokensAnswer,
)
from eventapp.accounts.types import StoredSession, StoredUser
from eventapp.core import paging
from eventapp.core.access import tokens
from eventapp.core.access.permissions import anonymous, current_actor, role_required, user_required
from eventapp.core.access.rate_limits import login_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.accept_language import choose_language
from eventapp.core.http.app_context import current_config, get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import created_response, json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ADMIN

bp = Blueprint("auth", __name__, url_prefix="/api/auth", description="Accounts")


@bp.route("/register", methods=["POST"])
@users_bp.route("", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(Registration)
@bp.response(201, SignedInAnswer, headers=LOCATION_HEADER)
@bp.response_link(201, "auth_refresh", {"refreshToken": "$response.body#/refreshToken"})
@bp.error_responses(409, 503)
def register(body: JsonObject) -> Response:
    """Register an account and log in to it.

    The language of its mails is chosen by the Accept-Language header, and can be changed in the
    profile.
    """
    config, now = current_config(), utc_now()
    user = service.register(
        get_db(),
        **body,
        now=now,
        bcrypt_rounds=config.bcrypt_rounds,
        language=choose_language(),
        sealer=MAIL_SEALER.get(),
    )
    session = sessions.open_session(
        get_db(),
        user,
        now=now,
        lifetime=config.jwt_refresh_expires_in,
        user_agent=request.headers.get("User-Agent", ""),
    )
    return created_response(_signed_in_body("User registered", user, session), _user_url(user))


@bp.route("/login", methods=["POST"])
@users_bp.route("/login", methods=["POST"])
@login_rate_limit
@anonymous
@bp.arguments(Login)
@bp.response(200, SignedInAnswer)
@bp.response_link(200, "auth_refresh", {"refreshToken": "$response.body#/refreshToken"})
@bp.error_responses(401, 503)
def log_in(body: JsonObject) -> Response:
    """Log in by email or name.

    If both are sent, the email is used.
    """
    config = current_config()
    user, session = sessions.log_in(
        get_db(),
        email=body.get("email"),
        name=body.get("name"),
        password=body["password"],
        client_ip=request.remote_addr or "",
        now=utc_now(),
        lifetime=config.jwt_refresh_expires_in,
        bcrypt_rounds=config.bcrypt_rounds,
        user_agent=request.headers.get("User-Agent", ""),
    )
    return json_response(_signed_in_body("Login successful", user, session))


@bp.route("/refresh", methods=["POST"])
@anonymous
@bp.arguments(RefreshBody)
@bp.response(200, TokensAnswer)
@bp.error_responses(401, 503)
def refresh(body: JsonObject) -> Response:
    """Exchange a refresh token, sent in the body or as the bearer token, for new tokens."""
    claims = tokens.verify_refresh_token(body.get("refreshToken"))
    session = sessions.refresh_session(
        get_db(),
        tokens.get_session_id(claims),
        claims["rid"],
        now=utc_now(),
        lifetime=current_config().jwt_refresh_expires_in,
    )
    return json_response(_tokens_body(session))


@bp.route("/logout", methods=["POST"])
@user_required
@bp.arguments(LogoutBody)
@bp.response(200, Message)
def log_out(body: JsonObject) -> Response:
    """End the session, or with `everywhere` all sessions of the user."""
    actor = current_actor()
    sessions.log_out(
        get_db(), actor.session_id, actor.require_user_id(), everywhere=body["everywhere"]
    )
    return json_response({"message": "Logged out"})


@bp.route("/sessions")
@user_required
@bp.arguments(SessionsQuery, location="query")
@bp.response(200, SessionsAnswer)
@bp.response_link(200, "auth_list_sessions", cursor="$response.body#/nextCursor")
@bp.response_link(200, "auth_end_session", session_id="$response.body#/sessions/0/sessionId")
def list_sessions(query: JsonObject) -> Response:
    """Return the caller's sessions, newest first: where the account is logged in."""
    actor = current_actor()
    _filters, list_position = parse_list_query(query, SessionsQuery)
    body, next_older_than = session_lists.list_sessions(
        get_db(),
        actor.require_user_id(),
        current_id=actor.session_id,
        page=query["page"],
        limit=query["limit"],
        older_than=(
            paging.parse_cursor_object_id(list_position.get("before")) if list_position else None
        ),
        now=utc_now(),
    )
    next_position = {"before": next_older_than} if next_older_than else None
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, {})})


@bp.route("/sessions/<oid:session_id>", methods=["DELETE"])
@user_required
@bp.response(200, Message)
@bp.error_responses(404)
def end_session(session_id: ObjectId) -> Response:
    """End one of the caller's sessions. Its tokens are refused at once."""
    session_lists.end_session(get_db(), current_actor().require_user_id(), session_id)
    return json_response({"message": "Session ended"})


@bp.route("/profile")
@user_required
@bp.response(200, ProfileAnswer)
def show_profile() -> Response:
    """Return the caller's account, with which mails the caller wants."""
    user = service.get_user(get_db(), current_actor().require_user_id())
    return _profile_response(user)


@bp.route("/profile", methods=["PUT"])
@user_required
@bp.arguments(OwnProfileBody)
@bp.response(200, ProfileAnswer)
@bp.error_responses(409, 503)
def change_profile(body: JsonObject) -> Response:
    """Change the fields of the caller's account that are sent.

    Another `email` needs `currentPassword`. It is the `pendingEmail` until it is verified by a
    mailed link. The old address stays in use until then and gets a link that voids the change,
    also for 7 days after it took effect. At most three changes an hour can be asked for.
    """
    changes, email_change = split_changes(body)
    user = editing.update_user(
        get_db(),
        current_actor().require_user_id(),
        changes,
        now=get_database_time(),
        email_change=email_change,
    )
    return _profile_response(user)


def _profile_response(user: StoredUser) -> Response:
    profile = service.render_user(user, get_image_base_url())
    return json_response({**profile, "mailPreferences": mail_preferences.render_preferences(user)})


@bp.route("/change-password", methods=["PUT"])
@login_rate_limit
@user_required
@bp.arguments(PasswordBody)
@bp.response(200, Message)
def change_password(body: JsonObject) -> Response:
    """Change the password and end all other sessions."""
    actor = current_actor()
    sessions.change_password(
        get_db(),
        user_id=actor.require_user_id(),
        session_id=actor.session_id,
        current=body["currentPassword"],
        new=body["newPassword"],
        client_ip=request.remote_addr or "",
        now=utc_now(),
        bcrypt_rounds=current_config().bcrypt_rounds,
    )
    return json_response({"message": "Password changed"})


@bp.route("/create-admin", methods=["POST"])
@role_required(ADMIN)
@bp.arguments(NewAdmin)
@bp.response(201, CreatedAnswer, headers=LOCATION_HEADER)
@bp.error_responses(409)
def create_admin(body: JsonObject) -> Response:
    """Add an admin."""
    user = service.register(
        get_db(),
        **body,
        role=ADMIN,
        now=utc_now(),
        bcrypt_rounds=current_config().bcrypt_rounds,
        sealer=MAIL_SEALER.get(),
    )
    return created_response(
        {"message": "Admin created", "user": service.render_user(user, get_image_base_url())},
        _user_url(user),
    )


def _user_url(user: StoredUser) -> str:
    return f"/api/users/{user['_id']}"


def _signed_in_body(message: str, user: StoredUser, session: StoredSession) -> JsonObject:
    return {
        "message": message,
        "user": service.render_user(user, get_image_base_url()),
        **_tokens_body(session),
    }


def _tokens_body(session: StoredSession) -> dict[str, str]:
    """Return new tokens of a session. `token` is the access token again, under an older name."""
    user_id, session_id = session["userId"], session["_id"]
    access = tokens.create_access_token(user_id, session_id, session["gen"])
    refresh = tokens.create_refresh_token(user_id, session_id, session["refreshId"])
    return {"accessToken": access, "refreshToken": refresh, "token": access}
