"""The background jobs, and the scheduler that runs them.

A process runs a job once at a time. Other processes, on any number of machines, may run the same
job at the same moment: every job is written so that this does no harm.
"""

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler

from eventapp.accounts import email_change_mails, email_voids, erasures, mail_requests
from eventapp.accounts import recovery as account_recovery
from eventapp.accounts.mail_requests import MailContext
from eventapp.analytics import money_sums, ranking, sales_sums
from eventapp.announcements import log_notes as announcement_log
from eventapp.announcements import sending as announcements
from eventapp.bookings import event_closing, recovery, untold_holders, waitlist_offers
from eventapp.bookings import notifications as booking_notifications
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger import reports
from eventapp.bookings.ledger import service as ledger
from eventapp.bookings.payments import reconciliation, refunds
from eventapp.core.clock import get_local_date, utc_now
from eventapp.core.database import Db
from eventapp.devices import service as devices
from eventapp.due_work.service import describe_error
from eventapp.events import alerts as event_alerts
from eventapp.events import event_log, timekeeping
from eventapp.jobs import store
from eventapp.jobs.types import JobRun, JobStatus, StoredJob
from eventapp.media import service as media
from eventapp.messages import service as messages
from eventapp.notifications import outbox
from eventapp.organizers import invitations
from eventapp.webhooks import facts as webhook_facts
from eventapp.webhooks import notices as webhook_notices
from eventapp.webhooks import sending as webhook_sending
from eventapp.webhooks import service as webhooks

# How often a worker checks whether it has received a signal to stop.
STOP_POLL_SECONDS = 0.5
# A job is overdue if its last run is older than two periods plus this margin. A run takes time, and
# not every run that finds nothing to do is stored.
OVERDUE_MARGIN = timedelta(minutes=1)
# The search for changed events begins this long before the last run: the clocks of two machines
# differ, and a write may become visible later than the time that it records.
SEARCH_OVERLAP = timedelta(minutes=2)
# Stands for the time of the last run of a job that has never run.
NEVER_RUN = datetime(1970, 1, 2, tzinfo=UTC)

log = structlog.get_logger("jobs")


@dataclass(frozen=True)
class Job:
    """A background job.

    Attributes:
        name: names the job in its stored last run, in the health report and on the command line.
        function: does the work at the given time, and returns how many items it processed.
        every_seconds: the time from the start of one run to the next.
    """

    name: str
    function: Callable[[BookingContext, datetime], int]
    every_seconds: float


def _roll_day(context: BookingContext, now: datetime) -> int:
    """Update the stored values of events that depend on the date."""
    timekeeping.start_day(context.db, get_local_date(now, context.default_zone))
    return 0


def _send_mails(context: BookingContext, now: datetime) -> int:
    """Send the mails that are due, or log them if no mail server is set."""
    return outbox.send_due_mails(context.db, context.outbox, now)


def _warn_of_low_tickets(context: BookingContext, now: datetime) -> int:
    """Send alerts for events that changed since the last successful run and have few tickets."""
    last = store.find_job(context.db, "low-tickets")
    last_ok = last.get("lastOk", NEVER_RUN) if last else NEVER_RUN
    base_url = context.outbox.base_url
    return event_alerts.alert_low_tickets(context.db, base_url, last_ok - SEARCH_OVERLAP, now)


def _delete_orphaned_chats(context: BookingContext, now: datetime) -> int:
    """Delete the chats of events that were deleted."""
    return messages.delete_orphaned_chats(context.db, now)


def _delete_orphaned_announcements(context: BookingContext, now: datetime) -> int:
    """Delete the announcements of events that were deleted."""
    return announcements.delete_orphans(context.db, now)


def _delete_orphaned_photos(context: BookingContext, now: datetime) -> int:
    """Delete the data that interrupted uploads and deletions of photos left behind."""
    return media.delete_orphaned_chunks(context.db, now)


def _delete_ended_devices(context: BookingContext, now: datetime) -> int:
    """Delete the door devices that have ended."""
    return devices.delete_ended(context.db, now)


def _finish_erasures(context: BookingContext, now: datetime) -> int:
    """Finish the erasures of accounts that a process left unfinished."""
    return erasures.finish_interrupted(context.db, context.forget_functions, now)


def _make_account_mails(context: BookingContext, now: datetime) -> int:
    """Store the mails with tokens that were asked for in the outbox."""
    mails = MailContext(context.outbox.require_sealer(), context.outbox.base_url)
    made = mail_requests.make_requested_mails(context.db, mails, now)
    return made + email_change_mails.make_change_mails(context.db, mails, now)


def _make_invitation_mails(context: BookingContext, now: datetime) -> int:
    """Store the mails of new invitations into teams in the outbox."""
    mails = MailContext(context.outbox.require_sealer(), context.outbox.base_url)
    return invitations.make_invitation_mails(context.db, mails, now)


def _finish_resets(context: BookingContext, now: datetime) -> int:
    """Finish the resets and changes of passwords that a process left unfinished."""
    return account_recovery.finish_interrupted(context.db, context.outbox.require_sealer(), now)


def _move_to_event_log(context: BookingContext, now: datetime) -> int:
    """Move the entries of events' logs that processes have left."""
    moved = event_log.move_due_entries(context.db, now)
    return moved + announcement_log.move_due_entries(context.db, now)


def _finish_email_changes(context: BookingContext, now: datetime) -> int:
    """Finish voided changes of emails, and forget addresses whose time is over."""
    return email_voids.finish_interrupted(context.db, now)


def _end_webhooks(context: BookingContext, now: datetime) -> int:
    """Delete the webhooks of API tokens that have ended."""
    return webhooks.delete_of_ended_tokens(context.db, now)


def _copy_to_ledger(context: BookingContext, now: datetime) -> int:
    """Copy the changes of bookings into the ledger."""
    return ledger.copy_entries(context.db, now)


def _count_sales(context: BookingContext, now: datetime) -> int:
    """Bring the stored sums of bookings up to date."""
    return sales_sums.refresh_sums(context.db, now)


def _count_money(context: BookingContext, now: datetime) -> int:
    """Bring the stored sums of money up to date."""
    return money_sums.refresh_sums(context.db, now)


def _rank_events(context: BookingContext, now: datetime) -> int:
    """Bring the stored figures by which lists of events are sorted up to date."""
    return ranking.refresh_ranks(context.db, now)


# The names are stored and appear in health reports. `settle` and `tell` are older than the names of
# their functions.
JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        Job("expire-holds", waitlist_offers.expire_holds, 2),
        Job("refunds", refunds.pay_due_refunds, 2),
        Job("reconcile-payments", reconciliation.reconcile_payments, 5),
        Job("serve-waiting", waitlist_offers.offer_available_tickets, 5),
        Job("settle", recovery.recover, 5),
        Job("close-cancelled", event_closing.close_cancelled_events, 10),
        Job("close-deleted", event_closing.close_deleted_events, 10),
        Job("complete-past", event_closing.close_past_events, 300),
        Job("roll-day", _roll_day, 300),
        Job("ledger", _copy_to_ledger, 5),
        Job("event-log", _move_to_event_log, 5),
        Job("tell", booking_notifications.notify_holders, 2),
        Job("announcements", announcements.send_due_announcements, 2),
        Job("tell-old-holders", untold_holders.tell_holders, 60),
        Job("account-mails", _make_account_mails, 2),
        Job("invitation-mails", _make_invitation_mails, 2),
        Job("mail", _send_mails, 2),
        Job("webhook-facts", webhook_facts.make_deliveries, 2),
        Job("webhooks", webhook_sending.send_first_attempts, 2),
        Job("webhook-retries", webhook_sending.send_retries, 5),
        Job("webhook-notices", webhook_notices.notify_owners, 10),
        Job("old-webhooks", _end_webhooks, 60),
        Job("low-tickets", _warn_of_low_tickets, 30),
        Job("reports", reports.send_reports, 600),
        Job("orphans", event_closing.close_orphans, 3600),
        Job("devices", _delete_ended_devices, 600),
        Job("chats", _delete_orphaned_chats, 3600),
        Job("old-announcements", _delete_orphaned_announcements, 3600),
        Job("photos", _delete_orphaned_photos, 86_400),
        Job("erasures", _finish_erasures, 60),
        Job("password-resets", _finish_resets, 60),
        Job("email-changes", _finish_email_changes, 60),
        Job("count-sales", _count_sales, 30),
        Job("count-money", _count_money, 30),
        Job("rank-events", _rank_events, 30),
    )
}


def run_job(name: str, context: BookingContext) -> int:
    """Run one job now, store how it ended, and return how many items it processed.

    Raises:
        KeyError: no job has this name.
        Exception: the job failed. The error has been stored.
    """
    job = JOBS[name]
    with _RunRecorder(name, context.db) as run:
        run.done = job.function(context, run.started_at)
    if run.done:
        log.info("job", name=name, done=run.done, ms=run.milliseconds)
    return run.done


class _RunRecorder:
    """A block that stores a run of a job when it ends, whatever error ends it.

    Attributes:
        started_at: when the run started.
        done: how many items the run processed; the block sets it.
        milliseconds: how long the run took, once the block has ended.
    """

    def __init__(self, name: str, db: Db) -> None:
        self.started_at, self.done, self.milliseconds = utc_now(), 0, 0
        self._name, self._db, self._timer = name, db, time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        self.milliseconds = round((time.perf_counter() - self._timer) * 1000)
        run: JobRun = {
            "lastRun": self.started_at,
            "durationMs": self.milliseconds,
            "lastError": None,
        }
        if error is None:
            run["lastOk"] = self.started_at
        else:
            run["lastError"], run["lastErrorAt"] = describe_error(error), self.started_at
        store.record_run(self._db, self._name, run, is_idle=not self.done and error is None)


def get_job_status(db: Db) -> dict[str, JobStatus]:
    """Return the period and the last stored run of each job, by the job's name."""
    last_runs = {job["_id"]: job for job in store.find_jobs(db)}
    return {name: _describe_job(job, last_runs.get(name)) for name, job in JOBS.items()}


def _describe_job(job: Job, last_run: StoredJob | None) -> JobStatus:
    status: JobStatus = {
        "everySeconds": job.every_seconds,
        "lastRun": None,
        "durationMs": None,
        "lastError": None,
    }
    if last_run:
        status["lastRun"] = last_run["lastRun"]
        status["durationMs"] = last_run["durationMs"]
        status["lastError"] = last_run["lastError"]
        if "lastOk" in last_run:
            status["lastOk"] = last_run["lastOk"]
        if "lastErrorAt" in last_run:
            status["lastErrorAt"] = last_run["lastErrorAt"]
    return status


def find_overdue_jobs(db: Db, now: datetime) -> list[str]:
    """Return the names of the jobs that have not run for two of their periods."""
    last_runs = {job["_id"]: job["lastRun"] for job in store.find_jobs(db)}
    return [
        name
        for name, job in JOBS.items()
        if now - last_runs.get(name, NEVER_RUN)
        > 2 * timedelta(seconds=job.every_seconds) + OVERDUE_MARGIN
    ]


def schedule_jobs(scheduler: BaseScheduler, context: BookingContext) -> None:
    """Add all jobs to the scheduler. A job never runs twice at once within this process.

    The failure of a job, for example because the database is unavailable, is logged. The job runs
    again when it is next due.
    """
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # _log_failure logs failures.
    scheduler.add_listener(_log_failure, EVENT_JOB_ERROR)
    for name, job in JOBS.items():
        scheduler.add_job(
            run_job,
            "interval",
            args=(name, context),
            seconds=job.every_seconds,
            id=name,
            max_instances=1,
            coalesce=True,
            next_run_time=utc_now(),
        )


def _log_failure(event: JobExecutionEvent) -> None:
    log.warning("job failed", name=event.job_id, exc_info=event.exception)


def start_scheduler(context: BookingContext) -> BackgroundScheduler:
    """Run all jobs on threads of this process, and return their scheduler."""
    scheduler = BackgroundScheduler(daemon=True, timezone="UTC")
    schedule_jobs(scheduler, context)
    scheduler.start()
    return scheduler


def run_worker(context: BookingContext) -> None:
    """Run all jobs until SIGTERM or SIGINT arrives. Return when the jobs that run have finished."""
    signals: list[int] = []
    # The first process of a container ignores every signal for which it has no handler. The handler
    # only records the signal, because the scheduler would swallow an exception.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.append(number))
    scheduler = start_scheduler(context)
    while not signals:
        time.sleep(STOP_POLL_SECONDS)
    scheduler.shutdown()
