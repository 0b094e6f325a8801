"""List and export the waitlist entries of a user."""

from collections.abc import Sequence

from bson import ObjectId

from eventapp.core import paging
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.waitlist import store
from eventapp.waitlist.types import EntryView, WaitlistEntry


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
    return [
        render_entry(entry, ahead[entry["_id"]] + 1 if entry["active"] else None)
        for entry in entries
    ]


def render_entry(entry: WaitlistEntry, position: int | None) -> EntryView:
    """Return the entry as the API shows it. Position 1 is next; an ended entry has None."""
    return {
        "_id": entry["_id"],
        "eventId": entry["eventId"],
        "eventTitle": entry["eventTitle"],
        "ticketTypeId": entry["ticketTypeId"],
        "type": entry["type"],
        "quantity": entry["quantity"],
        "status": entry["status"],
        "position": position,
        "joinedAt": entry["joinedAt"],
    }


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return all entries of the user; one that has ended has no position."""
    return {"waitlist": _render_entries(db, store.find_all_of_user(db, user_id))}
