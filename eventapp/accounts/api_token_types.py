"""The documents and inputs of API tokens. All times are aware and in UTC."""

from datetime import datetime
from typing import NotRequired, TypedDict

from bson import ObjectId


class StoredApiToken(TypedDict):
    """A document of the `apiTokens` collection. It is deleted when the token ends or expires."""

    _id: ObjectId
    userId: ObjectId  # the owner
    role: str  # a copy of the owner's role, so that a request reads one document
    name: str  # what the owner calls it; 1 to 100 characters
    secretHash: str  # SHA-256 of the secret, 64 hexadecimal digits; unique
    prefix: str  # the beginning of the secret, by which its owner recognizes the token
    scopes: list[str]  # of `core.access.actions.SCOPES`, in their order
    eventIds: NotRequired[list[int]]  # the only events that it reaches; absent for all
    createdAt: datetime
    expiresAt: NotRequired[datetime]  # absent if it does not expire; a TTL index deletes it then
    # The last use, rounded down to 5 minutes; absent before the first.
    lastUsedAt: NotRequired[datetime]
    # Only in the token of a door device, see `device_tokens`:
    deviceEventId: NotRequired[int]  # the event at which the device checks in; also in `eventIds`
    codeHash: NotRequired[str]  # SHA-256 of the pairing code; unique; absent once it was used
    codeExpiresAt: NotRequired[datetime]  # present together with `codeHash`
    pairedAt: NotRequired[datetime]  # when the device got the present secret; absent before


class ActiveApiToken(TypedDict):
    """Projection of StoredApiToken: what every request with an API token reads."""

    _id: ObjectId
    userId: ObjectId
    role: str
    name: str
    scopes: list[str]
    eventIds: NotRequired[list[int]]
    expiresAt: NotRequired[datetime]
    lastUsedAt: NotRequired[datetime]
    deviceEventId: NotRequired[int]


class ApiTokenInput(TypedDict):
    """The body of a request for an API token, as its schema loads it."""

    name: str
    scopes: list[str]
    eventIds: NotRequired[list[int]]
    expiresAt: NotRequired[datetime]
    currentPassword: str


class DeviceToken(TypedDict):
    """Projection of StoredApiToken: the token of a door device, without its hashes."""

    _id: ObjectId
    userId: ObjectId
    role: str
    name: str
    prefix: str
    createdAt: datetime
    deviceEventId: int
    pairedAt: NotRequired[datetime]
    lastUsedAt: NotRequired[datetime]


class ApiTokenView(TypedDict):
    """An API token as its owner sees it."""

    tokenId: ObjectId
    name: str
    prefix: str
    scopes: list[str]
    eventIds: list[int] | None  # None for all events of the owner
    createdAt: datetime
    expiresAt: datetime | None
    lastUsedAt: datetime | None
