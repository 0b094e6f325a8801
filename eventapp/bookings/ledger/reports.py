"""Send organizers reports of their sales, by day and by week.

A report sums up rows of the ledger. Every row is in exactly one daily and one weekly report,
however late it was stored. Let a report be written for a period that ends at E, when U is the
highest number of the ledger, and let E' and U' be those of the report before. The report has the
rows with a number up to U and a time before E, except those with a number up to U' and a time
before E', which the reports before it have. So a change that was made before midnight and stored
after the report was written is in the next report, and so is a hold that was paid after midnight.

U is fixed in the period's document before the first mail is written. Several workers, or one that
resumes after a crash, therefore write the same reports, and each mail is written once. All periods
since the last report are reported, so that days without a worker are not left out.

Money counts in the report of the day on which it moved. So a refund that the provider paid two days
after the cancellation is in the report of that day.

Bookings of older versions have no entries. They count in the period in which they were made, with
their present status, until their first change. Then they have an opening entry, which counts in
that period alone.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import rules, store_reports
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger import service as ledger
from eventapp.bookings.ledger.types import StoredReportPeriod
from eventapp.bookings.types import SalesRow
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.events import alerts as event_alerts
from eventapp.inventory.service import start_of_day
from eventapp.notifications import service as notifications
from eventapp.notifications.types import NewNotification, Recipient, ReportAmounts, ReportRow

BATCH_SIZE = 200
DAY = timedelta(days=1)
LENGTHS = {"daily": DAY, "weekly": 7 * DAY}
# If no worker ran for longer, the first of these reports also has the rows of the time before.
MAX_PERIODS = 35
# Records of periods are kept this long, and the last one for good.
KEEP_PERIODS = timedelta(days=60)
END_KINDS = frozenset({"cancelled", "event_cancelled", "declined", "expired"})
# The kind of money that came back to the provider: it is subtracted from what was refunded.
RETURNED_REFUNDS = frozenset({"refund_returned"})

# The organizer and the eventId of a row.
RowKey = tuple[ObjectId, int]


@dataclass(frozen=True)
class ReportPeriod:
    """A day or a week in UTC.

    Attributes:
        name: `daily` or `weekly`.
        since: its first moment, a midnight.
    """

    name: str
    since: datetime

    @property
    def until(self) -> datetime:
        """The midnight that follows it."""
        return self.since + LENGTHS[self.name]

    @property
    def first_day(self) -> str:
        """The first day, as YYYY-MM-DD."""
        return self.since.date().isoformat()

    @property
    def last_day(self) -> str:
        """The last day, as YYYY-MM-DD."""
        return (self.until - DAY).date().isoformat()

    @property
    def key(self) -> str:
        """The key under which the period is recorded."""
        return f"{self.name}:{self.first_day}"

    @property
    def next(self) -> "ReportPeriod":
        """The period that follows it."""
        return ReportPeriod(self.name, self.until)


def parse_period(key: str) -> ReportPeriod:
    """Return the period with this key."""
    name, _, first_day = key.partition(":")
    return ReportPeriod(name, datetime.fromisoformat(first_day).replace(tzinfo=UTC))


def find_finished_periods(now: datetime) -> list[ReportPeriod]:
    """Return yesterday, and the last week (Monday to Sunday) that is over."""
    today = start_of_day(now)
    monday = today - now.weekday() * DAY
    return [ReportPeriod("daily", today - DAY), ReportPeriod("weekly", monday - 7 * DAY)]


def send_reports(context: BookingContext, now: datetime) -> int:
    """Write the reports of all finished days and weeks, once each; return how many reports."""
    ledger.copy_entries(context.db, now)
    return sum(
        _report_period(context, period, now)
        for last in find_finished_periods(now)
        for period in _find_due_periods(context.db, last)
    )


def _find_due_periods(db: Db, last: ReportPeriod) -> list[ReportPeriod]:
    """Return the periods that are not reported yet, up to this one, the oldest first.

    A period whose report was begun and not finished is the first of them.
    """
    stored = store_reports.find_last_period(db, last.name)
    if stored is None:
        return [last]
    period = parse_period(stored["_id"])
    begun = [] if _is_finished(stored) else [period]
    periods = []
    while period.since < last.since:
        period = period.next
        periods.append(period)
    return begun + periods[-MAX_PERIODS:]


def _is_finished(stored: StoredReportPeriod) -> bool:
    # An older version has set `reportedAt`.
    return "finishedAt" in stored or "reportedAt" in stored


def _report_period(context: BookingContext, period: ReportPeriod, now: datetime) -> int:
    """Write the reports of a period and record that it is reported; return how many reports."""
    stored = _begin_period(context.db, period)
    failpoint("report-begun")
    rows = _collect_rows(context.db, period, stored)
    reports = _send(context, period, rows, now)
    failpoint("reported")
    store_reports.finish_period(context.db, period.key, now)
    oldest = ReportPeriod(period.name, period.since - KEEP_PERIODS)
    store_reports.delete_periods_before(context.db, period.name, oldest.key)
    return reports


def _begin_period(db: Db, period: ReportPeriod) -> StoredReportPeriod:
    """Fix which rows the reports of a period have, unless another worker has done so."""
    previous = store_reports.find_last_period(db, period.name, before=period.key)
    number = ledger.find_highest_number(db)
    new: StoredReportPeriod = {
        "_id": period.key,
        "after": previous.get("upTo", number) if previous else number,
        "since": parse_period(previous["_id"]).until if previous else period.since,
        "upTo": number,
    }
    return store_reports.begin_period(db, new)


def _collect_rows(
    db: Db, period: ReportPeriod, stored: StoredReportPeriod
) -> dict[ObjectId, list[SalesRow]]:
    """Return the rows of a period by organizer: one for each event with changes."""
    rows: defaultdict[RowKey, SalesRow] = defaultdict(_make_empty_row)
    for sums in store_reports.sum_ledger(db, stored, period.until):
        if sums["organizer"]:
            row = rows[sums["organizer"], sums["event"]]
            row["bookings"] += sums["bookings"]
            row["tickets"] += sums["tickets"]
            row["cents"] += sums["cents"]
            row["discount"] += sums["discount"]
            is_returned = sums["kind"] in RETURNED_REFUNDS
            row["charged"] += 0 if is_returned else sums["charged"]
            row["refunded"] += -sums["charged"] if is_returned else sums["refunded"]
            row["fees"] += sums["fees"]
            row["ended"] += sums["rows"] if sums["kind"] in END_KINDS else 0
    for old in store_reports.sum_bookings_without_entries(db, stored["since"], period.until):
        if old["organizer"]:
            row = rows[old["organizer"], old["event"]]
            if old["status"] == rules.CONFIRMED:
                row["bookings"] += old["bookings"]
                row["tickets"] += old["tickets"]
                row["cents"] += old["cents"]
                row["discount"] += old["discount"]
                row["charged"] += old["cents"]
            else:
                row["ended"] += old["bookings"]
    changed = {key: row for key, row in rows.items() if _has_numbers(row)}
    titles = _find_titles(db, sorted({event_id for _, event_id in changed}))
    by_organizer: defaultdict[ObjectId, list[SalesRow]] = defaultdict(list)
    for organizer_id, event_id in sorted(changed):
        row = changed[organizer_id, event_id]
        by_organizer[organizer_id].append({**row, "title": titles[event_id]})
    return dict(by_organizer)


def _make_empty_row() -> SalesRow:
    return {
        "title": "",
        "bookings": 0,
        "tickets": 0,
        "cents": 0,
        "discount": 0,
        "charged": 0,
        "refunded": 0,
        "fees": 0,
        "ended": 0,
    }


def _has_numbers(row: SalesRow) -> bool:
    return any(value for name, value in row.items() if name != "title")


def _find_titles(db: Db, event_ids: Sequence[int]) -> dict[int, str]:
    """Return the titles of events; of a deleted event, that of one of its bookings."""
    titles: dict[int, str] = {}
    for first in range(0, len(event_ids), BATCH_SIZE):
        batch = event_ids[first : first + BATCH_SIZE]
        titles |= event_alerts.find_titles(db, batch)
    for event_id in event_ids:
        if event_id not in titles:
            titles[event_id] = store_reports.find_booked_title(db, event_id)
    return titles


def _send(
    context: BookingContext,
    period: ReportPeriod,
    rows: dict[ObjectId, list[SalesRow]],
    now: datetime,
) -> int:
    organizer_ids, reports = sorted(rows), 0
    for start in range(0, len(organizer_ids), BATCH_SIZE):
        batch = organizer_ids[start : start + BATCH_SIZE]
        pending = [
            _build_report(period, organizer, rows[id_], context.limits.currency, now)
            for id_, organizer in accounts.find_recipients(context.db, batch).items()
        ]
        notifications.notify(context.db, context.outbox.base_url, pending, now)
        reports += len(pending)
    return reports


def _build_report(
    period: ReportPeriod,
    organizer: Recipient,
    rows: Sequence[SalesRow],
    currency: str,
    now: datetime,
) -> NewNotification:
    totals = _render_amounts(rows)
    return NewNotification(
        key=f"report:{period.key}:{organizer.id}",
        kind="report",
        recipient=organizer,
        occurred_at=now,
        data={"period": period.name, "from": period.first_day, "to": period.last_day},
        mail_data={
            "rows": [_render_report_row(row) for row in rows],
            "bookings": sum(row["bookings"] for row in rows),
            "tickets": sum(row["tickets"] for row in rows),
            "gross": totals["gross"],
            "discount": totals["discount"],
            "revenue": totals["revenue"],
            "charged": totals["charged"],
            "refunded": totals["refunded"],
            "fees": totals["fees"],
            "net": totals["net"],
            "ended": sum(row["ended"] for row in rows),
            "currency": currency,
        },
        in_app=False,
    )


def _render_report_row(row: SalesRow) -> ReportRow:
    return {
        **_render_amounts([row]),
        "title": row["title"],
        "bookings": row["bookings"],
        "tickets": row["tickets"],
        "ended": row["ended"],
    }


def _render_amounts(rows: Sequence[SalesRow]) -> ReportAmounts:
    """Return the sums of the amounts of these rows."""
    cents, discount = sum(row["cents"] for row in rows), sum(row["discount"] for row in rows)
    charged, refunded = sum(row["charged"] for row in rows), sum(row["refunded"] for row in rows)
    fees = sum(row["fees"] for row in rows)
    return {
        "gross": rules.from_cents(cents + discount),
        "discount": rules.from_cents(discount),
        "revenue": rules.from_cents(cents),
        "charged": rules.from_cents(charged),
        "refunded": rules.from_cents(refunded),
        "fees": rules.from_cents(fees),
        "net": rules.from_cents(charged - refunded - fees),
    }
