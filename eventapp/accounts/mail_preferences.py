"""Which mails a user wants, as the profile says it and as links in mails change it."""

from collections.abc import Iterable
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import store_mail_preferences as store
from eventapp.accounts.errors import KeyInvalid as KeyInvalid
from eventapp.accounts.types import MailPreferences, StoredUser
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.notifications.unsubscribing import InvalidKey, UnsubscribeKeys

UNSUBSCRIBE_KEYS: AppKey[UnsubscribeKeys] = AppKey("unsubscribe_keys")


def render_preferences(user: StoredUser) -> MailPreferences:
    """Return the mail preferences of an account, also of one that never changed them."""
    stored = user.get("mailPreferences", {})
    return {
        "announcements": stored.get("announcements", True),
        "unsubscribedOrganizers": stored.get("unsubscribedOrganizers", []),
    }


def unsubscribe(db: Db, keys: UnsubscribeKeys, key: str, now: datetime) -> None:
    """Do what the link of a mail says. Doing it again changes nothing.

    An account that was erased meanwhile is no error: it gets no mails.

    Raises:
        KeyInvalid: the server has not made this key.
    """
    try:
        wish = keys.read(key)
    except InvalidKey:
        raise KeyInvalid from None
    if wish.organizer_id is None:
        store.refuse_announcements(db, wish.user_id, now)
    else:
        store.add_organizer(db, wish.user_id, wish.organizer_id, now)


def find_unsubscribed(
    db: Db, user_ids: Iterable[ObjectId], organizer_id: ObjectId | None
) -> set[ObjectId]:
    """Return those of these users who want no mails of announcements of an organizer.

    Args:
        organizer_id: None for announcements of an event without an organizer.
    """
    return store.find_unsubscribed(db, user_ids, organizer_id)
