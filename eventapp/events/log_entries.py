"""Build the entries of an event's log: compare an event before and after a change.

Only fields that people edit are compared. Counters, and what is computed from other fields, are
left out. No field of an event is a secret of a person; promo codes are shown to whoever may see the
log.
"""

from collections.abc import Mapping
from typing import Any, cast

from eventapp.events.log_types import FieldChange, LogAction, LogEntry, LogNote, LogValue

# The entries that an event may hold until they are moved. No write adds another one before that, so
# that the document stays small even if nothing can be moved.
MAX_PENDING = 20
# The fields of one entry, and the characters of a value. A change of many fields is cut.
MAX_CHANGES, MAX_TEXT = 50, 200

# The compared fields of an event, and its lists of parts with the name of their ids.
PLAIN_FIELDS = ("status", "title", "description", "category", "image", "organizer", "tags")
PART_IDS = {
    "schedule": "scheduleId",
    "ticketTypes": "ticketTypeId",
    "quotas": "quotaId",
    "promoCodes": "codeId",
    "questions": "questionId",
}
# The fields of parts that are not compared: ids, counters, and what is computed from others.
OMITTED_FIELDS = frozenset(
    (
        *PART_IDS.values(),
        *("startsAt", "endsAt", "overAt", "moves", "locationKey", "point"),
        *("availableTickets", "soldTickets", "heldTickets", "waiting"),
        *("used", "taken"),
    )
)
ACTIONS: Mapping[str, LogAction] = {"published": "published", "cancelled": "cancelled"}


def make_note(entry: LogEntry) -> LogNote:
    """Return what a guarded write of the event must contain to add an entry."""
    return LogNote(
        guard={f"logEntries.{MAX_PENDING - 1}": {"$exists": False}},
        fields={"logDue": True},
        pushed={"logEntries": entry},
    )


def name_edit(before: Mapping[str, Any], patch: Mapping[str, Any]) -> LogAction:
    """Return the action of an edit by the status that it sets."""
    status = patch.get("status", before.get("status"))
    return "edited" if status == before.get("status") else ACTIONS.get(status, "edited")


def find_changes(before: Mapping[str, Any], patch: Mapping[str, Any]) -> list[FieldChange]:
    """Return what differs between an event and the fields that an edit sets.

    Args:
        before: the event before the edit. Fields that the edit does not set are not looked at.
        patch: the fields after the edit.
    """
    old = _flatten({name: before[name] for name in patch if name in before})
    new = _flatten(patch)
    return [
        {"field": field, "before": old.get(field), "after": new.get(field)}
        for field in dict.fromkeys((*new, *old))
        if old.get(field) != new.get(field)
    ]


def make_change(field: str, before: object, after: object) -> FieldChange:
    """Return the change of a field, with long texts cut."""
    return {"field": field, "before": _shorten(before), "after": _shorten(after)}


def _flatten(fields: Mapping[str, Any]) -> dict[str, LogValue]:
    """Return the compared values of an event by path: `ticketTypes.2.price` names the type 2."""
    flat = {name: _shorten(fields[name]) for name in PLAIN_FIELDS if name in fields}
    for name, id_name in PART_IDS.items():
        parts = fields.get(name, ())
        for part in parts.values() if isinstance(parts, Mapping) else parts:
            path = f"{name}.{part[id_name]}"
            flat |= {
                f"{path}.{field}": _shorten(_convert(field, value))
                for field, value in part.items()
                if field not in OMITTED_FIELDS
            }
    return flat


def _convert(field: str, value: Any) -> object:
    """Return the value of a field of a part as people know it."""
    if field == "date":
        return value.date().isoformat()
    # The value of a promo code, stored in cents or in hundredths of a percent.
    if field == "value":
        return value // 100 if value % 100 == 0 else value / 100
    return value


def _shorten(value: object) -> LogValue:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return value[: MAX_TEXT - 1] + "…"
    return cast(LogValue, value)
