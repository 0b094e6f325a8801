"""Keep the events of an organizer who is deleted from being left without an organizer."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import store
from eventapp.accounts.errors import OrganizerHasEvents
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.core.roles import ADMIN, ORGANIZER


@dataclass(frozen=True)
class EventOwnership:
    """The functions by which the events of an organizer who is deleted are found and transferred.

    Attributes:
        has_open_events: returns whether a user has drafts, or published events that are not over.
        transfer: makes the second user the organizer of all events of the first.
    """

    has_open_events: Callable[[ObjectId, datetime], bool]
    transfer: Callable[[ObjectId, ObjectId, datetime], None]


NO_EVENTS = EventOwnership(lambda _user_id, _now: False, lambda _old_id, _new_id, _now: None)


def require_new_organizer(db: Db, user_id: ObjectId, new_id: ObjectId) -> None:
    """Raise ValidationFailed unless a user can take over the events of another one."""
    if new_id == user_id or not may_organize(db, new_id):
        message = "Must be another account with the role organizer or admin."
        raise ValidationFailed("Invalid transferTo", errors={"transferTo": [message]})


def leave_events(
    db: Db,
    user_id: ObjectId,
    events: EventOwnership,
    transfer_to: ObjectId | None,
    now: datetime,
) -> None:
    """Transfer the user's events, or check again that there are none that are not over.

    An event may have been created since the first check. The new organizer may have been deleted
    meanwhile; then the events go back.

    Raises:
        OrganizerHasEvents, ValidationFailed: the account must stay.
    """
    if transfer_to is None:
        if events.has_open_events(user_id, now):
            raise OrganizerHasEvents
        return
    events.transfer(user_id, transfer_to, now)
    try:
        require_new_organizer(db, user_id, transfer_to)
    except ValidationFailed:
        events.transfer(transfer_to, user_id, now)
        raise


def may_organize(db: Db, user_id: ObjectId) -> bool:
    """Return whether there is an account with this id whose role allows it to have events."""
    return bool(find_organizers(db, [user_id]))


def find_organizers(db: Db, user_ids: Collection[ObjectId]) -> set[ObjectId]:
    """Return those of these ids whose accounts have a role that allows them to have events."""
    return store.find_with_roles(db, user_ids, (ORGANIZER, ADMIN)) if user_ids else set()
