"""Find events that users must be notified of: those with a changed schedule or few tickets left.

An edit that changes a schedule records the change on the event. `bookings.notifications` reads the
records here and notifies the ticket holders. Alerts of few tickets go to everyone who has the event
as a favorite. Reports of sales to organizers find the titles of events here.
"""

from collections.abc import Sequence
from datetime import datetime

from eventapp.accounts import service as accounts
from eventapp.core.clock import start_clock
from eventapp.core.database import Db
from eventapp.due_work.service import DueRun
from eventapp.events import rules, schedule_times, store, store_alerts
from eventapp.events.types import LowTicketsEvent, RescheduledEvent, ScheduleChange
from eventapp.favorites import service as favorites
from eventapp.notifications import service as notifications
from eventapp.notifications.types import DateAndLocation, NewNotification, Recipient

# How many users are notified in one write.
BATCH_SIZE = 200


def find_schedule_changes(
    db: Db, now: datetime, limit: int, without: Sequence[object] = ()
) -> list[RescheduledEvent]:
    """Return events whose schedule changed and whose ticket holders are to be notified now.

    Args:
        without: eventIds to leave out.
    """
    return store_alerts.find_schedule_changes(db, now, limit, without)


def postpone_schedule_changes(db: Db, event: RescheduledEvent, until: datetime) -> None:
    """Record that the changes are to be handled again at this time.

    If there is a change since the event was read, all stay due.
    """
    store_alerts.postpone_schedule_changes(db, event, until)


def clear_schedule_changes(db: Db, event: RescheduledEvent) -> None:
    """Record that ticket holders are notified. Changes after the event was read stay recorded."""
    store_alerts.clear_schedule_changes(db, event)


def find_last_schedule_change(event: RescheduledEvent) -> ScheduleChange:
    """Return the newest schedule change whose ticket holders are not notified yet."""
    return event["tell"][-1]


def has_entry(event: RescheduledEvent, date: datetime, location: str) -> bool:
    """Return whether the event's schedule has an entry with this date and location."""
    return rules.has_entry(event["schedule"], date, location)


def present_schedule(event: RescheduledEvent) -> list[DateAndLocation]:
    """Return the event's schedule as notifications present it."""
    return [
        {
            "date": entry["date"].date().isoformat(),
            "startsAt": entry.get("startsAt"),
            "timezone": entry["timezone"],
            "location": entry["location"],
        }
        for entry in event["schedule"]
    ]


def alert_low_tickets(db: Db, base_url: str, changed_since: datetime, now: datetime) -> int:
    """Notify everyone who has an event as a favorite that few tickets are left, once an event.

    Args:
        base_url: the start of every link in a mail.
        changed_since: events that have not changed since then are skipped.

    Returns:
        How many notifications were written.
    """
    clock, run = start_clock(now), DueRun(db, "low-ticket alert", now)

    def alert(event: LowTicketsEvent) -> int:
        if not rules.is_low_on_tickets(event, clock()):
            return 0
        written = _alert_favoriting_users(db, base_url, event, clock())
        store_alerts.set_low_alert_sent(db, event["eventId"], now)
        return written

    events = store_alerts.find_low_on_tickets(
        db, changed_since, rules.FEW_TICKETS, also=list(run.retried), without=run.waiting
    )
    written = run.process(events, get_key=lambda event: event["eventId"], handle=alert)
    run.forget_absent()
    return written


def _alert_favoriting_users(db: Db, base_url: str, event: LowTicketsEvent, now: datetime) -> int:
    user_ids, count = favorites.find_users_with(db, event["eventId"]), 0
    for start in range(0, len(user_ids), BATCH_SIZE):
        contacts = accounts.find_recipients(db, user_ids[start : start + BATCH_SIZE])
        alerts = [_make_low_tickets_alert(event, contact, now) for contact in contacts.values()]
        count += notifications.notify(db, base_url, alerts, now)
    return count


def _make_low_tickets_alert(
    event: LowTicketsEvent, recipient: Recipient, now: datetime
) -> NewNotification:
    upcoming = [each for each in event["schedule"] if each["overAt"] > now]
    entry = min(upcoming or event["schedule"], key=schedule_times.find_begin)
    return NewNotification(
        key=f"low:{event['eventId']}:{rules.FEW_TICKETS}:{recipient.id}",
        kind="low_tickets",
        recipient=recipient,
        occurred_at=now,
        data={
            "eventId": event["eventId"],
            "eventTitle": event["title"],
            "date": entry["date"].date().isoformat(),
            "startsAt": entry.get("startsAt"),
            "timezone": entry["timezone"],
            "location": entry["location"],
            "quantity": rules.count_all_buyable(event, now),
        },
    )


def find_titles(db: Db, event_ids: Sequence[int]) -> dict[int, str]:
    """Return the titles of those of these events that exist, by eventId."""
    return store.find_titles(db, event_ids)
