"""API tokens, as far as the identification of callers needs them.

An API token is a secret by which a program acts for its owner. The database has only the SHA-256
of the secret: it is random, so a slow hash would add nothing. `eventapp/accounts` creates, lists
and ends API tokens.

A door device has an API token too, which it gets in exchange for a pairing code. The code has the
form of a secret with another prefix.
"""

import hashlib
import re
import secrets
import string
from datetime import datetime
from typing import NotRequired, Protocol, TypedDict

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.core.roles import ADMIN, ORGANIZER

# Access tokens are JSON web tokens, which begin with "eyJ".
TOKEN_PREFIX, PAIRING_PREFIX = "evt_", "evp_"
_CHARACTERS = string.ascii_letters + string.digits
# 40 of 62 characters are 238 random bits.
_SECRET_LENGTH = 40
# The beginning of the secret by which its owner recognizes a token. 202 random bits stay secret.
_SHOWN_LENGTH = len(TOKEN_PREFIX) + 6
_SECRET = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9]{{{_SECRET_LENGTH}}}")
_PAIRING_CODE = re.compile(rf"{PAIRING_PREFIX}[A-Za-z0-9]{{{_SECRET_LENGTH}}}")


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
    deviceEventId: NotRequired[int]  # the event of a door device; absent for other tokens


class ApiTokenReader(Protocol):
    """Finds API tokens that have not ended."""

    def find(self, db: Db, secret: str, now: datetime) -> ApiToken | None:
        """Return the token with this secret; None if there is none or it has ended."""

    def reload(self, db: Db, token_id: ObjectId, now: datetime) -> ApiToken | None:
        """Return the token with this id; None if there is none or it has ended."""

    def record_use(self, db: Db, token: ApiToken, now: datetime) -> None:
        """Record that a token was used, without waiting for the database."""


def get_acting_role(token: ApiToken) -> str:
    """Return the role in which a token acts for its owner.

    Only the token of a door device acts as an admin: it is for one scope at one event.
    """
    is_limited = token["role"] == ADMIN and "deviceEventId" not in token
    return ORGANIZER if is_limited else token["role"]


def make_secret() -> str:
    """Return a new secret: TOKEN_PREFIX and 40 letters and digits."""
    drawn = (secrets.choice(_CHARACTERS) for _ in range(_SECRET_LENGTH))
    return TOKEN_PREFIX + "".join(drawn)


def make_pairing_code() -> str:
    """Return a new pairing code: PAIRING_PREFIX and 40 letters and digits."""
    return PAIRING_PREFIX + make_secret().removeprefix(TOKEN_PREFIX)


def is_api_token(text: str) -> bool:
    """Return whether a bearer token is meant as an API token, known or not."""
    return text.startswith(TOKEN_PREFIX)


def is_well_formed(secret: str) -> bool:
    """Return whether a text can be the secret of an API token."""
    return _SECRET.fullmatch(secret) is not None


def is_pairing_code(text: str) -> bool:
    """Return whether a text can be a pairing code."""
    return _PAIRING_CODE.fullmatch(text) is not None


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a secret or a pairing code, as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def get_shown_prefix(secret: str) -> str:
    """Return the beginning of a secret that lists of tokens show."""
    return secret[:_SHOWN_LENGTH]
