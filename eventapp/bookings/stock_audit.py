"""Compute what the counters of an event should be, also while its tickets are sold.

A counter and the records change in different writes, so they differ while a change is in flight.
The event says which changes are: each of its writes adds or removes an in-flight entry. The value
that a counter should have is the sum of what each booking and waitlist entry contributes to it:

* An active booking contributes its tickets: to `heldTickets` while it is held, to `soldTickets`
  once it is confirmed, and in the same way to the cells of its schedule entry. If it has a pending
  stock move without an in-flight entry, the event has not changed yet, so the changes of the move
  are subtracted. With an entry, the event has changed.
* A booking that has ended contributes nothing but its pending move, in the same way.
* An active booking with a promo code contributes 1 to the uses of the code. A pending move that
  gives the use back contributes 1 while it has no in-flight entry.
* An active waitlist entry contributes 1 to its queue, and so to `waiting` of the stock that counts
  the queue according to the event. It contributes nothing if it is claimed for an offer whose take
  is in flight and has lowered `waiting` for it.
* An ended waitlist entry contributes 1 while its leave is pending and has no in-flight entry.
* A take or a join in flight whose booking or waitlist entry is not stored contributes what the
  in-flight entry says. If the document is stored, the document alone counts.
* A take in flight for an expired booking, which its payment reached late, contributes what the
  in-flight entry says until the booking is confirmed by that attempt.

Why the sum is exact. Suppose that the event has the same revision before and after the records were
read, so it was not written in between. Then the contribution of no booking and of no waitlist entry
changed in between, whenever it was read:

* A document is inserted after its take or join. Its in-flight entry was there all the time, and
  contributes the same as the new document. An entry that was cleared before the first read of the
  event belongs to a document that was stored even earlier.
* A write that changes a status or takes tickets off a booking also makes a move pending, and the
  changes of the move cancel those of the booking until the event is written.
* A move is recorded as applied only while its in-flight entry is there. Then neither the pending
  move nor the recorded one contributes.
* A claim on a waitlist entry is made before the take of its offer, and dropped by the write that
  subtracts the offer, which ends the entry if and only if the take has lowered `waiting` for it.
* A tombstone is inserted while the take or join is in flight, and counts as no document.

So it only matters that each document is read once, at one moment. Those of takes and joins in
flight are read by their ids, all others by scanning an index whose keys never change.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId

from eventapp.bookings import rules, store_audits
from eventapp.bookings.types import CodeSum, PendingMove, StoredBooking, TicketSum
from eventapp.core.database import Db
from eventapp.events.service import PlacedQueue, find_queue
from eventapp.events.stock_types import Cell, Cells
from eventapp.events.types import InFlightState
from eventapp.inventory.service import (
    CELL_COUNTERS,
    make_leave_key,
    parse_document_id,
    parse_retake_key,
)
from eventapp.waitlist import auditing as waitlist
from eventapp.waitlist.types import WaitingSum, WaitlistEntry

COUNTER_OF_STATUS: dict[str, str] = {rules.CONFIRMED: "soldTickets", rules.HELD: "heldTickets"}


class ExpectedStock:
    """What the counters of one event should be, as the sum of all contributions.

    Attributes:
        counters: the value of each counter by ticketTypeId.
        queues: the places of each queue by (scheduleId, ticketTypeId).
        cells: the value of each counter of the cells by (scheduleId, ticketTypeId).
        promo_uses: the uses of each promo code, by folded code.
    """

    def __init__(self, event: InFlightState) -> None:
        """Start with no contributions; `event` is the event as it was read before them."""
        self.counters: defaultdict[int, defaultdict[str, int]] = defaultdict(
            lambda: defaultdict(int)
        )
        self.cells: defaultdict[tuple[int, int], defaultdict[str, int]] = defaultdict(
            lambda: defaultdict(int)
        )
        self.queues: Counter[tuple[int, int]] = Counter()
        self.promo_uses: Counter[str] = Counter()
        self._event = event
        self._entries = event["inFlight"]
        self._pending_keys: set[str] = set()
        self._unrecorded_keys: set[str] = set()

    def add_sum(self, row: TicketSum) -> None:
        """Add the contribution of bookings."""
        self._add_tickets(row["schedule"], row["type"], row["status"], row["quantity"])
        if row["move"]:
            self._add_pending_move(row["schedule"], row["move"])

    def add_code_sum(self, row: CodeSum) -> None:
        """Add the contribution of bookings to the uses of their promo code."""
        self._add_uses(row["code"], row["bookings"], row["move"])

    def add_takes(self, keys: Iterable[str], booking: StoredBooking | None) -> None:
        """Add the contribution of a booking if it is stored, and of its takes in flight.

        Args:
            keys: the keys of the takes, which count while the booking does not record them.
        """
        if booking:
            self._add_booking(booking)
        for key in keys:
            if not _is_recorded(key, booking):
                self._add_unrecorded_take(key)

    def _add_booking(self, booking: StoredBooking) -> None:
        pending = rules.get_pending_move(booking)
        if "promoCode" in booking:
            self._add_uses(booking["promoCode"], int(booking["active"]), pending)
        schedule_id = booking.get("scheduleId") or 0
        for item in booking["items"]:
            type_id, quantity = item["ticketTypeId"], item["quantity"]
            self._add_tickets(schedule_id, type_id, booking["status"], quantity)
        if pending:
            self._add_pending_move(schedule_id, pending)

    def _add_unrecorded_take(self, key: str) -> None:
        entry = self._entries[key]
        if entry["kind"] != "take":
            return
        self._unrecorded_keys.add(key)
        status = rules.HELD if entry["held"] else rules.CONFIRMED
        for type_id, quantity in entry["items"]:
            self._add_tickets(entry.get("scheduleId", 0), type_id, status, quantity)
        if "code" in entry:
            self.promo_uses[entry["code"]] += 1

    def add_waiting(self, row: WaitingSum) -> None:
        """Add the contribution of waitlist entries."""
        if row["leavingId"]:
            key = make_leave_key(str(row["leavingId"]))
            self._pending_keys.add(key)
            counts = key not in self._entries
        else:
            counts = not self._has_left_queue(row["offerId"], row["type"])
        if counts:
            self.queues[row["schedule"], row["type"]] += row["entries"]

    def add_join(self, key: str, stored: WaitlistEntry | None) -> None:
        """Add the contribution of a join in flight, or of its waitlist entry if that is stored."""
        entry = self._entries[key]
        if stored:
            for row in _sum_entry(stored):
                self.add_waiting(row)
        elif entry["kind"] == "enter":
            self._unrecorded_keys.add(key)
            self.queues[entry.get("scheduleId", 0), entry["type"]] += 1

    def build_cells(self) -> Cells:
        """Return the cells as the event stores them, without empty ones."""
        cells: Cells = {}
        for (schedule_id, type_id), counters in self.cells.items():
            cell = cast(Cell, {counter: value for counter, value in counters.items() if value})
            if cell:
                cells.setdefault(str(schedule_id), {})[str(type_id)] = cell
        return cells

    def place_queues(self) -> list[PlacedQueue]:
        """Return the queues in which somebody waits, each counted where the event counts it.

        A queue that the event does not have is counted in its ticket type. Those of ticket types
        that the event does not have are left out.
        """
        types = {each["ticketTypeId"] for each in self._event["ticketTypes"]}
        placed = []
        for (schedule_id, type_id), waiting in sorted(self.queues.items()):
            if waiting > 0 and type_id in types:
                stored = find_queue(self._event.get("queues", {}), schedule_id, type_id)
                quota_id = stored.quota_id if stored else None
                placed.append(PlacedQueue(schedule_id, type_id, waiting, quota_id))
        return placed

    def find_stuck_keys(self, *, before: datetime) -> Iterator[str]:
        """Yield the keys of in-flight entries from before this time that are still unresolved."""
        for key, entry in self._entries.items():
            unresolved = key in self._unrecorded_keys or key in self._pending_keys
            if entry["at"] < before and unresolved:
                yield key

    def _add_tickets(self, schedule_id: int, type_id: int, status: str, quantity: int) -> None:
        if counter := COUNTER_OF_STATUS.get(status):
            self.counters[type_id][counter] += quantity
            self.cells[schedule_id, type_id][CELL_COUNTERS[counter]] += quantity

    def _add_uses(self, code: str, active: int, move: PendingMove | None) -> None:
        """Add the uses of a code by active bookings, and one that a pending move will give back."""
        self.promo_uses[code.lower()] += active
        if move and "code" in move and move["key"] not in self._entries:
            self.promo_uses[move["code"]] += 1

    def _add_pending_move(self, schedule_id: int, move: PendingMove) -> None:
        """Subtract what a move will change, unless the event has changed already.

        A booking with tickets of several types brings its move several times.
        """
        is_known = move["key"] in self._pending_keys
        self._pending_keys.add(move["key"])
        if is_known or move["key"] in self._entries:
            return
        for type_id, changes in move["changes"]:
            for counter, change in changes.items():
                self.counters[type_id][counter] -= change
                if counter in CELL_COUNTERS:
                    self.cells[schedule_id, type_id][CELL_COUNTERS[counter]] -= change

    def _has_left_queue(self, offer_id: ObjectId | None, type_id: int) -> bool:
        """Return whether the take of this offer has lowered `waiting` for the claimed entry."""
        entry = self._entries.get(str(offer_id))
        left_queue = entry.get("leftQueue", []) if entry and entry["kind"] == "take" else []
        return any(id_ == type_id and ended_entries for id_, ended_entries in left_queue)


def _is_recorded(key: str, booking: StoredBooking | None) -> bool:
    """Return whether the booking of a take in flight is stored, and says that the take counts."""
    retake = parse_retake_key(key)
    if booking is None or retake is None:
        return booking is not None
    is_paid_by = str(booking.get("retakenBy")) == retake.attempt_id
    return is_paid_by and booking.get("retakeId") == retake.take_id


def _sum_entry(entry: WaitlistEntry) -> list[WaitingSum]:
    """Return the rows of an entry as `waitlist.sum_waiting` returns them: one or none."""
    is_leaving = entry.get("restock") == "due"
    if not entry["active"] and not is_leaving:
        return []
    row: WaitingSum = {
        "event": entry["eventId"],
        "type": entry["ticketTypeId"],
        "schedule": entry.get("scheduleId", 0),
        "leavingId": None if entry["active"] else entry["_id"],
        "offerId": entry["offering"]["bookingId"] if "offering" in entry else None,
        "entries": 1,
    }
    return [row]


def read_expected_stock(db: Db, events: Sequence[InFlightState]) -> Mapping[int, ExpectedStock]:
    """Return by eventId what the counters of these events should be.

    The result is exact for an event that still has its revision afterwards.
    """
    expected = {event["eventId"]: ExpectedStock(event) for event in events}
    event_ids = list(expected)
    takes, joins = _find_ids(events, "take"), _find_ids(events, "enter")
    for tickets in store_audits.sum_tickets(db, event_ids, list(takes)):
        expected[tickets["event"]].add_sum(tickets)
    for codes in store_audits.sum_code_uses(db, event_ids, list(takes)):
        expected[codes["event"]].add_code_sum(codes)
    for entries in waitlist.sum_waiting(db, event_ids, list(joins)):
        expected[entries["event"]].add_waiting(entries)
    bookings = {b["_id"]: b for b in store_audits.find_bookings(db, list(takes))}
    for booking_id, in_flight in takes.items():
        for event_id, keys in in_flight.items():
            expected[event_id].add_takes(keys, bookings.get(booking_id))
    stored = {each["_id"]: each for each in waitlist.find_entries(db, list(joins))}
    for entry_id, in_flight in joins.items():
        for event_id, (key,) in in_flight.items():
            expected[event_id].add_join(key, stored.get(entry_id))
    return expected


def _find_ids(
    events: Iterable[InFlightState], kind: str
) -> defaultdict[ObjectId, defaultdict[int, list[str]]]:
    """Return the ids of the documents of the in-flight entries of a kind.

    Returns:
        The keys of the entries by the id of the document and by eventId. A booking has two of them
        while its tickets are taken again.
    """
    keys: defaultdict[ObjectId, defaultdict[int, list[str]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for event in events:
        for key, entry in event["inFlight"].items():
            if entry["kind"] == kind:
                keys[ObjectId(parse_document_id(key))][event["eventId"]].append(key)
    return keys
