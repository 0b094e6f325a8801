"""Taking tickets and giving them back. What a booking is, only the bookings know."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.core.errors import AppError
from eventapp.core.failpoints import failpoint
from eventapp.core.metrics import STOCK_CONFLICTS
from eventapp.events.changes import NO_EVENT_CACHE, EventChanges
from eventapp.events.service import EventNotFound, TicketTypeNotFound, may_see
from eventapp.inventory import rules, store, taking
from eventapp.inventory.errors import NotOnSale, Overtaken
from eventapp.inventory.moving import Mover
from eventapp.inventory.rules import PARTIAL, QUEUE, REJECT, WAITLIST, Quantities, Verdict, Wanted
from eventapp.inventory.stock_moves import Move, confirm, give_back, leave

__all__ = [
    "PARTIAL",
    "QUEUE",
    "REJECT",
    "WAITLIST",
    "TicketTypeNotFound",
    "BoxOffice",
    "EventNotFound",
    "Move",
    "NotOnSale",
    "Overtaken",
    "Quantities",
    "Verdict",
    "Wanted",
    "confirm",
    "give_back",
    "leave",
]

ATTEMPTS, REMEMBERED_EVENTS = 100, 5000


class BoxOffice(Mover):
    """Sells the tickets of one database, many callers of one event in one write.

    Kept in memory is only what saves a read: the last state of sale seen of an event, which every
    write verifies and no refusal trusts; and marks that may be struck out.
    """

    def __init__(self, db: Db, event_changes: EventChanges = NO_EVENT_CACHE) -> None:
        """`event_changes` receives the state of sale after each write made here."""
        super().__init__(db, event_changes)
        self._lock = threading.Lock()
        self._seen: OrderedDict[int, Document] = OrderedDict()

    def state(self, event_id: int, *, fresh: bool = False) -> Document:
        """The event's state of sale, as last seen here or read now. EventNotFound."""
        with self._lock:
            seen = self._seen.get(event_id)
        return seen if seen and not fresh else self._read(event_id)

    @contextmanager
    def drafts_unseen(self, event_id: int, actor: Actor) -> Iterator[None]:
        """Any refusal within becomes EventNotFound where the event is a draft that the caller may
        not see, as where there is none: a refusal would tell of it."""
        try:
            yield
        except AppError:
            seen = may_see(self.state(event_id), actor)
            if not (seen or may_see(self.state(event_id, fresh=True), actor)):
                raise EventNotFound from None
            raise

    def take(self, event_id: int, wanted: Wanted, now: datetime) -> tuple[Verdict, Document]:
        """What `take_all` says of one caller, raised where it is an error."""
        outcome = self.take_all(event_id, [wanted], now)[0]
        if isinstance(outcome, AppError):
            raise outcome
        return outcome

    def take_all(
        self, event_id: int, wanted: Sequence[Wanted], now: datetime
    ) -> list[tuple[Verdict, Document] | AppError]:
        """Tickets, or a place on the waitlist, or a refusal, for many callers in one write.

        What was taken stays noted on the event until `settled` or `undo`.

        Returns:
            For each the verdict, and the event after it; or NotOnSale or TicketTypeNotFound.

        Raises:
            EventNotFound, Overtaken: nothing is written for anyone.
        """
        today = datetime.combine(now.date(), time.min, UTC)
        event, fresh = self.state(event_id), False
        for _attempt in range(ATTEMPTS):
            if not rules.on_sale(event, today):
                if fresh:
                    return [NotOnSale() for _ in wanted]
                event, fresh = self._read(event_id), True
                continue
            verdicts = rules.judge(event, wanted)
            plain = all(v.taken == w.items for v, w in zip(verdicts, wanted, strict=True))
            if not plain and not fresh:
                event, fresh = self._read(event_id), True
                continue
            after = self._write(event, wanted, verdicts, today, now)
            if after:
                return [_answer(verdict, after) for verdict in verdicts]
            STOCK_CONFLICTS.inc()
            event, fresh = self._read(event_id), True
        raise Overtaken

    def _write(
        self,
        event: Document,
        wanted: Sequence[Wanted],
        verdicts: Sequence[Verdict],
        today: datetime,
        now: datetime,
    ) -> Document | None:
        """All that was granted, in one write; the event itself where nothing was."""
        granted = [(w, v) for w, v in zip(wanted, verdicts, strict=True) if not v.refused]
        if not granted:
            return event
        changes, guards = taking.sale(event, granted)
        guards |= taking.on_sale(today)
        waits = any(verdict.waits for _, verdict in granted)
        done = self._done.take(event["eventId"])
        after = store.change(
            self._db,
            event,
            changes,
            guards=guards,
            marks=taking.marks(granted, now),
            unmark=done,
            fields={"hadWaitlist": True} if waits else None,
            now=now,
        )
        if after:
            failpoint("take")
            self._written(after)
        else:
            self.settled(event["eventId"], done)  # they are still to be struck out
        return after

    def take_for_waiting(
        self, event_id: int, mark: str, type_id: int, quantity: int, *, last: bool, now: datetime
    ) -> Document | None:
        """Hold tickets for the head of a type's waitlist, past the guard that keeps the public off.

        Args:
            last: the entry wants no more than this, and so stops waiting in the same write.

        Returns:
            The event after it; None, with nothing written, when the tickets are not there.
        """
        event = self._read(event_id)
        index = rules.index_of_types(event)[type_id]
        step = {"availableTickets": -quantity, "heldTickets": quantity, "waiting": -int(last)}
        note = {"kind": "take", "items": [[type_id, quantity]], "held": True, "at": now}
        path, today = f"ticketTypes.{index}", datetime.combine(now.date(), time.min, UTC)
        after = store.change(
            self._db,
            event,
            {index: step},
            guards={
                f"{path}.availableTickets": {"$gte": quantity},
                f"{path}.waiting": {"$gte": 1},
                **taking.on_sale(today),
            },
            marks={mark: {**note, "leftQueue": [[type_id, int(last)]]}},
            now=now,
        )
        if after:
            failpoint("offer-take")
            self._written(after)
        return after

    def under_way(self, event_id: int, *, by: str) -> bool:
        """True while tickets that were taken by this name are noted on the event."""
        event = store.read_with_marks(self._db, event_id)
        marks = event["inFlight"].values() if event else ()
        return any(mark["kind"] == "take" and mark.get("by") == by for mark in marks)

    def taken_by(self, event_id: int, who: str) -> dict[str, int]:
        """The tickets noted on the event under names that begin with `who`, by their mark."""
        event = store.read_with_marks(self._db, event_id)
        marks = event["inFlight"].items() if event else ()
        return {
            key: sum(quantity for _, quantity in mark["items"])
            for key, mark in marks
            if mark["kind"] == "take" and mark.get("by", "").startswith(who)
        }

    def forget(self, event_id: int) -> None:
        """Read the event anew before the next sale."""
        with self._lock:
            self._seen.pop(event_id, None)

    def _read(self, event_id: int) -> Document:
        event = store.read(self._db, event_id)
        if event is None:
            self.forget(event_id)
            raise EventNotFound
        self._remember(event)
        return event

    def _written(self, event: Document) -> None:
        self._remember(event)
        super()._written(event)

    def _remember(self, event: Document) -> None:
        with self._lock:
            self._seen[event["eventId"]] = event
            self._seen.move_to_end(event["eventId"])
            if len(self._seen) > REMEMBERED_EVENTS:
                self._seen.popitem(last=False)


def _answer(verdict: Verdict, event: Document) -> tuple[Verdict, Document] | AppError:
    if verdict.unknown is not None:
        return TicketTypeNotFound()
    return verdict, event
