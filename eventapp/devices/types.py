"""The shapes of door devices in answers. All times are aware and in UTC."""

from datetime import datetime
from typing import TypedDict

from bson import ObjectId


class DeviceView(TypedDict):
    """A device as the organizer of its event sees it."""

    deviceId: ObjectId
    name: str
    prefix: str | None  # the beginning of its secret; None before it is paired
    createdAt: datetime
    pairedAt: datetime | None  # when it got its present secret; None before it is paired
    expiresAt: datetime  # when it ends if the schedule of the event stays as it is
    lastUsedAt: datetime | None  # to 5 minutes; None before the first use


class DeviceLink(TypedDict):
    """The link by which a device is paired. It is shown once."""

    deviceId: ObjectId
    link: str
    qr: str  # a picture of the link, as a data URL
    expiresAt: datetime  # when the link is not valid any more


class PairedDevice(TypedDict):
    """What a device gets in exchange for its code. The secret is shown once."""

    secret: str
    deviceId: ObjectId
    name: str
    eventId: int
    eventTitle: str
    expiresAt: datetime  # as in DeviceView
