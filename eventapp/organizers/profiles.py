"""Show the public profile of an organizer, and let the organizer write it.

The profile is a part of the account's document, so it ends with the account in the same write. The
name and the about of the account itself are never shown, and its photo only if the profile says so.
"""

from datetime import datetime

from bson import ObjectId

from eventapp.accounts import editing
from eventapp.accounts import service as accounts
from eventapp.accounts.types import StoredUser
from eventapp.core.database import Db
from eventapp.events import organizer_pages
from eventapp.organizers.types import OrganizerProfile, PublicProfileView


def get_profile(db: Db, user_id: ObjectId) -> OrganizerProfile:
    """Return the profile as the organizer wrote it; an empty one if there is none yet."""
    return _get_stored(accounts.get_user(db, user_id))


def _get_stored(user: StoredUser) -> OrganizerProfile:
    empty: OrganizerProfile = {"name": None, "about": "", "links": [], "showPhoto": False}
    return user.get("organizerProfile", empty)


def replace_profile(
    db: Db, user_id: ObjectId, profile: OrganizerProfile, now: datetime
) -> OrganizerProfile:
    """Replace the profile of an organizer in one write, and return it."""
    return _get_stored(editing.update_user(db, user_id, {"organizerProfile": profile}, now=now))


def show_profile(db: Db, organizer_id: ObjectId, image_base_url: str) -> PublicProfileView:
    """Return the profile as everyone sees it.

    Args:
        image_base_url: the beginning of the URL of an uploaded photo, such as `https://host`.

    Raises:
        OrganizerNotFound: the account is no organizer, or everyone sees none of its events.
    """
    name_on_events = organizer_pages.get_shown_name(db, organizer_id)
    try:
        user = accounts.get_user(db, organizer_id)
    except accounts.UserNotFound:  # The account was deleted meanwhile.
        raise organizer_pages.OrganizerNotFound from None
    profile = _get_stored(user)
    return {
        "organizerId": organizer_id,
        "name": profile["name"] or name_on_events,
        "about": profile["about"],
        "photo": accounts.make_photo_url(user, image_base_url) if profile["showPhoto"] else "",
        "links": profile["links"],
        "upcomingEvents": organizer_pages.count_upcoming(db, organizer_id),
    }
