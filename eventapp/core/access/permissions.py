"""Identify the caller of a request, and declare which callers each route accepts.

A caller is identified by the access token of a session, by an API token, or by the token of the
link of a booking: see `link_callers`. An API token acts for its owner, within its scopes and its
events, and never as an admin; that of a door device of an admin may check in at its event, whose
organizer may be somebody else. All kinds of tokens are read from the database for each request, so
that what has ended is refused at once. So are the teams of the caller, by the requests that need
them.

Every route has one of PERMISSION_DECORATORS, and a row in the permission table, which says the same
and more: see `actions`. The application does not start if a route has none of either.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

import structlog
from flask import Flask, g, request

from eventapp.config import Config
from eventapp.core.access import tokens
from eventapp.core.access.actions import (
    ANY_USER,
    ANYONE,
    OUTSIDE_REQUESTS,
    PERMISSION_TABLE,
    SELF_OR_ADMIN,
    Action,
    PermissionTable,
)
from eventapp.core.access.actor import DEVICE_ID, Actor, ActorLoader, TokenGrant
from eventapp.core.access.api_tokens import ApiToken, ApiTokenReader, get_acting_role, is_api_token
from eventapp.core.access.authentication import (
    AUTHENTICATION,
    SESSION_KEY,
    Authentication,
    CallerSession,
    ReceiptConfirmer,
    SessionLoader,
)
from eventapp.core.access.booking_links import BookingLink, is_link_token
from eventapp.core.access.link_callers import identify_holder, read_link_token
from eventapp.core.access.recent_writes import is_recent
from eventapp.core.access.teams import MembershipReader
from eventapp.core.access.tokens import Claims
from eventapp.core.clock import utc_now
from eventapp.core.database import get_database_time, get_db
from eventapp.core.errors import Forbidden, ScopeMissing, Unauthorized, ValidationFailed
from eventapp.core.roles import ADMIN

# The names of the decorators in this module that declare a permission.
PERMISSION_DECORATORS = ("anyone", "anonymous", "user_required", "role_required", "self_or_admin")
# The name of the security scheme for access tokens in the OpenAPI document.
BEARER = "bearer"

log = structlog.get_logger()

View = TypeVar("View", bound=Callable[..., Any])


PermissionCheck = Callable[[Mapping[str, Any]], None]


def init_app(
    app: Flask,
    config: Config,
    table: PermissionTable,
    load_session: SessionLoader,
    confirm_receipt: ReceiptConfirmer,
    api_tokens: ApiTokenReader,
    read_memberships: MembershipReader,
) -> None:
    """Set up tokens and the identification of callers.

    Args:
        table: the permission table.
        load_session, confirm_receipt, api_tokens, read_memberships: see `Authentication`.
    """
    tokens.init_app(app, config)
    PERMISSION_TABLE.set(app, table)
    authentication = Authentication(
        load_session, confirm_receipt, api_tokens, read_memberships, config.demo_open
    )
    AUTHENTICATION.set(app, authentication)
    if config.demo_open:
        log.warning("DEMO_OPEN: anyone may change events and accounts without a token")


def current_claims() -> Claims:
    """Return the verified claims of the caller's access token, or {} without one.

    They are verified once for each request.
    """
    if "claims" not in g:
        text = _read_token()
        if text is None or is_api_token(text) or is_link_token(text):
            g.claims = {}
        else:
            g.claims = tokens.verify_token(text, "access")
    return cast(Claims, g.claims)


def _read_token() -> str | None:
    """Return the bearer token of the request. The header is parsed once for each request."""
    if "bearer_token" not in g:
        has_token = "Authorization" in request.headers
        g.bearer_token = tokens.read_bearer_token() if has_token else None
    return cast("str | None", g.bearer_token)


def has_api_token() -> bool:
    """Return whether the request was sent with an API token, known or not."""
    text = _read_token()
    return text is not None and is_api_token(text)


def current_api_token() -> ApiToken:
    """Return the API token of the request. It is read once for each request.

    Raises:
        Unauthorized: there is no such token, or it has ended.
    """
    if "api_token" not in g:
        secret = _read_token() or ""
        g.api_token = AUTHENTICATION.get().api_tokens.find(get_db(), secret, utc_now())
    token: ApiToken | None = g.api_token
    if token is None:
        raise Unauthorized("This API token is unknown or has ended", code="token_revoked")
    return token


def current_link() -> BookingLink | None:
    """Return the link by whose token the request was sent, which may have ended; None without one.

    Raises:
        Unauthorized: this server has not made the token, or it has expired.
    """
    text = _read_token()
    return read_link_token(text) if text is not None and is_link_token(text) else None


def current_actor() -> Actor:
    """Return the caller of this request.

    Raises:
        Unauthorized: the request has a token that is not valid.
    """
    if "actor" not in g:
        g.actor = _identify_caller()
        g.user_id = g.actor.user_id  # for the line of this request in the log
    return cast(Actor, g.actor)


def forget_actor() -> None:
    """End this request as one without a caller, because the caller's account was just deleted."""
    g.actor = Actor()


def _identify_caller() -> Actor:
    claims = current_claims()
    if claims:
        return _identify_user(claims)
    if has_api_token():
        return _identify_token_owner(current_api_token())
    if link := current_link():
        return identify_holder(link, _current_action(), _read_device_id())
    return Actor(device_id=_read_device_id(), action=_current_action())


def _current_action() -> Action:
    """Return the row of this request's route in the permission table."""
    return PERMISSION_TABLE.get().get(request.endpoint or "", OUTSIDE_REQUESTS)


def _identify_user(claims: Claims) -> Actor:
    authentication, session_id = AUTHENTICATION.get(), tokens.get_session_id(claims)
    user_id = tokens.get_user_id(claims)
    session: CallerSession | None = request.environ.get(SESSION_KEY)
    session = session or authentication.load_session(get_db(), session_id, user_id, utc_now())
    if session is None:
        raise Unauthorized("The session has ended", code="token_revoked")
    if "previousId" in session and session["gen"] == claims.get("gen"):
        authentication.confirm_receipt(get_db(), session_id, session["gen"])
    return Actor(
        session["userId"],
        session["role"],
        session_id,
        device_id=_read_device_id(),
        action=_current_action(),
        has_recent_writes=is_recent(session.get("wroteAt"), get_database_time()),
        teams=authentication.open_teams(get_db(), session["userId"], session),
    )


def _identify_token_owner(token: ApiToken) -> Actor:
    """Return the owner of an API token, as far as the token may make this call.

    Raises:
        ScopeMissing: the token may not make it.
    """
    action = _current_action()
    event_ids = frozenset(token["eventIds"]) if "eventIds" in token else None
    if action.scope not in token["scopes"]:
        needed = f"needs the scope {action.scope}" if action.scope else "is not for API tokens"
        raise ScopeMissing(f"This call {needed}")
    actor = Actor(
        token["userId"],
        get_acting_role(token),
        device_id=_read_device_id(),
        action=action,
        token=TokenGrant(token["_id"], event_ids, token["name"]),
        has_recent_writes=True,
        teams=AUTHENTICATION.get().open_teams(get_db(), token["userId"]),
    )
    if action.is_account_wide:
        actor.require_whole_account()
    if "event_id" in (request.view_args or {}):
        actor.require_reach((request.view_args or {})["event_id"])
    AUTHENTICATION.get().api_tokens.record_use(get_db(), token, utc_now())
    return actor


def _read_device_id() -> str | None:
    device_id = request.headers.get("X-Device-Id")
    if device_id is not None and not DEVICE_ID.fullmatch(device_id):
        message = "Must be 8 to 64 characters of A-Z, a-z, 0-9 and -"
        raise ValidationFailed("Invalid X-Device-Id", errors={"X-Device-Id": [message]})
    return device_id


def make_actor_loader(actor: Actor) -> ActorLoader:
    """Return a function that loads a caller again, for an answer that takes long.

    The function needs no request context. It returns the caller with the role and the teams that
    the user has now, or None if the session or the API token has ended. A caller without either
    stays the same.
    """
    authentication, db = AUTHENTICATION.get(), get_db()

    def load_actor() -> Actor | None:
        session: CallerSession | None = None
        if actor.token is not None:
            token = authentication.api_tokens.reload(db, actor.token.token_id, utc_now())
            role = get_acting_role(token) if token else None
        elif actor.session_id is not None:
            user_id = actor.require_user_id()
            session = authentication.load_session(db, actor.session_id, user_id, utc_now())
            role = session["role"] if session else None
        else:
            return actor
        teams = authentication.open_teams(db, actor.require_user_id(), session)
        return replace(actor, role=role, teams=teams) if role else None

    return load_actor


def anyone(view: View) -> View:
    """Declare that a route needs no token, but identifies a caller who sends one.

    Its answer may depend on the caller. A token that is not valid is refused.
    """

    def check(_values: Mapping[str, Any]) -> None:
        current_actor()

    @wraps(view)
    def identified(*args: Any, **kwargs: Any) -> Any:
        check(kwargs)
        return view(*args, **kwargs)

    return _declare_permission(cast(View, identified), ANYONE, {}, {BEARER: []}, check=check)


def anonymous(view: View) -> View:
    """Declare that a route does not identify its caller: it ignores any access token."""
    return _declare_permission(view, ANYONE)


def user_required(view: View) -> View:
    """Restrict a route to logged-in users."""
    return role_required(*ANY_USER.split())(view)


def role_required(*roles: str) -> Callable[[View], View]:
    """Restrict a route to these roles, to admins, and to members of teams that its row names.

    It answers 401 to a caller without a token, and 403 to any other caller.
    """

    def check(_values: Mapping[str, Any]) -> None:
        actor = _require_role()
        if actor.role not in (*roles, ADMIN) and not actor.list_memberships():
            raise Forbidden

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            check(kwargs)
            return view(*args, **kwargs)

        guarded_view = cast(View, guarded)
        return _declare_permission(guarded_view, " ".join(roles), {BEARER: []}, check=check)

    return decorate


def self_or_admin(view: View) -> View:
    """Restrict a route under `/<oid:user_id>` to that user and to admins."""

    def check(values: Mapping[str, Any]) -> None:
        if not _require_role().may_manage(values["user_id"]):
            raise Forbidden

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        check(kwargs)
        return view(*args, **kwargs)

    return _declare_permission(cast(View, guarded), SELF_OR_ADMIN, {BEARER: []}, check=check)


def _require_role() -> Actor:
    actor = current_actor()
    if not actor.role:
        raise Unauthorized
    return actor


def open_in_demo(view: View) -> View:
    """Open a restricted route of the Tickest API to callers without a token if DEMO_OPEN is set.

    It stands above the decorator that restricts the route. Such a caller has the role of an admin
    for this request, but no account.
    """

    def give_role() -> None:
        if AUTHENTICATION.get().is_demo_open and not current_actor().role:
            g.actor = replace(current_actor(), role=ADMIN)

    @wraps(view)
    def opened(*args: Any, **kwargs: Any) -> Any:
        give_role()
        return view(*args, **kwargs)

    def check(values: Mapping[str, Any]) -> None:
        give_role()
        check_permission(view, values)

    opened.check_permission = check  # type: ignore[attr-defined]
    return cast(View, opened)


def _accept_every_caller(_values: Mapping[str, Any]) -> None:
    """Check nothing, because the route does not identify its caller."""


def _declare_permission(
    view: View,
    permission: str,
    *security: dict[str, list[str]],
    check: PermissionCheck = _accept_every_caller,
) -> View:
    """Record on a view which callers it accepts.

    Args:
        permission: "anyone", "self admin" or role names, separated by spaces. It names the callers
            that are accepted. `anyone` and `anonymous` both accept every caller, so both record
            "anyone".
        security: the alternative security requirements in the OpenAPI document; {} means none.
        check: see `check_permission`.
    """
    function: Any = getattr(view, "__func__", view)  # A bound method accepts no attributes.
    function.permission, function.security = permission, security
    function.check_permission = check
    return view


def check_permission(view: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Check the permission of a route before its view runs, which checks it again.

    Args:
        values: the values in the path.

    Raises:
        AppError: what the route raises for a caller whom it does not accept.
    """
    check: PermissionCheck = view.check_permission  # type: ignore[attr-defined]
    check(values)
