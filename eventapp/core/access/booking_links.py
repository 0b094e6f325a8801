"""The key of the link of a booking, and the short-lived token that is given for it.

A link in a mail opens one booking without a login. Its key is an HMAC of what the link stands for,
a `BookingLink`. So no key is stored, and whatever changes a field of the `BookingLink` ends the
link. The key is exchanged for a link token: a bearer token that says which link it was given for,
signed, with its end. Both are made with keys of their own, which are derived from JWT_SECRET.
"""

import base64
import hashlib
import hmac
from dataclasses import astuple, dataclass

from bson import ObjectId

from eventapp.core.access.sealing import derive_key

# What keys and tokens begin with, so that logs can hide them: see `core.logging`.
KEY_PREFIX = "lnk_"
KEY_PURPOSE = "booking link key"


@dataclass(frozen=True)
class BookingLink:
    """What the link of a booking stands for.

    Attributes:
        booking_id: the booking that it opens.
        user_id: the holder of the booking.
        link_version: how often the link of the booking was replaced when it was made.
        credentials_version: how often the holder's email or password was changed when it was made.
    """

    booking_id: ObjectId
    user_id: ObjectId
    link_version: int
    credentials_version: int


class LinkKeys:
    """Makes and checks the keys of links."""

    def __init__(self, secret: str) -> None:
        """Take the setting JWT_SECRET. After a change of it, no earlier key is valid."""
        self._key = derive_key(secret, KEY_PURPOSE)

    def make(self, link: BookingLink) -> str:
        """Return the key of a link: KEY_PREFIX and 43 characters, which stand for 256 bits."""
        content = " ".join(str(each) for each in astuple(link))
        digest = hmac.digest(self._key, content.encode(), hashlib.sha256)
        return KEY_PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def is_key(self, text: str, link: BookingLink) -> bool:
        """Return whether a text is the key of a link. It takes the same time for any text."""
        return hmac.compare_digest(self.make(link).encode(), text.encode())
