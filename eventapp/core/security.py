"""Who is calling, and who may: tokens, roles, and the mark every route must carry."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

import jwt
from bson import ObjectId
from flask import Flask, current_app, g, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import JWTExtendedException

from eventapp.config import Config
from eventapp.core.errors import Forbidden, Unauthorized, ValidationFailed
from eventapp.core.mongo import Db, get_db

ATTENDEE, ORGANIZER, ADMIN = "attendee", "organizer", "admin"
DEVICE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
GUEST_KEY = "guest"

View = TypeVar("View", bound=Callable[..., Any])
SessionLoader = Callable[[Db, ObjectId], dict[str, Any] | None]


@dataclass(frozen=True)
class Actor:
    """The caller: a signed-in user, else a device, else the shared guest."""

    user_id: ObjectId | None = None
    role: str = ""
    session_id: ObjectId | None = None
    device: str | None = None

    @property
    def is_admin(self) -> bool:
        return self.role == ADMIN

    @property
    def key(self) -> str:
        """What this caller's favorites are kept under."""
        if self.user_id:
            return f"user:{self.user_id}"
        return f"device:{self.device}" if self.device else GUEST_KEY

    def may_manage(self, owner_id: ObjectId | None) -> bool:
        """True for an admin, and for the owner of the thing."""
        return self.is_admin or (self.user_id is not None and self.user_id == owner_id)


def init_app(app: Flask, config: Config, load_session: SessionLoader) -> None:
    """Make tokens work.

    Args:
        load_session: the live session `{userId, role}` of an id, None when it has ended.
    """
    app.config.update(
        JWT_SECRET_KEY=config.jwt_secret,
        JWT_ALGORITHM="HS256",
        JWT_ACCESS_TOKEN_EXPIRES=config.jwt_expires_in,
        JWT_REFRESH_TOKEN_EXPIRES=config.jwt_refresh_expires_in,
        DEMO_OPEN=config.demo_open,
    )
    JWTManager(app)
    app.extensions["load_session"] = load_session


def access_token(user_id: ObjectId, session_id: ObjectId) -> str:
    return create_access_token(str(user_id), additional_claims={"sid": str(session_id)})


def refresh_token(user_id: ObjectId, session_id: ObjectId, token_id: str) -> str:
    """A refresh token; `token_id` is what makes each one work once."""
    claims = {"sid": str(session_id), "rid": token_id}
    return create_refresh_token(str(user_id), additional_claims=claims)


def token_claims(*, refresh: bool = False, optional: bool = False) -> dict[str, Any]:
    """The verified claims of the request's bearer token, {} where `optional` and there is none."""
    try:
        verify_jwt_in_request(optional=optional, refresh=refresh)
        return cast(dict[str, Any], get_jwt())
    except jwt.ExpiredSignatureError:
        raise Unauthorized("The token has expired", code="token_expired") from None
    except (JWTExtendedException, jwt.PyJWTError):
        raise Unauthorized from None


def current_actor() -> Actor:
    """The caller of this request. Unauthorized where a token is sent that is not valid."""
    if "actor" not in g:
        g.actor = _identify()
        g.user_id = g.actor.user_id
    return cast(Actor, g.actor)


def _identify() -> Actor:
    claims = token_claims(optional=True)
    if claims:
        return _session_actor(claims)
    if current_app.config["DEMO_OPEN"]:
        return Actor(role=ADMIN)
    return Actor(device=_device())


def _session_actor(claims: dict[str, Any]) -> Actor:
    session_id = ObjectId(claims["sid"])
    session = current_app.extensions["load_session"](get_db(), session_id)
    if session is None:
        raise Unauthorized("The session has ended", code="token_revoked")
    return Actor(session["userId"], session["role"], session_id, _device())


def _device() -> str | None:
    device = request.headers.get("X-Device-Id")
    if device is not None and not DEVICE_ID.fullmatch(device):
        said = "Must be 8 to 64 characters of A-Z, a-z, 0-9 and -"
        raise ValidationFailed("Invalid X-Device-Id", errors={"X-Device-Id": [said]})
    return device


def anyone(view: View) -> View:
    """Marks a route that needs no token."""
    return _declare(view, "anyone")


def user_required(view: View) -> View:
    """A route for any signed-in user."""
    return role_required(ATTENDEE, ORGANIZER, ADMIN)(view)


def role_required(*roles: str) -> Callable[[View], View]:
    """A route for these roles and for admins: 401 without a token, 403 for the others."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            actor = current_actor()
            if not actor.role:
                raise Unauthorized
            if actor.role not in (*roles, ADMIN):
                raise Forbidden
            return view(*args, **kwargs)

        return _declare(cast(View, guarded), " ".join(roles))

    return decorate


def _declare(view: View, who: str) -> View:
    view.who_may = who  # type: ignore[attr-defined]
    return view


def refuse_undeclared(app: Flask) -> None:
    """Stop the start where a route does not say who may call it."""
    silent = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "who_may")
    ]
    if silent:
        raise RuntimeError(f"decorate with anyone, user_required or role_required: {silent}")
