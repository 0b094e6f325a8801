"""Create and verify JSON web tokens.

flask-jwt-extended creates the tokens. PyJWT, the library under it, decodes them, because
flask-jwt-extended decodes each token three times, which took a fifth of the time of a booking.
`tests/unit/test_tokens.py` checks that both libraries read and refuse the same tokens.

A token that was verified is not verified again: only its expiry can change what it is worth. That
its session has not ended is checked for each request, elsewhere.
"""

import hashlib
from typing import TypedDict, cast

import flask_jwt_extended
import jwt
from bson import ObjectId
from flask import Flask, current_app, request

from eventapp.config import Config
from eventapp.core.clock import utc_now
from eventapp.core.errors import Unauthorized
from eventapp.core.lru_cache import LRUCache


class Claims(TypedDict, total=False):
    """The claims of a verified token that are used; empty for a request without one."""

    sub: str  # the id of the user
    type: str  # "access" or "refresh"
    sid: str  # the id of the session
    gen: int  # access tokens: the refresh count of the session when the token was made
    rid: str  # refresh tokens: the refresh id, which the session accepts once
    exp: int  # when the token expires, in seconds since 1970


class TokenExpired(Unauthorized):
    """The token was valid once."""

    def __init__(self) -> None:
        super().__init__("The token has expired", code="token_expired")


CLAIM_NAMES = tuple(Claims.__annotations__)
ALGORITHM = "HS256"
# The most tokens whose claims are kept, by digests of the secret and the token. Each takes 0.7 kB.
MAX_VERIFIED = 3_000
_VERIFIED: LRUCache[bytes, Claims] = LRUCache(MAX_VERIFIED)
BEARER = "bearer"
# What clients without a token send after "Bearer".
NO_TOKENS = frozenset({"", "null", "undefined", "none"})


def init_app(app: Flask, config: Config) -> None:
    """Set up flask-jwt-extended with the secret and the token lifetimes of the settings."""
    app.config.update(
        JWT_SECRET_KEY=config.jwt_secret,
        JWT_ALGORITHM=ALGORITHM,
        JWT_ACCESS_TOKEN_EXPIRES=config.jwt_expires_in,
        JWT_REFRESH_TOKEN_EXPIRES=config.jwt_refresh_expires_in,
        JWT_COOKIE_CSRF_PROTECT=False,  # Tokens are never sent in cookies.
    )
    flask_jwt_extended.JWTManager(app)


def create_access_token(user_id: ObjectId, session_id: ObjectId, refresh_count: int = 0) -> str:
    """Return a new access token.

    Args:
        refresh_count: how often the session has been refreshed.
    """
    claims = {"sid": str(session_id), "gen": refresh_count}
    token = flask_jwt_extended.create_access_token(str(user_id), additional_claims=claims)
    return cast(str, token)


def create_refresh_token(user_id: ObjectId, session_id: ObjectId, refresh_id: str) -> str:
    """Return a new refresh token. The session accepts each `refresh_id` only once."""
    claims = {"sid": str(session_id), "rid": refresh_id}
    token = flask_jwt_extended.create_refresh_token(str(user_id), additional_claims=claims)
    return cast(str, token)


def verify_bearer_token(token_type: str = "access", *, optional: bool = False) -> Claims:
    """Return the verified claims of the bearer token in the Authorization header.

    Args:
        token_type: "access" or "refresh".
        optional: return {} for a request without a bearer token, instead of raising.

    Raises:
        Unauthorized: the token is missing, expired, forged or of another type.
    """
    text = read_bearer_token()
    if text is not None:
        return verify_token(text, token_type)
    if optional:
        return {}
    raise Unauthorized


def read_bearer_token() -> str | None:
    """Return the bearer token in the Authorization header, None if there is none."""
    return _parse_bearer_token(request.headers.get("Authorization", ""))


def _parse_bearer_token(header: str) -> str | None:
    # A regular expression with optional spaces at both ends would need quadratic time.
    scheme, *token = header.split(maxsplit=1) or [""]
    text = "".join(token).rstrip()
    return text if scheme.lower() == BEARER and text.lower() not in NO_TOKENS else None


def verify_refresh_token(token: str | None) -> Claims:
    """Return the verified claims of a refresh token, or of the bearer token if it is None."""
    return verify_bearer_token("refresh") if token is None else verify_token(token, "refresh")


def verify_token(token: str, token_type: str) -> Claims:
    """Verify a token and return its claims.

    Raises:
        Unauthorized: the token is expired, forged or of another type.
    """
    secret: str = current_app.config["JWT_SECRET_KEY"]
    key = _make_key(secret, token)
    claims = _VERIFIED.get(key)
    if claims is None:
        claims = _decode(token, secret)
        _VERIFIED.put(key, claims)
    elif _is_expired(claims):
        raise TokenExpired
    # One key signs access and refresh tokens, so the signature does not distinguish them.
    if claims["type"] != token_type:
        raise Unauthorized
    return claims


def find_verified_claims(app: Flask, header: str) -> Claims | None:
    """Return the claims of the access token in the header Authorization if they are known.

    Returns:
        None if the token was not verified lately, or is not valid, or if there is none.
    """
    token = _parse_bearer_token(header)
    claims = _VERIFIED.get(_make_key(app.config["JWT_SECRET_KEY"], token)) if token else None
    is_valid = claims and claims["type"] == "access" and not _is_expired(claims)
    return claims if is_valid else None


def _make_key(secret: str, token: str) -> bytes:
    return hashlib.sha256(f"{secret} {token}".encode()).digest()


def _is_expired(claims: Claims) -> bool:
    return int(claims["exp"]) <= utc_now().timestamp()


def _decode(token: str, secret: str) -> Claims:
    """Verify a token of any type, which takes about 0.1 ms, and return its claims."""
    try:
        decoded = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            options={"require": ["exp", "sub", "type"]},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except jwt.PyJWTError:
        raise Unauthorized from None
    # Each token is decoded with new strings for the names, which would take as much as the values.
    return cast(Claims, {name: decoded[name] for name in CLAIM_NAMES if name in decoded})


def get_session_id(claims: Claims) -> ObjectId:
    """Return the id of the session that a token belongs to.

    Raises:
        Unauthorized: the claims name no session.
    """
    return _parse_id(claims.get("sid"))


def get_user_id(claims: Claims) -> ObjectId:
    """Return the id of the user whom a token identifies.

    Raises:
        Unauthorized: the claims name no user.
    """
    return _parse_id(claims.get("sub"))


def _parse_id(text: str | None) -> ObjectId:
    if not ObjectId.is_valid(text):
        raise Unauthorized
    return ObjectId(text)
