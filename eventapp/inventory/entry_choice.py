"""Choose the schedule entry of an event that a request books, waits for or asks the price of."""

from datetime import datetime

from eventapp.core.errors import ValidationFailed
from eventapp.events import current_schedules
from eventapp.events.types import SaleState, ScheduleEntry
from eventapp.inventory.errors import EventPast, NotOnSale


def choose_schedule_entry(
    event: SaleState, now: datetime, *, schedule_id: int | None = None, index: int | None = None
) -> ScheduleEntry:
    """Return the named schedule entry, to book it or to wait for it, else the next to come.

    If none is named and all entries are over, the one that began first is returned.

    Args:
        schedule_id, index: the id or the index of the entry. At most one of them is given.

    Raises:
        NotOnSale: the event has an older schema version.
        ValidationFailed: there is no such entry.
        EventPast: the named entry is over.
    """
    entries = event["schedule"]
    if "overAt" not in entries[0]:  # The schema of the event is not migrated yet.
        raise NotOnSale
    if schedule_id is None and index is None:
        return current_schedules.choose_next_entry(entries, now)
    if index is not None:
        named, name = entries[index : index + 1], "index"
    else:
        named, name = [entry for entry in entries if entry["scheduleId"] == schedule_id], "id"
    if not named:
        errors = {f"schedule{name.title()}": ["The event has no such entry."]}
        raise ValidationFailed(f"Invalid schedule {name}", errors=errors)
    if named[0]["overAt"] <= now:
        raise EventPast
    return named[0]
