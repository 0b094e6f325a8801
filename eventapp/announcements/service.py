"""Write, list and delete announcements of an event, for those who manage it.

`sending` sends them in the background.
"""

from datetime import datetime
from functools import partial

from bson import ObjectId

from eventapp.announcements import log_notes, rules, store
from eventapp.announcements.errors import (
    AnnouncementLimit,
    AnnouncementNotFound,
    AnnouncementSent,
    EventCancelled,
)
from eventapp.announcements.types import (
    AnnouncementInput,
    AnnouncementReceipt,
    StoredAnnouncement,
)
from eventapp.bookings import holders
from eventapp.bookings.request_digests import digest_request
from eventapp.bookings.types import RequestDigests
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.errors import IdempotencyMismatch, ValidationFailed
from eventapp.core.json import JsonObject
from eventapp.core.slots import iterate_free_slots
from eventapp.events import service as events

CANCELLED_EVENT = "cancelled"


def write_announcement(
    db: Db,
    event_id: int,
    actor: Actor,
    body: AnnouncementInput,
    idempotency_key: str | None,
    now: datetime,
) -> AnnouncementReceipt:
    """Store an announcement, which a worker sends at its time.

    Args:
        idempotency_key: a request that is repeated with its key stores nothing and gets the same
            answer; None without one.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
        IdempotencyMismatch: the key came with another announcement before.
        ValidationFailed: the event has no such ticket types or entries, or the time is not valid.
        EventCancelled: the event is cancelled.
        AnnouncementLimit: as many as are allowed are sent on that day.
    """
    event = events.get_managed(db, event_id, actor)
    digests = _digest(event_id, actor, body, idempotency_key)
    if repeated := _find_repeated(db, digests):
        return repeated
    type_ids = [each["ticketTypeId"] for each in event["ticketTypes"]]
    schedule_ids = [each["scheduleId"] for each in event["schedule"]]
    if faults := rules.find_faults(body, type_ids, schedule_ids, now):
        raise ValidationFailed("Invalid announcement", errors=faults)
    if event["status"] == CANCELLED_EVENT:
        raise EventCancelled
    recipients = holders.count_holders(db, event_id, body["to"])
    new = rules.make_announcement(ObjectId(), event_id, body, recipients=recipients, now=now)
    if digests:
        new["request"] = digests
    if actor.is_admin:
        new["byAdmin"] = True
    return _insert(db, log_notes.note_writing(new, actor, now), digests)


def _digest(
    event_id: int, actor: Actor, body: AnnouncementInput, idempotency_key: str | None
) -> RequestDigests | None:
    if idempotency_key is None:
        return None
    return digest_request(actor, idempotency_key, {"eventId": event_id, **body})


def _find_repeated(db: Db, digests: RequestDigests | None) -> AnnouncementReceipt | None:
    """Return the answer to an earlier request with the same key; None if there is none."""
    found = store.find_by_request(db, digests["key"]) if digests else None
    if digests is None or found is None:
        return None
    if found["request"]["body"] != digests["body"]:
        raise IdempotencyMismatch
    return _make_receipt(found)


def _insert(db: Db, new: StoredAnnouncement, digests: RequestDigests | None) -> AnnouncementReceipt:
    """Store an announcement in a free slot of its day."""
    find_taken = partial(store.find_taken_slots, db, new)
    for slot in iterate_free_slots(rules.MAX_PER_DAY, find_taken):
        if store.insert(db, {**new, "slot": slot}):
            log_notes.move_now(db, new["_id"])
            return _make_receipt(new)
        # A request with the same key may have come first.
        if repeated := _find_repeated(db, digests):
            return repeated
    message = f"At most {rules.MAX_PER_DAY} announcements a day"
    raise AnnouncementLimit(message, limit=rules.MAX_PER_DAY, day=new["day"])


def _make_receipt(stored: StoredAnnouncement) -> AnnouncementReceipt:
    return {"announcementId": stored["_id"], "recipients": stored["recipients"]}


def list_announcements(
    db: Db, event_id: int, actor: Actor, request: paging.PageRequest
) -> tuple[JsonObject, JsonObject | None]:
    """Return a page of the announcements of an event, newest first.

    Returns:
        The body of the answer, and the list position of the next page, which is None at the end.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    events.get_managed(db, event_id, actor)
    page = paging.find_page_by_id(
        request,
        lambda limit: store.count(db, event_id, up_to=limit),
        partial(_find_page, db, event_id),
    )
    announcements = [rules.render_announcement(each) for each in page.rows]
    return {"announcements": announcements, **page.envelope}, page.next_position


def _find_page(
    db: Db, event_id: int, before: ObjectId | None, skip: int, limit: int
) -> list[StoredAnnouncement]:
    return store.find_page(db, event_id, before=before, skip=skip, limit=limit)


def delete_announcement(
    db: Db, event_id: int, announcement_id: ObjectId, actor: Actor, now: datetime
) -> None:
    """Delete an announcement that is not sent yet.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
        AnnouncementNotFound: the event has no such announcement.
        AnnouncementSent: it is sent, being sent or withdrawn.
    """
    events.get_managed(db, event_id, actor)
    found = store.find(db, event_id, announcement_id)
    if found is None:
        raise AnnouncementNotFound
    if store.mark_deleted(db, announcement_id, log_notes.build_deletion(found, actor, now)):
        log_notes.move_now(db, announcement_id)
        return
    if store.find(db, event_id, announcement_id) is None:
        raise AnnouncementNotFound
    raise AnnouncementSent
