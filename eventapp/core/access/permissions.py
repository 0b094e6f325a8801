"""Who is calling, and who may: roles, and the mark every route must carry."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, cast

import structlog
from bson import ObjectId
from flask import Flask, current_app, g, request

from eventapp.config import Config
from eventapp.core.access import tokens
from eventapp.core.access.actor import ADMIN, ATTENDEE, DEVICE_ID, ORGANIZER, Actor
from eventapp.core.access.tokens import Claims, token_claims
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, get_db
from eventapp.core.errors import Forbidden, Unauthorized, ValidationFailed

# What the OpenAPI document calls an access token in the Authorization header.
BEARER = "bearer"

log = structlog.get_logger()

View = TypeVar("View", bound=Callable[..., Any])
Session = dict[str, Any]
SessionLoader = Callable[[Db, ObjectId, datetime], Session | None]
ReceiptTaker = Callable[[Db, ObjectId, int], None]


def init_app(
    app: Flask, config: Config, load_session: SessionLoader, confirm_receipt: ReceiptTaker
) -> None:
    """Make tokens work.

    Args:
        load_session: the live session `{userId, role, gen, previousId?}` of an id at a time,
            None when it has ended. Read for every request with a token, so that an end is one.
        confirm_receipt: told once of the first use of a refreshed session's access token.
    """
    tokens.init_app(app, config)
    app.config["DEMO_OPEN"] = config.demo_open
    app.extensions.update(load_session=load_session, confirm_receipt=confirm_receipt)
    if config.demo_open:
        log.warning("DEMO_OPEN: anyone may change events and accounts without a token")


def current_claims() -> Claims:
    """The claims of the caller's access token, {} without one; verified once a request."""
    if "claims" not in g:
        sent = "Authorization" in request.headers
        g.claims = token_claims(optional=True) if sent else {}
    return cast(Claims, g.claims)


def current_actor() -> Actor:
    """The caller of this request. Unauthorized where a token is sent that is not valid."""
    if "actor" not in g:
        g.actor = _identify()
        g.user_id = g.actor.user_id
    return cast(Actor, g.actor)


def _identify() -> Actor:
    claims = current_claims()
    if claims:
        return _session_actor(claims)
    if current_app.config["DEMO_OPEN"]:
        return Actor(role=ADMIN, device=_device())
    return Actor(device=_device())


def _session_actor(claims: Claims) -> Actor:
    session_id = tokens.session_of(claims)
    session = current_app.extensions["load_session"](get_db(), session_id, utc_now())
    if session is None:
        raise Unauthorized("The session has ended", code="token_revoked")
    if "previousId" in session and session["gen"] == claims.get("gen"):
        current_app.extensions["confirm_receipt"](get_db(), session_id, session["gen"])
    return Actor(session["userId"], session["role"], session_id, _device())


def _device() -> str | None:
    device = request.headers.get("X-Device-Id")
    if device is not None and not DEVICE_ID.fullmatch(device):
        said = "Must be 8 to 64 characters of A-Z, a-z, 0-9 and -"
        raise ValidationFailed("Invalid X-Device-Id", errors={"X-Device-Id": [said]})
    return device


def anyone(view: View) -> View:
    """Marks a route that needs no token, and shows a caller who sends one what is theirs."""
    return _declare(view, "anyone", {}, {BEARER: []})


def anonymous(view: View) -> View:
    """Marks a route that does not look at who calls."""
    return _declare(view, "anyone")


def user_required(view: View) -> View:
    """A route for any signed-in user."""
    return role_required(ATTENDEE, ORGANIZER, ADMIN, in_person=True)(view)


def role_required(*roles: str, in_person: bool = False) -> Callable[[View], View]:
    """A route for these roles and for admins: 401 without a token, 403 for the others.

    Args:
        in_person: refuse DEMO_OPEN's caller too, who may all but has no account.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            actor = _signed_in(in_person=in_person)
            if actor.role not in (*roles, ADMIN):
                raise Forbidden
            return view(*args, **kwargs)

        return _declare(cast(View, guarded), " ".join(roles), {BEARER: []})

    return decorate


def self_or_admin(view: View) -> View:
    """A route under `/<oid:user_id>`: for that user and for admins."""

    @wraps(view)
    def guarded(*args: Any, user_id: ObjectId, **kwargs: Any) -> Any:
        if not _signed_in().may_manage(user_id):
            raise Forbidden
        return view(*args, user_id=user_id, **kwargs)

    return _declare(cast(View, guarded), "self admin", {BEARER: []})


def _signed_in(*, in_person: bool = False) -> Actor:
    actor = current_actor()
    if not actor.role or (in_person and actor.user_id is None):
        raise Unauthorized
    return actor


def _declare(view: View, who: str, *tokens: dict[str, list[str]]) -> View:
    """Note on the view who may call it, for `refuse_undeclared` and for the API's document."""
    function: Any = getattr(view, "__func__", view)  # a bound method takes no attributes
    function.who_may = who
    if tokens:
        docs = function._apidoc = deepcopy(getattr(function, "_apidoc", {}))
        docs.setdefault("manual_doc", {})["security"] = list(tokens)
    return view


def refuse_undeclared(app: Flask) -> None:
    """Stop the start where a route does not say who may call it."""
    silent = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "who_may")
    ]
    if silent:
        marks = "anyone, anonymous, user_required or role_required"
        raise RuntimeError(f"decorate with {marks}: {silent}")
