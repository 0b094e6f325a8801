"""Sort events by their figures, however many there are.

**What is stored.** The job `rank-events` calls `refresh_ranks` every 30 seconds. It stores the
figures of each event by which lists are sorted: revenue, sold tickets, utilization, and the tickets
wanted by waitlists. The checkpoint says up to where all changes are in the stored figures: by a
number of the ledger for changes of bookings (sales_sums.py), and by a time for those of events and
waitlists. A run recomputes the events that changed since. The first run computes all events.

**How a list is read.** The reader takes the stored ranks of all events that did not change since
the checkpoint, and computes those of the changed events. The order is therefore exact at any time.
Two cases are not: before the first run, the reader computes and sorts all events; and if more than
MAX_CHANGED events changed since the checkpoint, it takes the stored figure of every event, which is
up to 3 minutes old.

**Cursors.** A cursor contains the figure and the eventId of the last row. The next page begins with
the first event after this position. If the figure of an event changes between two pages, the event
moves: it is listed again if it passes the position downwards, and not listed if it passes it
upwards. No other event is skipped or repeated.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.analytics import rules, sales_sums, store_figures, store_ranking, store_sums
from eventapp.analytics.rules import BookingTotals
from eventapp.analytics.store_ranking import WANTED, RankList
from eventapp.analytics.store_sums import Checkpoint
from eventapp.analytics.types import FiguresOfEvent, RankKey, WaitlistTotals
from eventapp.bookings.ledger import service as ledger
from eventapp.core import paging
from eventapp.core.clock import start_clock
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest

JOB_STATE_ID = "ranks"
LEASE = timedelta(seconds=120)
# A run moves the checkpoint to this time before its own start. The delay is longer than the time
# between the writes of a request, and than the clocks of processes and of the database differ.
CHECKPOINT_DELAY = timedelta(seconds=120)
EVENTS_PER_BATCH = 500
MAX_CHANGED = 5_000


@dataclass(frozen=True)
class RankedPage:
    """The events of a page.

    Attributes:
        event_ids: in the order of the list.
        envelope: the fields of `paging.make_page_envelope`.
        next_position: where the next page begins; None at the end of the list.
    """

    event_ids: list[int]
    envelope: JsonObject
    next_position: JsonObject | None


class RankedEvents:
    """The events of an organizer, or of all, in the order of one figure."""

    def __init__(
        self, db: Db, figure: str, organizer_id: ObjectId | None, status: str | None = None
    ) -> None:
        """Read what changed since the stored ranks were computed.

        Args:
            figure: one of `store_ranking.FIGURES`.
            organizer_id: list only this organizer's events.
            status: list only events with this status.
        """
        self._db, self._figure = db, figure
        self._listed = RankList(figure, organizer_id, status)
        checkpoint = store_sums.find_checkpoint(db, JOB_STATE_ID)
        self._has_stored = checkpoint is not None
        changed = _find_changed(db, checkpoint) if checkpoint else None
        self._excluded = sorted(changed or ())
        computed = compute_figures(db, changed, organizer_id=organizer_id, status=status)
        self._computed = [each for each in computed if figure != WANTED or each["wanted"]]
        self._ranks = sorted((self._make_rank(each) for each in self._computed), key=_sort_key)

    def _make_rank(self, figures: FiguresOfEvent) -> RankKey:
        return RankKey(figures[self._figure], figures["eventId"])  # type: ignore[literal-required]

    def find_page(self, request: PageRequest) -> RankedPage:
        """Return a page of the list.

        Raises:
            ValidationFailed: the page begins after the last row that a page number can reach, or
                the list position is malformed.
        """
        if request.list_position is not None:
            counted, page = paging.parse_cursor_page(request.list_position)
            found = self._find_after(self._parse_position(request.list_position), request.limit + 1)
        else:
            counted, page = self.count(), request.page
            skip = paging.find_page_offset(page=page, limit=request.limit, counted=counted)
            found = [] if skip is None else self._find_window(skip, request.limit + 1)
        shown = found[: request.limit]
        envelope = paging.make_page_envelope(page=page, limit=request.limit, counted=counted)
        next_position: JsonObject | None = None
        if len(found) > request.limit:
            next_position = {"of": self._figure, "value": shown[-1].value, "id": shown[-1].event_id}
            next_position |= {"counted": counted, "page": page}
        return RankedPage([rank.event_id for rank in shown], envelope, next_position)

    def _parse_position(self, list_position: JsonObject) -> RankKey:
        if list_position.get("of") != self._figure:
            raise paging.InvalidCursor
        value = paging.parse_cursor_number(list_position.get("value"))
        return RankKey(value, paging.parse_cursor_int(list_position.get("id")))

    def count(self) -> int:
        """Return the number of events in the list, counted up to COUNT_LIMIT + 1."""
        limit = paging.COUNT_LIMIT + 1
        stored = 0
        if self._has_stored:
            stored = store_ranking.count_ranks(self._db, self._listed, self._excluded, limit)
        return min(stored + len(self._ranks), limit)

    def sum_waitlists(self) -> WaitlistTotals:
        """Return the sums of the waitlists of all events in a list of the figure `wanted`."""
        totals: WaitlistTotals = {"entries": 0, "tickets": 0}
        if self._has_stored:
            totals = store_ranking.sum_ranked_waitlists(self._db, self._listed, self._excluded)
        return {
            "entries": totals["entries"] + sum(each["entries"] for each in self._computed),
            "tickets": totals["tickets"] + sum(each["wanted"] for each in self._computed),
        }

    def _find_window(self, skip: int, limit: int) -> list[RankKey]:
        """Return the events from number `skip` on."""
        if not self._has_stored:
            return self._ranks[skip : skip + limit]
        # At most all computed ranks come before the window, so this many stored ones do at least.
        first = max(0, skip - len(self._ranks))
        stored = store_ranking.find_ranks(
            self._db, self._listed, self._excluded, skip=first, limit=skip - first + limit
        )
        return sorted([*stored, *self._ranks], key=_sort_key)[skip - first : skip - first + limit]

    def _find_after(self, after: RankKey, limit: int) -> list[RankKey]:
        found = [rank for rank in self._ranks if _sort_key(rank) > _sort_key(after)]
        if self._has_stored:
            found += store_ranking.find_ranks_after(
                self._db, self._listed, self._excluded, after=after, limit=limit
            )
        return sorted(found, key=_sort_key)[:limit]


def _sort_key(rank: RankKey) -> tuple[float, int]:
    return -rank.value, rank.event_id


def _find_changed(db: Db, checkpoint: Checkpoint) -> set[int]:
    """Return the events that changed since the checkpoint, none if there are too many of them."""
    changed = store_ranking.find_changed_event_ids(db, checkpoint.time, MAX_CHANGED + 1)
    changed |= {booking["eventId"] for booking in store_sums.find_changed(db, checkpoint)}
    return changed if len(changed) <= MAX_CHANGED else set()


def compute_figures(
    db: Db,
    event_ids: Iterable[int] | None,
    *,
    organizer_id: ObjectId | None = None,
    status: str | None = None,
) -> list[FiguresOfEvent]:
    """Return the present figures of events; those that do not exist are left out.

    Args:
        event_ids: None for all events.
        organizer_id, status: return only events of this organizer, and with this status.
    """
    ids = None if event_ids is None else list(event_ids)
    if ids == []:
        return []
    stock = store_figures.find_stock(db, organizer_id, status, event_ids=ids)
    found = ids if ids is None else [each["eventId"] for each in stock]
    totals = sales_sums.sum_by_event(db, organizer_id if ids is None else None, found)
    waitlists = {each["eventId"]: each for each in store_figures.sum_waitlists(db, found)}
    figures: list[FiguresOfEvent] = []
    for each in stock:
        waitlist = waitlists.get(each["eventId"])
        figures.append(
            {
                "eventId": each["eventId"],
                "organizerId": each["organizerId"],
                "status": each["status"],
                "revenue": totals.get(each["eventId"], BookingTotals()).revenue,
                "sold": each["sold"],
                "utilization": rules.compute_ratio(each["sold"], each["capacity"]),
                "wanted": waitlist["tickets"] if waitlist else 0,
                "entries": waitlist["entries"] if waitlist else 0,
            }
        )
    return figures


def refresh_ranks(db: Db, now: datetime) -> int:
    """Bring the stored ranks up to date, and return how many were written.

    Any number of processes may call it at any time. While one of them has the lease, the calls of
    the others return 0 at once. A run that dies does not move the checkpoint, so that the next run
    repeats its work.
    """
    state = store_sums.begin_run(db, now, LEASE, JOB_STATE_ID)
    if state is None:
        return 0
    run, clock, written = state["run"], start_clock(now), 0
    ledger.copy_entries(db, now)
    reached = Checkpoint(ledger.find_highest_number(db), now - CHECKPOINT_DELAY)
    for event_ids in _iterate_changed(db, store_sums.get_checkpoint(state)):
        with store_sums.allow_job_timeout():
            figures = compute_figures(db, event_ids)
            store_ranking.save_ranks(db, run, event_ids, figures, now)
        store_sums.extend_lease(db, run, clock() + LEASE, JOB_STATE_ID)
        written += len(event_ids)
    store_sums.end_run(db, run, reached, now, JOB_STATE_ID)
    return written


def _iterate_changed(db: Db, checkpoint: Checkpoint | None) -> Iterable[Sequence[int]]:
    """Yield the events that changed since the checkpoint, or all events, in batches."""
    if checkpoint is not None:
        limit = store_ranking.NO_LIMIT
        ids = store_ranking.find_changed_event_ids(db, checkpoint.time, limit)
        ids |= {booking["eventId"] for booking in store_sums.find_changed(db, checkpoint)}
        changed = sorted(ids)
        for first in range(0, len(changed), EVENTS_PER_BATCH):
            yield changed[first : first + EVENTS_PER_BATCH]
        return
    last = 0
    while batch := store_ranking.find_event_ids_after(db, last, EVENTS_PER_BATCH):
        yield batch
        last = batch[-1]
