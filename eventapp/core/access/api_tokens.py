"""API tokens, as far as the identification of callers needs them.

An API token is a secret by which a program acts for its owner. The database has only the SHA-256
of the secret: it is random, so a slow hash would add nothing. `eventapp/accounts` creates, lists
and ends API tokens.
"""

import hashlib
import re
import secrets
import string
from datetime import datetime
from typing import NotRequired, Protocol, TypedDict

from bson import ObjectId

from eventapp.core.database import Db

# Access tokens are JSON web tokens, which begin with "eyJ".
TOKEN_PREFIX = "evt_"
_CHARACTERS = string.ascii_letters + string.digits
# 40 of 62 characters are 238 random bits.
_SECRET_LENGTH = 40
# The beginning of the secret by which its owner recognizes a token. 202 random bits stay secret.
_SHOWN_LENGTH = len(TOKEN_PREFIX) + 6
_SECRET = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9]{{{_SECRET_LENGTH}}}")


class ApiToken(TypedDict):
    """The fields of an API token by which the caller of a request is identified."""

    _id: ObjectId
    userId: ObjectId  # the owner
    role: str  # the owner's role now, which may have changed since the token was created
    name: str  # what the owner calls it
    scopes: list[str]  # of `actions.SCOPES`
    eventIds: NotRequired[list[int]]  # the only events that it reaches; absent for all
    expiresAt: NotRequired[datetime]  # absent for a token that does not expire
    lastUsedAt: NotRequired[datetime]  # absent before the first use


class ApiTokenReader(Protocol):
    """Finds API tokens that have not ended."""

    def find(self, db: Db, secret: str, now: datetime) -> ApiToken | None:
        """Return the token with this secret; None if there is none or it has ended."""

    def reload(self, db: Db, token_id: ObjectId, now: datetime) -> ApiToken | None:
        """Return the token with this id; None if there is none or it has ended."""

    def record_use(self, db: Db, token: ApiToken, now: datetime) -> None:
        """Record that a token was used, without waiting for the database."""


def make_secret() -> str:
    """Return a new secret: TOKEN_PREFIX and 40 letters and digits."""
    drawn = (secrets.choice(_CHARACTERS) for _ in range(_SECRET_LENGTH))
    return TOKEN_PREFIX + "".join(drawn)


def is_api_token(text: str) -> bool:
    """Return whether a bearer token is meant as an API token, known or not."""
    return text.startswith(TOKEN_PREFIX)


def is_well_formed(secret: str) -> bool:
    """Return whether a text can be the secret of an API token."""
    return _SECRET.fullmatch(secret) is not None


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a secret, as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def get_shown_prefix(secret: str) -> str:
    """Return the beginning of a secret that lists of tokens show."""
    return secret[:_SHOWN_LENGTH]
