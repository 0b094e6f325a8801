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
from datetime import UTC, datetime

from bson import ObjectId
from itsdangerous import BadData, URLSafeSerializer

from eventapp.core.access.sealing import derive_key
from eventapp.core.errors import Unauthorized

# What keys and tokens begin with, so that logs can hide them: see `core.logging`.
KEY_PREFIX, TOKEN_PREFIX = "lnk_", "lnt_"
KEY_PURPOSE, TOKEN_PURPOSE = "booking link key", "booking link token"


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


class LinkTokens:
    """Makes and reads link tokens."""

    def __init__(self, secret: str) -> None:
        """Take the setting JWT_SECRET. After a change of it, no earlier token is valid."""
        self._signer = URLSafeSerializer(
            derive_key(secret, TOKEN_PURPOSE),
            salt=TOKEN_PURPOSE,
            signer_kwargs={"digest_method": hashlib.sha256},
        )

    def make(self, link: BookingLink, expires_at: datetime) -> str:
        """Return a token for the booking of a link. It is exact to a second."""
        content = [
            str(link.booking_id),
            str(link.user_id),
            link.link_version,
            link.credentials_version,
            int(expires_at.timestamp()),
        ]
        return f"{TOKEN_PREFIX}{self._signer.dumps(content)}"

    def read(self, token: str, now: datetime) -> BookingLink:
        """Return the link for which a token was given. The link may have ended meanwhile.

        Raises:
            Unauthorized: this server has not made the token, or it has expired.
        """
        try:
            booking_id, user_id, *versions, expires_at = self._signer.loads(
                token.removeprefix(TOKEN_PREFIX)
            )
        except BadData:
            raise Unauthorized from None
        if datetime.fromtimestamp(expires_at, UTC) <= now:
            raise Unauthorized("The token has expired", code="token_expired")
        return BookingLink(ObjectId(booking_id), ObjectId(user_id), *versions)


def is_link_token(text: str) -> bool:
    """Return whether a bearer token is meant as a link token, valid or not."""
    return text.startswith(TOKEN_PREFIX)
