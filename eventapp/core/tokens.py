"""Access and refresh tokens read back, every bad one refused alike."""

from collections.abc import Callable
from typing import Any, cast

import jwt
from bson import ObjectId
from flask import Flask
from flask_jwt_extended import (
    JWTManager,
    decode_token,
    get_jwt,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import JWTExtendedException

from eventapp.config import Config
from eventapp.core.errors import Unauthorized

Claims = dict[str, Any]


def init_app(app: Flask, config: Config) -> None:
    app.config.update(
        JWT_SECRET_KEY=config.jwt_secret,
        JWT_ALGORITHM="HS256",
        JWT_ACCESS_TOKEN_EXPIRES=config.jwt_expires_in,
        JWT_REFRESH_TOKEN_EXPIRES=config.jwt_refresh_expires_in,
        JWT_COOKIE_CSRF_PROTECT=False,  # no token is ever in a cookie
    )
    JWTManager(app)


def token_claims(*, refresh: bool = False, optional: bool = False) -> Claims:
    """The verified claims of the request's bearer token, {} where `optional` and there is none.

    Raises:
        Unauthorized: there is none, or it is expired, forged or of another kind.
    """
    claims = _verified(lambda: _bearer_claims(refresh=refresh, optional=optional))
    return _of_kind("refresh" if refresh else "access", claims) if claims else claims


def refresh_claims(token: str | None) -> Claims:
    """The verified claims of a refresh token: this one, or the bearer token where it is None."""
    if token is None:
        return token_claims(refresh=True)
    return _of_kind("refresh", _verified(lambda: cast(Claims, decode_token(token))))


def _of_kind(kind: str, claims: Claims) -> Claims:
    if claims["type"] != kind:  # whatever else this key may sign is no key to the door
        raise Unauthorized
    return claims


def _bearer_claims(*, refresh: bool, optional: bool) -> Claims:
    verify_jwt_in_request(optional=optional, refresh=refresh)
    return cast(Claims, get_jwt())


def _verified(read: Callable[[], Claims]) -> Claims:
    try:
        return read()
    except jwt.ExpiredSignatureError:
        raise Unauthorized("The token has expired", code="token_expired") from None
    except (JWTExtendedException, jwt.PyJWTError):
        raise Unauthorized from None


def session_of(claims: Claims) -> ObjectId:
    """The session a token belongs to. Unauthorized where it is a token of another kind."""
    session_id = claims.get("sid")
    if not ObjectId.is_valid(session_id):
        raise Unauthorized
    return ObjectId(session_id)
