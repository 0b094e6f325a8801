"""The background jobs, by name, and the clock that runs them.

Every job may run any number of times at once, on any number of machines.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.schedulers.blocking import BlockingScheduler

from eventapp.bookings import service_settle as bookings
from eventapp.bookings.service import Shop
from eventapp.core.clock import utc_now
from eventapp.events import service as events

log = structlog.get_logger("jobs")

Job = Callable[[Shop, datetime], int]


def roll_day(shop: Shop, now: datetime) -> int:
    """Set right what only the passing day changes in the lists."""
    events.roll_day(shop.db, now.date())
    return 0


# What is done, and every how many seconds.
JOBS: dict[str, tuple[Job, float]] = {
    "expire-holds": (bookings.expire_holds, 2),
    "serve-waiting": (bookings.serve_all_waiting, 5),
    "settle": (bookings.settle, 5),
    "close-cancelled": (bookings.close_cancelled, 10),
    "complete-past": (bookings.close_past, 300),
    "roll-day": (roll_day, 300),
}


def run(name: str, shop: Shop) -> int:
    """Run one job now; how many things it did. KeyError for a name that is no job."""
    job, _seconds = JOBS[name]
    began = time.perf_counter()
    done = job(shop, utc_now())
    if done:
        log.info("job", name=name, done=done, ms=round((time.perf_counter() - began) * 1000))
    return done


def schedule(scheduler: BaseScheduler, shop: Shop) -> None:
    """Put all jobs on the scheduler, each never twice at once within this process.

    One that fails, as where the database is away, is logged and runs again when its time comes.
    """
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # we log its failures ourselves
    scheduler.add_listener(_log_failure, EVENT_JOB_ERROR)
    for name, (_job, seconds) in JOBS.items():
        scheduler.add_job(
            run,
            "interval",
            args=(name, shop),
            seconds=seconds,
            id=name,
            max_instances=1,
            coalesce=True,
            next_run_time=utc_now(),
        )


def _log_failure(event: JobExecutionEvent) -> None:
    log.warning("job failed", name=event.job_id, exc_info=event.exception)


def in_background(shop: Shop) -> BackgroundScheduler:
    """All jobs in a thread of this process, as the embedded store needs it: it serves only one."""
    scheduler = BackgroundScheduler(daemon=True, timezone="UTC")
    schedule(scheduler, shop)
    scheduler.start()
    return scheduler


def forever(shop: Shop) -> None:
    """All jobs in this process, until it is told to stop."""
    scheduler = BlockingScheduler(timezone="UTC")
    schedule(scheduler, shop)
    scheduler.start()
