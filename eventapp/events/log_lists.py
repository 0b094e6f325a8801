"""List the log of an event, and export what a user changed."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.events import event_log, store_log
from eventapp.events.log_types import LogEntryView, LoggedUser, LogRow
from eventapp.events.service import get_managed


def list_entries(
    db: Db, event_id: int, request: PageRequest, actor: Actor
) -> tuple[JsonObject, JsonObject | None]:
    """Return a page of an event's log, the newest entry first.

    An entry that a process has left in the event when it died is moved first, so that the list has
    every change.

    Returns:
        The body of the answer, and the list position of the next page, which is None at the end.

    Raises:
        EventNotFound, Forbidden: there is no such event, or the caller may not see its log.
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    get_managed(db, event_id, actor)
    if store_log.has_pending(db, event_id, 1):
        event_log.move_entries(db, event_id)
    after: tuple[datetime, ObjectId] | None = None
    skip: int | None = 0
    if request.list_position is not None:
        counted, page = paging.parse_cursor_page(request.list_position)
        after = _parse_position(request.list_position)
    else:
        counted, page = store_log.count(db, event_id, paging.COUNT_LIMIT + 1), request.page
        skip = paging.find_page_offset(page=page, limit=request.limit, counted=counted)
    limit, found = request.limit, list[LogRow]()
    if skip is not None:
        found = store_log.find_page(db, event_id, after, skip, limit + 1)
    rows = found[:limit]
    body = {
        "entries": _render_entries(db, rows),
        **paging.make_page_envelope(page=page, limit=limit, counted=counted),
    }
    if len(found) <= limit:
        return body, None
    return body, {**_build_position(rows[-1]), "counted": counted, "page": page}


def _build_position(row: LogRow) -> JsonObject:
    return {"value": int(row["at"].timestamp() * 1000), "id": str(row["_id"])}


def _parse_position(position: JsonObject) -> tuple[datetime, ObjectId]:
    at = paging.parse_cursor_time(paging.parse_cursor_int(position.get("value")))
    return at, paging.parse_cursor_object_id(position.get("id"))


def _render_entries(db: Db, rows: Iterable[LogRow]) -> list[LogEntryView]:
    people = accounts.find_recipients(db, {row["userId"] for row in rows if row["userId"]})
    names = {user_id: person.name for user_id, person in people.items()}
    return [_render_entry(row, names) for row in rows]


def _render_entry(row: LogRow, names: Mapping[ObjectId, str]) -> LogEntryView:
    user: LoggedUser | None = None
    if row["userId"] is not None:
        user = {"userId": row["userId"], "name": names.get(row["userId"])}
    return {
        "logId": row["_id"],
        "at": row["at"],
        "user": user,
        "via": row["via"],
        "tokenName": row.get("tokenName"),
        "action": row["action"],
        "changes": row["changes"],
        "moreChanges": row.get("moreChanges", 0),
    }


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the changes of events that a user made, as `eventChanges`."""
    return {
        "eventChanges": [
            {
                "eventId": row["eventId"],
                "at": row["at"],
                "via": row["via"],
                "tokenName": row.get("tokenName"),
                "action": row["action"],
                "changes": row["changes"],
            }
            for row in store_log.find_of_user(db, user_id)
        ]
    }
