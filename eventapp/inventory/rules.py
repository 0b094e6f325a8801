"""Compute how takes, moves and undos change the stock.

`allocation` decides who gets which tickets, and `quotas` what a change of cells adds to quotas.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from sys import getsizeof
from typing import Literal, cast

from eventapp.events.question_types import Question
from eventapp.events.stock_types import InFlightEntry, MoveEntry, TakeEntry
from eventapp.events.types import SaleState, TicketType
from eventapp.inventory.entry_keys import make_join_key, make_leave_key, make_retake_key
from eventapp.inventory.promo_codes import PromoRefusal, count_uses
from eventapp.inventory.types import (
    CellChanges,
    IndexedChanges,
    Limit,
    Quantities,
    StockChanges,
    WaitlistedPart,
)

# The most bytes of memory that a sale state takes besides its lists and texts, and that each field
# of a ticket type or schedule entry takes on average, each quota, each id in a list of a quota,
# each promo code and each queue.
STATE_BYTES, FIELD_BYTES, QUOTA_BYTES, ID_BYTES = 1_500, 50, 1_200, 40
PROMO_CODE_BYTES, QUEUE_BYTES = 2_500, 700
# The same for each question with its mark, and each of its choices besides the characters.
QUESTION_BYTES, TEXT_BYTES = 1_500, 100

# What to do when fewer tickets are available than requested. REJECT: refuse. PARTIAL: give the
# available ones. WAITLIST: give the available ones and put the rest on the waitlist. WAITLIST_ONLY:
# put all on the waitlist if none is available, else refuse.
REJECT, PARTIAL, WAITLIST, WAITLIST_ONLY = "reject", "partial", "waitlist", "waitlist_only"


@dataclass(frozen=True)
class TicketRequest:
    """A request of one caller for tickets of one event.

    Attributes:
        booking_id: hex id of the booking to record.
        items: quantities by ticketTypeId, each 1 or more.
        schedule_id: the id of the schedule entry to book, or to wait for.
        held: True to hold the tickets for a payment, False to sell them.
        on_shortfall: REJECT, PARTIAL, WAITLIST or WAITLIST_ONLY.
        requester: the user's id, followed by a space and a digest of the idempotency key if there
            is one. It begins alike for all requests of a user, and is equal for all retries of a
            request. In-flight entries store it as `by`; those of older versions hold the key.
        waitlist_entry_ids: for WAITLIST and WAITLIST_ONLY, the hex id for the waitlist entry of
            each ticket type.
        terms: `get_terms` of the sale state that the request was resolved against. If the event was
            edited since, the request gets nothing. None for a request that any edit leaves valid.
        moment: when the caller asked, which decides whether a ticket type is on sale and a promo
            code is valid: by the clock of the process, and by the database's clock once
            `Inventory.take_batch` has the request. None to take tickets whenever they are on sale.
        promo_code: the folded promo code that the request uses if it gets a ticket; None without.
        attempt_id: hex id of the attempt that has paid, if the tickets of an expired booking are
            taken again because its payment came late. Then neither the minimum of a booking nor the
            validity of the promo code is asked, but it must have a use left. None for a sale.
        take_id: a new hex id for each take with an `attempt_id`; empty for a sale.
        answered: the ids of the questions that its attendees answer.
    """

    booking_id: str
    items: Quantities
    schedule_id: int = 0
    held: bool = False
    on_shortfall: str = REJECT
    requester: str = ""
    waitlist_entry_ids: Mapping[int, str] = field(default_factory=dict)
    terms: int | None = None
    moment: datetime | None = None
    promo_code: str | None = None
    attempt_id: str | None = None
    take_id: str = ""
    answered: frozenset[int] = frozenset()

    @property
    def key(self) -> str:
        """The key of the in-flight entry of the take."""
        if self.attempt_id is None:
            return self.booking_id
        return make_retake_key(self.booking_id, self.attempt_id, self.take_id)


@dataclass(frozen=True)
class Allocation:
    """The result of one request: tickets, waitlist positions, both, or neither.

    Attributes:
        taken: the tickets that are taken for the request.
        waitlisted: the part of each ticket type that goes to the waitlist.
        available: the tickets of each requested type that were available for this request, after
            the requests before it in the batch.
        limited_by: for each ticket type of which too few were available, the stock with the fewest.
        unknown_type_id: a requested ticket type that the event does not have; None if it has all.
        entry_is_over: True if the schedule entry of the request is over. The request gets nothing.
        has_other_terms: True if the event was edited since the request was resolved. The request
            must be resolved again, which may refuse it.
        closed_type: a requested ticket type that was not on sale when the caller asked.
        promo_refusal: why the request cannot use its promo code, and gets nothing; None if it can.
    """

    taken: Quantities = field(default_factory=dict)
    waitlisted: dict[int, WaitlistedPart] = field(default_factory=dict)
    available: Quantities = field(default_factory=dict)
    limited_by: tuple[Limit, ...] = ()
    unknown_type_id: int | None = None
    entry_is_over: bool = False
    has_other_terms: bool = False
    closed_type: TicketType | None = None
    promo_refusal: PromoRefusal | None = None

    @property
    def is_empty(self) -> bool:
        """True when the request gets neither tickets nor a waitlist position."""
        return not self.taken and not self.waitlisted


# Requests with their allocations, without those that are refused.
Grants = Sequence[tuple[TicketRequest, Allocation]]


@dataclass(frozen=True)
class StockMove:
    """A stock change that follows a change of a booking or waitlist entry. It is applied once.

    Attributes:
        key: the key of the in-flight entry that shows that the move was applied.
        changes: what to add to the counters of each ticket type.
        schedule_id: scheduleId of the booked entry, or of the one that is waited for; 0 for a
            booking and a waitlist entry without one.
        promo_code: the folded promo code of which the move gives back a use; None for none.
    """

    key: str
    changes: StockChanges
    schedule_id: int = 0
    promo_code: str | None = None

    @classmethod
    def for_return(
        cls,
        booking_id: str,
        items: Quantities,
        *,
        held: bool,
        part: str = "",
        promo_code: str | None = None,
    ) -> "StockMove":
        """Return the move of a booking's tickets back on sale.

        Args:
            part: names the change of the booking in the key, because a key never repeats; empty for
                the first end of the booking.
            promo_code: the folded promo code of which the move gives back a use; None for none.
        """
        document = f"{part}-{booking_id}" if part else booking_id
        changes = _compute_return(items.items(), held=held)
        return cls(f"give-{document}", changes, promo_code=promo_code)

    @classmethod
    def for_confirmation(cls, booking_id: str, sold: Quantities) -> "StockMove":
        """Return the move that sells the held tickets of a booking."""
        changes = {
            type_id: {"heldTickets": -quantity, "soldTickets": quantity}
            for type_id, quantity in sold.items()
        }
        return cls(f"confirm-{booking_id}", changes)

    @classmethod
    def for_leaving(cls, entry_id: str, schedule_id: int, type_id: int) -> "StockMove":
        """Return the move that lowers `waiting` by 1, for a waitlist entry that ended."""
        return cls(make_leave_key(entry_id), {type_id: {"waiting": -1}}, schedule_id)

    def to_entry(self, now: datetime) -> MoveEntry:
        """Return the in-flight entry that shows that the move was applied."""
        kind = cast(Literal["give", "confirm", "leave"], self.key.partition("-")[0])
        return {"kind": kind, "at": now}


def start_of_day(now: datetime) -> datetime:
    """Return midnight UTC of this day, with which the dates of a schedule are compared."""
    return datetime.combine(now.date(), time.min, UTC)


def is_on_sale(event: SaleState, now: datetime) -> bool:
    """Return whether the event is published and has a schedule entry that is not over."""
    return event["status"] == "published" and len(find_over(event, now)) < len(event["schedule"])


def get_terms(event: SaleState) -> int:
    """Return how often the event was edited; sales do not change it."""
    return event.get("terms", 0)


def index_types(event: SaleState) -> dict[int, int]:
    """Return the index of each ticket type in the event's array, by ticketTypeId."""
    return {each["ticketTypeId"]: index for index, each in enumerate(event["ticketTypes"])}


def find_over(event: SaleState, now: datetime) -> set[int]:
    """Return the ids of the schedule entries that are over at this time."""
    # Times that share their time zone object are compared 20 times faster.
    moment = now.astimezone(event["schedule"][0]["overAt"].tzinfo)
    return {entry["scheduleId"] for entry in event["schedule"] if entry["overAt"] <= moment}


def index_entries(event: SaleState) -> dict[int, int]:
    """Return the index of each schedule entry in the event's array, by scheduleId."""
    return {each["scheduleId"]: index for index, each in enumerate(event["schedule"])}


def grants_all(requests: Sequence[TicketRequest], allocations: Sequence[Allocation]) -> bool:
    """Return whether every request gets exactly the tickets that it wants.

    A request in the mode WAITLIST_ONLY never does.
    """
    pairs = zip(requests, allocations, strict=True)
    return all(allocation.taken == request.items for request, allocation in pairs)


def find_booked_entries(event: SaleState, pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return the index of each schedule entry of these cells or queues, by scheduleId."""
    indexes = index_entries(event)
    return {schedule_id: indexes[schedule_id] for schedule_id, _type_id in pairs}


def compute_sale_changes(event: SaleState, grants: Grants) -> IndexedChanges:
    """Return what the grants add to the counters of the ticket types that they change."""
    sold = sum_quantities(allocation.taken for request, allocation in grants if not request.held)
    held = sum_quantities(allocation.taken for request, allocation in grants if request.held)
    changes: IndexedChanges = {}
    for type_id, index in index_types(event).items():
        sells, holds = sold.get(type_id, 0), held.get(type_id, 0)
        if sells or holds:
            changes[index] = {
                "availableTickets": -sells - holds,
                "soldTickets": sells,
                "heldTickets": holds,
            }
    return changes


def build_sale_entries(grants: Grants, now: datetime) -> dict[str, InFlightEntry]:
    """Return the in-flight entries of the grants by their keys."""
    entries: dict[str, InFlightEntry] = {}
    for request, allocation in grants:
        if allocation.taken:
            take: TakeEntry = {
                "kind": "take",
                "items": [list(item) for item in allocation.taken.items()],
                "held": request.held,
                "scheduleId": request.schedule_id,
                "by": request.requester,
                "at": now,
            }
            if request.promo_code:
                take["code"] = request.promo_code
            entries[request.key] = take
        for type_id in allocation.waitlisted:
            entries[make_join_key(request.waitlist_entry_ids[type_id])] = {
                "kind": "enter",
                "type": type_id,
                "scheduleId": request.schedule_id,
                "by": request.requester,
                "at": now,
            }
    return entries


def count_promo_uses(grants: Grants) -> dict[str, int]:
    """Return how many uses of each promo code the grants take, by folded code."""
    return count_uses(
        request.promo_code if allocation.taken else None for request, allocation in grants
    )


def build_answer_marks(event: SaleState, grants: Grants) -> dict[str, bool]:
    """Return the fields that mark the questions which the grants are the first to answer.

    The take is guarded by `terms`. So an edit either sees the marks, or made the take fail.
    """
    marked = event.get("answeredQuestions", {})
    answered = {str(each) for request, _allocation in grants for each in request.answered}
    return {f"answeredQuestions.{each}": True for each in sorted(answered - marked.keys())}


def compute_offer_changes(index: int, quantity: int) -> IndexedChanges:
    """Return what an offer adds to the counters of the ticket type at this index."""
    return {index: {"availableTickets": -quantity, "heldTickets": quantity}}


def build_offer_entry(
    schedule_id: int, type_id: int, quantity: int, *, ends_entry: bool, now: datetime
) -> TakeEntry:
    """Return the in-flight entry of an offer."""
    return {
        "kind": "take",
        "items": [[type_id, quantity]],
        "held": True,
        "scheduleId": schedule_id,
        "at": now,
        "leftQueue": [[type_id, int(ends_entry)]],
    }


def compute_reversal(entry: InFlightEntry) -> StockChanges:
    """Return the changes that undo the take or join of an in-flight entry.

    Raises:
        ValueError: the entry belongs to a move, which is never undone.
    """
    if entry["kind"] == "enter":
        return {entry["type"]: {"waiting": -1}}
    if entry["kind"] != "take":
        raise ValueError(f"moves are never undone: {entry['kind']}")
    changes = _compute_return(entry["items"], held=entry["held"])
    for type_id, ended_entries in entry.get("leftQueue", []):
        changes[type_id]["waiting"] = ended_entries
    return changes


def get_schedule_id(entry: InFlightEntry) -> int:
    """Return the scheduleId of the take or join of an in-flight entry; 0 for none."""
    return entry.get("scheduleId", 0) if entry["kind"] in ("take", "enter") else 0


def find_promo_code(entry: InFlightEntry) -> str | None:
    """Return the folded promo code of which the take of an in-flight entry took a use."""
    return entry.get("code") if entry["kind"] == "take" else None


def _compute_return(items: Iterable[Sequence[int]], *, held: bool) -> dict[int, dict[str, int]]:
    counter = "heldTickets" if held else "soldTickets"
    return {id_: {"availableTickets": quantity, counter: -quantity} for id_, quantity in items}


def sum_changes_by_index(event: SaleState, *several: StockChanges) -> IndexedChanges:
    """Return the sum of several changes, by the index of each ticket type in the event's array.

    The changes of `waiting` are left out: see `queues.sum_changes`.
    """
    indexes = index_types(event)
    sums: IndexedChanges = {}
    for changes in several:
        for type_id, counters in changes.items():
            for counter, change in counters.items():
                if counter != "waiting":
                    type_sums = sums.setdefault(indexes[type_id], {})
                    type_sums[counter] = type_sums.get(counter, 0) + change
    return sums


# The counter of a cell that counts the same tickets as a counter of the ticket type.
CELL_COUNTERS = {"soldTickets": "sold", "heldTickets": "held"}


def sum_cell_changes(several: Iterable[tuple[int, StockChanges]]) -> CellChanges:
    """Return what several changes of ticket types, each of one scheduleId, add to the cells."""
    sums: CellChanges = {}
    for schedule_id, changes in several:
        for type_id, counters in changes.items():
            for counter, cell_counter in CELL_COUNTERS.items():
                if change := counters.get(counter):
                    cell = sums.setdefault((schedule_id, type_id), {})
                    cell[cell_counter] = cell.get(cell_counter, 0) + change
    return sums


def compute_sale_cells(grants: Grants) -> CellChanges:
    """Return what the grants add to the cells."""
    return sum_cell_changes(
        (
            request.schedule_id,
            {
                type_id: {"heldTickets" if request.held else "soldTickets": quantity}
                for type_id, quantity in allocation.taken.items()
            },
        )
        for request, allocation in grants
    )


def sum_quantities(quantities: Iterable[Quantities]) -> Quantities:
    """Return the sum of the quantities of each ticket type."""
    sums: Quantities = {}
    for each in quantities:
        for type_id, quantity in each.items():
            sums[type_id] = sums.get(type_id, 0) + quantity
    return sums


def get_state_bytes(state: SaleState) -> int:
    """Return an upper bound of the bytes of memory that a cached sale state takes."""
    quotas, codes = state.get("quotas", []), state.get("promoCodes", ())
    ids = sum(len(q.get("ticketTypeIds", ())) + len(q.get("scheduleIds", ())) for q in quotas)
    characters = len(state["title"])
    listed = 0
    for ticket_type in state["ticketTypes"]:
        characters += len(ticket_type["type"]) + len(ticket_type.get("description", ""))
        listed += getsizeof(ticket_type) + FIELD_BYTES * len(ticket_type)
    for entry in state["schedule"]:
        characters += len(entry["location"]) + len(entry.get("locationKey", ""))
        listed += getsizeof(entry) + FIELD_BYTES * len(entry)
    queues = sum(len(by_type) for by_type in state.get("queues", {}).values())
    listed += QUEUE_BYTES * queues + PROMO_CODE_BYTES * len(codes)
    listed += sum(map(_get_question_bytes, state.get("questions", [])))
    return STATE_BYTES + 4 * characters + listed + QUOTA_BYTES * len(quotas) + ID_BYTES * ids


def _get_question_bytes(question: Question) -> int:
    choices = question.get("choices", ())
    texts = 4 * sum(len(each) for each in (question["label"], *choices))
    ids = ID_BYTES * len(question.get("ticketTypeIds", ()))
    return QUESTION_BYTES + TEXT_BYTES * len(choices) + texts + ids
