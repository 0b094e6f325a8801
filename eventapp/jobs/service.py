"""The background jobs, by name, and the clock that runs them.

Every job may run any number of times at once, on any number of machines.
"""

import logging
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler

from eventapp.bookings import alerts as bookings_tell
from eventapp.bookings import recovery as bookings
from eventapp.bookings import reports as bookings_reports
from eventapp.bookings.context import BookingContext
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.events import alerts as events_told
from eventapp.events import service as events
from eventapp.jobs import store
from eventapp.media import service as media
from eventapp.messages import service as messages
from eventapp.notifications import outbox

LISTEN_SECONDS = 0.5
# A run may take its time, and one that finds nothing to do is not always noted.
LATE_AFTER = timedelta(minutes=1)
# Two machines' clocks, and a write that took its time.
OVERLAP = timedelta(minutes=2)
EPOCH = datetime(1970, 1, 2, tzinfo=UTC)

log = structlog.get_logger("jobs")

Job = Callable[[BookingContext, datetime], int]


def roll_day(context: BookingContext, now: datetime) -> int:
    """Set right what only the passing day changes in the lists."""
    events.roll_day(context.db, now.date())
    return 0


def send_mails(context: BookingContext, now: datetime) -> int:
    """Send what is due, or log it where no mail server is set."""
    return outbox.send_due_mails(context.db, context.outbox, now)


def warn_of_few(context: BookingContext, now: datetime) -> int:
    """Tell of few tickets left, among the events that changed since this was last done."""
    last = store.of(context.db, "low-tickets") or {}
    since = last.get("lastOk", EPOCH) - OVERLAP
    return events_told.warn_of_few(context.db, context.outbox.base_url, since, now)


def drop_chats(context: BookingContext, _now: datetime) -> int:
    """Delete the chats of events that were deleted."""
    return messages.drop_orphans(context.db)


def drop_photos(context: BookingContext, now: datetime) -> int:
    """Delete what is left of photos whose upload or deletion was cut off."""
    return media.drop_orphans(context.db, now)


# What is done, and every how many seconds.
JOBS: dict[str, tuple[Job, float]] = {
    "expire-holds": (bookings.expire_holds, 2),
    "serve-waiting": (bookings.serve_all_waiting, 5),
    "settle": (bookings.settle, 5),
    "close-cancelled": (bookings.close_cancelled, 10),
    "complete-past": (bookings.close_past, 300),
    "roll-day": (roll_day, 300),
    "tell": (bookings_tell.tell, 2),
    "mail": (send_mails, 2),
    "low-tickets": (warn_of_few, 30),
    "reports": (bookings_reports.report, 600),
    "chats": (drop_chats, 3600),
    "photos": (drop_photos, 86_400),
}


def run(name: str, context: BookingContext) -> int:
    """Run one job now, and note how it went; how many things it did.

    Raises:
        KeyError: the name is no job's. What the job itself fails with is noted too.
    """
    job, _seconds = JOBS[name]
    with _Noted(name, context.db) as noted:
        noted.done = job(context, noted.began)
    if noted.done:
        log.info("job", name=name, done=noted.done, ms=noted.milliseconds)
    return noted.done


class _Noted:
    """Notes a run of a job when it ends, however it ends."""

    def __init__(self, name: str, db: Db) -> None:
        self.name, self.db, self.done, self.milliseconds = name, db, 0, 0

    def __enter__(self) -> Self:
        self.began, self._started = utc_now(), time.perf_counter()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        self.milliseconds = round((time.perf_counter() - self._started) * 1000)
        fields = {"lastRun": self.began, "durationMs": self.milliseconds, "lastError": None}
        if error is None:
            fields["lastOk"] = self.began
        else:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            fields |= {"lastError": said, "lastErrorAt": self.began}
        noteworthy = bool(self.done or error)
        store.note(self.db, self.name, fields, now=self.began, always=noteworthy)


def status(db: Db) -> dict[str, Document]:
    """Each job by name: `everySeconds`, and of its last run `lastRun`, `durationMs`, `lastError`.

    A run that found nothing to do is noted every 10 s at most. A job that never ran has no times.
    """
    noted = {row.pop("_id"): row for row in store.all_of(db)}
    never = {"lastRun": None, "durationMs": None, "lastError": None}
    return {
        name: {"everySeconds": seconds, **never, **noted.get(name, {})}
        for name, (_job, seconds) in JOBS.items()
    }


def late(db: Db, now: datetime) -> list[str]:
    """The names of the jobs that should have been run and were not: no worker is at work."""
    last = {name: noted["lastRun"] or EPOCH for name, noted in status(db).items()}
    return [
        name
        for name, (_job, seconds) in JOBS.items()
        if now - last[name] > 2 * timedelta(seconds=seconds) + LATE_AFTER
    ]


def schedule(scheduler: BaseScheduler, context: BookingContext) -> None:
    """Put all jobs on the scheduler, each never twice at once within this process.

    One that fails, as where the database is away, is logged and runs again when its time comes.
    """
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # we log its failures ourselves
    scheduler.add_listener(_log_failure, EVENT_JOB_ERROR)
    for name, (_job, seconds) in JOBS.items():
        scheduler.add_job(
            run,
            "interval",
            args=(name, context),
            seconds=seconds,
            id=name,
            max_instances=1,
            coalesce=True,
            next_run_time=utc_now(),
        )


def _log_failure(event: JobExecutionEvent) -> None:
    log.warning("job failed", name=event.job_id, exc_info=event.exception)


def in_background(context: BookingContext) -> BackgroundScheduler:
    """All jobs, on threads of this process."""
    scheduler = BackgroundScheduler(daemon=True, timezone="UTC")
    schedule(scheduler, context)
    scheduler.start()
    return scheduler


def forever(context: BookingContext) -> None:
    """All jobs in this process, until SIGTERM or SIGINT; those under way finish first."""
    told: list[int] = []
    # The first process of a container hears no signal that it does not handle itself. And nothing
    # is raised, as the scheduler would swallow it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda heard, _frame: told.append(heard))
    scheduler = in_background(context)
    while not told:
        time.sleep(LISTEN_SECONDS)
    scheduler.shutdown()
