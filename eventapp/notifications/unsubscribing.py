"""The links by which the reader of a mail gets no more mails of its kind, without logging in.

A link holds a key: the recipient and the sender, signed with the server's secret. It is good for
that one change and never expires, because old mails are read, too. A mail server sends it by the
headers of RFC 8058. No key is stored: it is made when a mail is sent.
"""

from dataclasses import dataclass

from bson import ObjectId
from itsdangerous import BadData, URLSafeSerializer

from eventapp.core.languages import DEFAULT_LANGUAGE
from eventapp.notifications.mail_templates import render_template
from eventapp.notifications.texts import get_mail_texts
from eventapp.notifications.types import QueuedMail, Subscription

# A part of the signing key, so that no other text signed with the same secret is taken for a key.
SALT = "unsubscribe"
# What keys begin with, so that logs can hide them: see `core.logging`.
PREFIX = "uns_"
PATH = "/mails/unsubscribe"
END_OF_PAGE = "</body>"


class InvalidKey(Exception):
    """A text is no key that this server has made."""


@dataclass(frozen=True)
class Unsubscription:
    """Which mails a user does not want any more.

    Attributes:
        user_id: the recipient.
        organizer_id: whose announcements; None for all announcements.
    """

    user_id: ObjectId
    organizer_id: ObjectId | None


class UnsubscribeKeys:
    """Makes and reads keys."""

    def __init__(self, secret: str) -> None:
        """Take the setting JWT_SECRET. After a change of it, no earlier key is valid."""
        self._signer = URLSafeSerializer(secret, salt=SALT)

    def make(self, user_id: ObjectId, subscription: Subscription) -> str:
        """Return the key by which a user ends a subscription."""
        organizer_id = subscription["organizerId"]
        content = [str(user_id), str(organizer_id) if organizer_id else ""]
        return f"{PREFIX}{self._signer.dumps(content)}"

    def read(self, key: str) -> Unsubscription:
        """Return what a key stands for.

        Raises:
            InvalidKey: this server has not made it, or with another secret.
        """
        try:
            user_id, organizer_id = self._signer.loads(key.removeprefix(PREFIX))
        except BadData:
            raise InvalidKey from None
        return Unsubscription(ObjectId(user_id), ObjectId(organizer_id) if organizer_id else None)


@dataclass(frozen=True)
class UnsubscribeLinks:
    """The links of one mail.

    Attributes:
        one_click: the URL to which a mail program sends a POST, for the header.
        page: the URL of the page that asks the reader, for the text. Its key is in the fragment,
            which browsers send to no server and in no Referer header.
        is_of_organizer: whether they end the announcements of one organizer, and not all.
    """

    one_click: str
    page: str
    is_of_organizer: bool


def make_links(mail: QueuedMail, keys: UnsubscribeKeys, base_url: str) -> UnsubscribeLinks | None:
    """Return the links of a stored mail; None if its recipient cannot unsubscribe from it."""
    if "subscription" not in mail:
        return None
    key = keys.make(mail["userId"], mail["subscription"])
    url = f"{base_url.rstrip('/')}{PATH}"
    is_of_organizer = mail["subscription"]["organizerId"] is not None
    return UnsubscribeLinks(f"{url}?key={key}", f"{url}#key={key}", is_of_organizer)


def add_link(mail: QueuedMail, links: UnsubscribeLinks) -> QueuedMail:
    """Return a mail whose bodies end with the link to the page."""
    context = {
        "link": links.page,
        "is_of_organizer": links.is_of_organizer,
        "texts": get_mail_texts(mail.get("language", DEFAULT_LANGUAGE)),
    }
    text, footer = (render_template(f"unsubscribe.{form}", context) for form in ("txt", "html"))
    # What people have typed is escaped, so this is the end of the page.
    html = mail["html"].replace(END_OF_PAGE, f"{footer}{END_OF_PAGE}")
    return {**mail, "text": f"{mail['text']}{text}", "html": html}
