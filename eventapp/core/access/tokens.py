"""Access and refresh tokens read back, every bad one refused alike."""

import re
from typing import Any, cast

import jwt
from bson import ObjectId
from flask import Flask, current_app, request
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token

from eventapp.config import Config
from eventapp.core.errors import Unauthorized

Claims = dict[str, Any]

ALGORITHM = "HS256"
BEARER = re.compile(r"\s*Bearer(?:\s+(.*?))?\s*", re.IGNORECASE)


def init_app(app: Flask, config: Config) -> None:
    app.config.update(
        JWT_SECRET_KEY=config.jwt_secret,
        JWT_ALGORITHM=ALGORITHM,
        JWT_ACCESS_TOKEN_EXPIRES=config.jwt_expires_in,
        JWT_REFRESH_TOKEN_EXPIRES=config.jwt_refresh_expires_in,
        JWT_COOKIE_CSRF_PROTECT=False,  # no token is ever in a cookie
    )
    JWTManager(app)


def access_token(user_id: ObjectId, session_id: ObjectId, generation: int = 0) -> str:
    """An access token; `generation` tells which refresh of its session it came with."""
    claims = {"sid": str(session_id), "gen": generation}
    return cast(str, create_access_token(str(user_id), additional_claims=claims))


def refresh_token(user_id: ObjectId, session_id: ObjectId, token_id: str) -> str:
    """A refresh token; `token_id` is what makes each one work once."""
    claims = {"sid": str(session_id), "rid": token_id}
    return cast(str, create_refresh_token(str(user_id), additional_claims=claims))


def token_claims(*, refresh: bool = False, optional: bool = False) -> Claims:
    """The verified claims of the request's bearer token, {} where `optional` and there is none.

    Raises:
        Unauthorized: there is none, or it is expired, forged or of another kind.
    """
    sent = BEARER.fullmatch(request.headers.get("Authorization", ""))
    if sent:
        return _verified(sent[1] or "", "refresh" if refresh else "access")
    if optional:
        return {}
    raise Unauthorized


def refresh_claims(token: str | None) -> Claims:
    """The verified claims of a refresh token: this one, or the bearer token where it is None."""
    return token_claims(refresh=True) if token is None else _verified(token, "refresh")


def _verified(token: str, kind: str) -> Claims:
    """The claims, decoded once: flask_jwt_extended reads each token three times over, which took
    a fifth of a booking's time in the server."""
    try:
        claims: Claims = jwt.decode(
            token,
            current_app.config["JWT_SECRET_KEY"],
            algorithms=[ALGORITHM],
            options={"require": ["exp", "sub", "type"]},
        )
    except jwt.ExpiredSignatureError:
        raise Unauthorized("The token has expired", code="token_expired") from None
    except jwt.PyJWTError:
        raise Unauthorized from None
    if claims["type"] != kind:  # whatever else this key may sign is no key to the door
        raise Unauthorized
    return claims


def session_of(claims: Claims) -> ObjectId:
    """The session a token belongs to. Unauthorized where it is a token of another kind."""
    session_id = claims.get("sid")
    if not ObjectId.is_valid(session_id):
        raise Unauthorized
    return ObjectId(session_id)
