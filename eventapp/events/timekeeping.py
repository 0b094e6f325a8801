"""Keep the fields of events up to date that depend on the time, and complete events that are over.

Lists go by calendar dates: today is the date in the zone that DEFAULT_TIMEZONE names. An event is
over by the hour, when the last entry of its schedule is over in its own zone.
"""

from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo

from eventapp.core.clock import get_local_date, utc_now
from eventapp.core.database import Db
from eventapp.due_work.service import DueRun, process_due
from eventapp.events import rules, store, store_changes, store_timekeeping
from eventapp.events.schedules import UTC_ZONE
from eventapp.events.types import EventKey, EventRevision, EventSchedule

# A sale between the read and the write of a next date makes the write fail. Then both are repeated.
NEXT_DATE_ATTEMPTS = 20
# Past events that one call completes. The worker calls every few minutes.
MAX_COMPLETED = 5000


def prepare(db: Db, now: datetime, default_zone: ZoneInfo = UTC_ZONE) -> None:
    """Prepare the database at start: the counter of eventIds, and the fields that change daily.

    What an interrupted bulk load has left is completed, too.
    """
    store.advance_event_id_counter(db)
    store_changes.set_missing_times(db)
    start_day(db, get_local_date(now, default_zone))


def start_day(db: Db, today: date) -> None:
    """Update the fields of events that depend on today's date.

    It may run at any time, and several times at once. It never overwrites an edit.
    """
    midnight = rules.midnight(today)
    store_timekeeping.unlist_past(db, midnight)

    def set_next_date(event: EventSchedule) -> int:
        upcoming = (entry["date"] for entry in event["schedule"] if entry["date"] >= midnight)
        store_timekeeping.set_next_date_if_unchanged(db, event, min(upcoming))
        return 1

    run = DueRun(db, "next date", utc_now())
    for _attempt in range(NEXT_DATE_ATTEMPTS):
        events = store_timekeeping.find_with_past_next_date(db, midnight, run.waiting)
        if not events:
            return
        run.process(events, get_key=_get_event_id, handle=set_next_date)


def complete_past_events(db: Db, now: datetime) -> int:
    """Mark published events that are over as completed; return how many."""
    completed = {"status": rules.COMPLETED, "listed": False}

    def complete(event: EventRevision) -> int:
        return int(store.write_if_unchanged(db, event, completed, now=now) is not None)

    return process_due(
        db,
        "completion",
        now,
        find=partial(store_timekeeping.find_published_over, db, now),
        limit=MAX_COMPLETED,
        get_key=_get_event_id,
        handle=complete,
    )


def _get_event_id(event: EventKey) -> int:
    return event["eventId"]
