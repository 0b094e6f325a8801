"""Make and use API tokens in tests."""

from datetime import timedelta
from typing import Any

from eventapp.accounts import api_tokens
from eventapp.accounts.api_token_types import StoredApiToken
from eventapp.core.access.actions import SCOPES
from eventapp.core.access.api_tokens import hash_secret, make_secret
from eventapp.core.clock import utc_now
from tests.bookings_factories import Caller


def store_token(db: Any, owner: Caller, *scopes: str, **changes: Any) -> tuple[str, StoredApiToken]:
    """Store an API token without the API; return its secret and the document.

    Args:
        scopes: by default all.
        changes: further fields, such as `eventIds`.
    """
    secret = make_secret()
    role = db.users.find_one({"_id": owner.id})["role"]
    body = {"name": "Test", "scopes": list(scopes or SCOPES), "currentPassword": "", **changes}
    token = api_tokens._make_token(owner.id, role, secret, body, utc_now())
    assert token["secretHash"] == hash_secret(secret)
    db.apiTokens.insert_one(token)
    return secret, token


class TokenCaller(Caller):
    """A program that sends an API token of an owner.

    Attributes:
        token: the stored token.
        secret: the secret that it sends.
    """

    def __init__(self, owner: Caller, db: Any, *scopes: str, **changes: Any) -> None:
        self.secret, self.token = store_token(db, owner, *scopes, **changes)
        self.client, self.id = owner.client, owner.id
        self.headers = {"Authorization": f"Bearer {self.secret}"}


def in_one_day() -> str:
    """Return the time a day from now as a body holds it."""
    return (utc_now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")
