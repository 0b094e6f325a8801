"""List and export the waitlist entries of a user."""

from collections.abc import Iterable, Sequence

from bson import ObjectId

from eventapp.core import paging
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.events import current_schedules
from eventapp.events.question_types import Attendee
from eventapp.events.types import ScheduleEntry
from eventapp.waitlist import store
from eventapp.waitlist.types import EntryPosition, EntryView, WaitlistEntry


def list_entries(
    db: Db, user_id: ObjectId, request: PageRequest
) -> tuple[JsonObject, JsonObject | None]:
    """Return a page of the user's active entries with their positions, newest first.

    Returns:
        The body of the answer, and the list position of the next page, which is None at the end.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """

    def count(limit: int) -> int:
        return store.count_active_of_user(db, user_id, limit)

    def find(before: ObjectId | None, skip: int, limit: int) -> list[WaitlistEntry]:
        return store.find_active_of_user(db, user_id, before=before, skip=skip, limit=limit)

    page = paging.find_page_by_id(request, count, find)
    return {"waitlist": _render_entries(db, page.rows), **page.envelope}, page.next_position


def _render_entries(db: Db, entries: Sequence[WaitlistEntry]) -> list[EntryView]:
    """Return entries of one user as the API shows them; one that has ended has no position."""
    ahead = store.count_ahead(db, [entry for entry in entries if entry["active"]])
    schedules = current_schedules.find_schedules(db, {entry["eventId"] for entry in entries})
    return [
        render_entry(
            entry,
            ahead[entry["_id"]] + 1 if entry["active"] else None,
            schedules.get(entry["eventId"], ()),
        )
        for entry in entries
    ]


def render_entry(
    entry: WaitlistEntry, position: int | None, schedule: Iterable[ScheduleEntry]
) -> EntryView:
    """Return the entry as the API shows it.

    Args:
        position: 1 is next; None for an entry that has ended.
        schedule: the present schedule of its event; empty if that is gone.
    """
    awaited = find_awaited_entry(entry, schedule)
    return {
        "_id": entry["_id"],
        "eventId": entry["eventId"],
        "eventTitle": entry["eventTitle"],
        "ticketTypeId": entry["ticketTypeId"],
        "type": entry["type"],
        "scheduleId": entry.get("scheduleId"),
        "date": awaited["date"].date().isoformat() if awaited else None,
        "startsAt": awaited.get("startsAt") if awaited else None,
        "timezone": awaited["timezone"] if awaited else None,
        "location": awaited["location"] if awaited else None,
        "quantity": entry["quantity"],
        "status": entry["status"],
        "position": position,
        "joinedAt": entry["joinedAt"],
    }


def find_awaited_entry(
    entry: WaitlistEntry, schedule: Iterable[ScheduleEntry]
) -> ScheduleEntry | None:
    """Return the schedule entry that a waitlist entry waits for; None if unknown or gone."""
    schedule_id = entry.get("scheduleId")
    if schedule_id is None:  # The entries of a schedule that is not migrated have no ids.
        return None
    return next((each for each in schedule if each["scheduleId"] == schedule_id), None)


def list_event_entries(
    db: Db, event_id: int, after: EntryPosition | None, limit: int
) -> list[tuple[WaitlistEntry, EntryView]]:
    """Return active entries of an event in their order, each as it is stored and as it is shown.

    Args:
        after: the position of the last entry of the page before; None for the first page.
    """
    entries = store.find_active_in_order(db, event_id, after, limit)
    first: dict[tuple[int, int | None], WaitlistEntry] = {}
    for entry in entries:
        first.setdefault((entry["ticketTypeId"], entry.get("scheduleId")), entry)
    ahead = store.count_ahead(db, list(first.values()))
    positions = {queue: ahead[entry["_id"]] for queue, entry in first.items()}
    schedule = current_schedules.find_schedules(db, {event_id}).get(event_id, ())
    shown = []
    for entry in entries:
        queue = entry["ticketTypeId"], entry.get("scheduleId")
        positions[queue] += 1
        shown.append((entry, render_entry(entry, positions[queue], schedule)))
    return shown


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return all entries of the user, with the attendees of the tickets that are waited for.

    An entry that has ended has no position.
    """
    entries = store.find_all_of_user(db, user_id)
    pairs = zip(_render_entries(db, entries), entries, strict=True)
    return {"waitlist": [{**shown, "attendees": _list_attendees(entry)} for shown, entry in pairs]}


def _list_attendees(entry: WaitlistEntry) -> list[Attendee]:
    return [each for each in entry.get("attendees", []) if each is not None]
