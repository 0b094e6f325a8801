"""flask-jwt-extended creates tokens and PyJWT verifies them. Both must accept the same tokens."""

from datetime import UTC, datetime, timedelta

import flask_jwt_extended
import jwt
import pytest
from bson import ObjectId
from flask import Flask
from flask_jwt_extended.exceptions import JWTExtendedException

from eventapp.config import load_config
from eventapp.core.access import tokens
from eventapp.core.errors import Unauthorized

SECRET = "0123456789abcdefghijABCDEFGHIJ-_xyz" * 2  # long enough for HS512 too
USER_ID, SESSION_ID = ObjectId(), ObjectId()
UNUSED_CLAIMS = {"fresh", "iat", "jti", "nbf"}


@pytest.fixture
def app(tmp_path):
    app = Flask(__name__)
    config = load_config({"JWT_SECRET": SECRET, "INSTANCE_DIR": str(tmp_path)})
    tokens.init_app(app, config)
    with app.app_context():
        yield app


def verify_with_flask_jwt_extended(app, token, token_type):
    """Return all claims as flask-jwt-extended verifies them for a request with this token."""
    with app.test_request_context(headers={"Authorization": f"Bearer {token}"}):
        flask_jwt_extended.verify_jwt_in_request(refresh=token_type == "refresh")
        return flask_jwt_extended.get_jwt()


def pick_used(claims):
    """Return the claims without those that nothing reads."""
    return {name: value for name, value in claims.items() if name not in UNUSED_CLAIMS}


def is_refused_by_both(app, token, token_type="access"):
    """Return True if both libraries refuse the token; fail otherwise."""
    with pytest.raises(Unauthorized):
        tokens.verify_token(token, token_type)
    with pytest.raises((jwt.PyJWTError, JWTExtendedException)):
        verify_with_flask_jwt_extended(app, token, token_type)
    return True


def sign(key=SECRET, algorithm="HS256", **changes):
    """Return a token that PyJWT signs, with the claims of an access token changed."""
    now = datetime.now(UTC)
    claims = {
        "fresh": False,
        "iat": now,
        "jti": "1",
        "type": "access",
        "sub": str(USER_ID),
        "nbf": now,
        "exp": now + timedelta(minutes=1),
        "sid": str(SESSION_ID),
        "gen": 0,
    }
    changed = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(changed, key, algorithm)


def test_both_read_the_same_claims_of_an_access_token(app):
    token = tokens.create_access_token(USER_ID, SESSION_ID, refresh_count=3)
    claims = tokens.verify_token(token, "access")
    assert claims == pick_used(verify_with_flask_jwt_extended(app, token, "access"))
    assert (claims["sub"], claims["gen"]) == (str(USER_ID), 3)
    assert tokens.get_session_id(claims) == SESSION_ID


def test_both_read_the_same_claims_of_a_refresh_token(app):
    token = tokens.create_refresh_token(USER_ID, SESSION_ID, "token-1")
    claims = tokens.verify_token(token, "refresh")
    assert claims == pick_used(verify_with_flask_jwt_extended(app, token, "refresh"))
    assert (claims["sub"], claims["rid"]) == (str(USER_ID), "token-1")


def test_both_accept_a_token_that_pyjwt_has_signed(app):
    token = sign()
    claims = tokens.verify_token(token, "access")
    assert claims == pick_used(verify_with_flask_jwt_extended(app, token, "access"))


def test_tokens_have_the_lifetimes_of_the_settings(app):
    access = tokens.create_access_token(USER_ID, SESSION_ID)
    refresh = tokens.create_refresh_token(USER_ID, SESSION_ID, "token-1")
    access_claims = verify_with_flask_jwt_extended(app, access, "access")
    refresh_claims = verify_with_flask_jwt_extended(app, refresh, "refresh")
    assert access_claims["exp"] - access_claims["iat"] == 15 * 60
    assert refresh_claims["exp"] - refresh_claims["iat"] == 30 * 86_400


@pytest.mark.parametrize("part", [0, 1, 2])
def test_both_refuse_a_tampered_token(app, part):
    parts = tokens.create_access_token(USER_ID, SESSION_ID).split(".")
    other = sign(sub=str(ObjectId()), algorithm="HS512").split(".")
    parts[part] = other[part]
    assert is_refused_by_both(app, ".".join(parts))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"nbf": datetime(2999, 1, 1, tzinfo=UTC), "exp": datetime(2999, 1, 2, tzinfo=UTC)},
        {"sub": None},
        {"type": "refresh"},
        {"key": "another secret of at least 32 bytes"},
        {"algorithm": "HS512"},
        {"algorithm": "none", "key": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_both_refuse_a_token_that_is_not_valid(app, changes):
    assert is_refused_by_both(app, sign(**changes))


@pytest.mark.parametrize("text", ["", "a.b.c", "no token"])
def test_both_refuse_a_text_that_is_no_token(app, text):
    assert is_refused_by_both(app, text)


def test_both_refuse_a_token_of_the_other_type(app):
    access = tokens.create_access_token(USER_ID, SESSION_ID)
    refresh = tokens.create_refresh_token(USER_ID, SESSION_ID, "token-1")
    assert is_refused_by_both(app, access, "refresh")
    assert is_refused_by_both(app, refresh, "access")


def test_an_expired_token_has_an_error_code_of_its_own(app):
    expired = sign(exp=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(Unauthorized) as refused:
        tokens.verify_token(expired, "access")
    assert refused.value.code == "token_expired"


def test_a_verified_token_is_not_decoded_again(app, monkeypatch):
    token = sign()
    first = tokens.verify_token(token, "access")
    with monkeypatch.context() as patch:
        patch.setattr(jwt, "decode", lambda *_args, **_options: pytest.fail("decoded again"))
        assert tokens.verify_token(token, "access") == first
        with pytest.raises(Unauthorized):
            tokens.verify_token(token, "refresh")


def test_a_verified_token_expires(app, monkeypatch):
    token = sign()
    expires_at = datetime.fromtimestamp(tokens.verify_token(token, "access")["exp"], UTC)
    monkeypatch.setattr(tokens, "utc_now", lambda: expires_at - timedelta(milliseconds=1))
    tokens.verify_token(token, "access")
    monkeypatch.setattr(tokens, "utc_now", lambda: expires_at)
    with pytest.raises(Unauthorized) as refused:
        tokens.verify_token(token, "access")
    assert refused.value.code == "token_expired"


def test_a_verified_token_is_refused_under_another_secret(app):
    token = sign()
    tokens.verify_token(token, "access")
    app.config["JWT_SECRET_KEY"] = SECRET[::-1]
    assert is_refused_by_both(app, token)
