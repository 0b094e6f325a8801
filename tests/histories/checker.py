"""Decide whether a recorded history of calls can have been produced by a correct seller of tickets.

Each call has the times of its begin and its end and an outcome, as in Jepsen: `ok` was performed in
between, `fail` was not performed and never will be, `unknown` may be performed at any time after
its begin, or never. A ticket is definitely taken from the end of an `ok` booking until the begin of
the first cancellation of it that did not fail. So whatever is reported is a fault in every order of
calls that their times allow, and a history without faults may still have some that nobody saw.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

OK, FAIL, UNKNOWN = "ok", "fail", "unknown"
NEVER = float("inf")


@dataclass(frozen=True)
class Call:
    """A call of a client.

    Attributes:
        action: `book`, `cancel` or `read`.
        user: who calls. A user calls one after the other.
        began, ended: seconds by one monotonic clock.
        key: of a booking, the idempotency key. Each attempt is a call of its own.
        booking: the id in the answer to a booking, or the one that is cancelled or read.
        quantity, schedule, code: what a booking asks for: tickets, the number of the date, and
            whether it uses the promo code.
        cents: the total price in the answer to a booking.
        active: of a read, whether the booking was there and not cancelled.
        status: the HTTP status, None without an answer.
    """

    action: str
    user: str
    began: float
    ended: float
    outcome: str
    key: str | None = None
    booking: str | None = None
    quantity: int = 0
    schedule: int | None = None
    code: bool = False
    cents: int | None = None
    active: bool | None = None
    status: int | None = None


@dataclass(frozen=True)
class Stored:
    """A booking that is stored after all calls and repairs."""

    booking: str
    user: str
    key: str
    quantity: int
    schedule: int | None
    code: bool
    cents: int
    active: bool


@dataclass(frozen=True)
class History:
    """All calls, what may be taken, and what is stored in the end.

    Attributes:
        capacities: of `stock`, the whole event; `quota`, the first date; and `code`, the
            bookings with the promo code.
        left: what each of them has left in the end.
        price: of a ticket without the code, in cents.
        discount: of the code, in percent.
    """

    calls: list[Call]
    capacities: dict[str, int]
    stored: list[Stored] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    price: int = 2000
    discount: int = 10


# How much of each counter a booking takes.
USES: dict[str, Callable[[Call | Stored], int]] = {
    "stock": lambda booking: booking.quantity,
    "quota": lambda booking: booking.quantity if booking.schedule == 1 else 0,
    "code": lambda booking: int(booking.code),
}


def find_faults(history: History) -> list[str]:
    """Return what no correct seller can have done, a sentence each."""
    checks = (check_counters, check_once, check_stored, check_cancels, check_reads, check_left)
    return [fault for check in checks for fault in check(history)]


def check_counters(history: History) -> Iterator[str]:
    """At no moment is more definitely taken than there is."""
    for name, use in USES.items():
        changes = []
        for call, until in _list_definite(history):
            changes += [(call.ended, 1, use(call)), (until, 0, -use(call))]
        taken = 0
        for moment, _, change in sorted(changes):
            taken += change
            if change > 0 and taken > history.capacities[name]:
                yield f"{name}: {taken} of {history.capacities[name]} are taken at {moment:.3f} s"
                break


def _list_definite(history: History) -> Iterator[tuple[Call, float]]:
    """Yield the first answer that promised each booking, and until when it is definitely active."""
    given_up: dict[str, float] = {}
    for call in history.calls:
        if call.action == "cancel" and call.outcome != FAIL and call.booking:
            given_up[call.booking] = min(given_up.get(call.booking, NEVER), call.began)
    seen = set()
    for call in sorted(_select(history, "book", OK), key=lambda call: call.ended):
        until = given_up.get(call.booking or "", NEVER)
        if call.booking not in seen and until > call.ended:
            yield call, until
        seen.add(call.booking)


def _select(history: History, action: str, *outcomes: str) -> list[Call]:
    return [call for call in history.calls if call.action == action and call.outcome in outcomes]


def check_once(history: History) -> Iterator[str]:
    """A key leads to one booking, in the answers and in the store."""
    ids = defaultdict(set)
    for call in _select(history, "book", OK):
        ids[call.key].add(call.booking)
    for stored in history.stored:
        ids[stored.key].add(stored.booking)
    for key, found in ids.items():
        if len(found) > 1:
            yield f"key {key} has {len(found)} bookings: {sorted(map(str, found))}"


def check_stored(history: History) -> Iterator[str]:
    """Each promised booking is stored, and each stored one was asked for and not refused."""
    stored_ids = {stored.booking for stored in history.stored}
    for call in _select(history, "book", OK):
        if call.booking not in stored_ids:
            yield f"booking {call.booking} was promised and is missing"
        if call.cents != _price(history, call):
            yield f"booking {call.booking} was sold for {call.cents} cents"
    attempts = defaultdict(list)
    for call in _select(history, "book", OK, UNKNOWN):
        attempts[call.key].append(call)
    for stored in history.stored:
        asked = (stored.user, stored.quantity, stored.schedule, stored.code)
        if not attempts[stored.key]:
            yield f"booking {stored.booking} is stored and was refused or never asked for"
        elif asked not in {(c.user, c.quantity, c.schedule, c.code) for c in attempts[stored.key]}:
            yield f"booking {stored.booking} is not what was asked for: {asked}"
        if stored.cents != _price(history, stored):
            yield f"booking {stored.booking} is stored with {stored.cents} cents"


def _price(history: History, booking: Call | Stored) -> int:
    full = booking.quantity * history.price
    return full - full * history.discount // 100 if booking.code else full


def check_cancels(history: History) -> Iterator[str]:
    """A booking has ended if and only if a cancellation of it can have been performed."""
    performed = defaultdict(int)
    for call in _select(history, "cancel", OK):
        performed[call.booking] += 1
    possible = {call.booking for call in _select(history, "cancel", OK, UNKNOWN)}
    for stored in history.stored:
        if stored.active and performed[stored.booking]:
            yield f"booking {stored.booking} was cancelled and is active"
        if not stored.active and stored.booking not in possible:
            yield f"booking {stored.booking} has ended and nobody cancelled it"
    for booking, count in performed.items():
        if count > 1:
            yield f"booking {booking} was cancelled {count} times"


def check_reads(history: History) -> Iterator[str]:
    """A user who reads sees what was answered to the same user before."""
    for read in _select(history, "read", OK):
        cancels = [
            call
            for call in _select(history, "cancel", OK, UNKNOWN)
            if call.booking == read.booking and call.began < read.ended
        ]
        if not read.active and not cancels:
            yield f"booking {read.booking} was not seen by its user at {read.began:.3f} s"
        if read.active and any(c.outcome == OK and c.ended < read.began for c in cancels):
            yield f"booking {read.booking} was seen after its end at {read.began:.3f} s"


def check_left(history: History) -> Iterator[str]:
    """What is left in the end is what the active bookings leave."""
    for name, left in history.left.items():
        taken = sum(USES[name](stored) for stored in history.stored if stored.active)
        if left != history.capacities[name] - taken:
            yield f"{name}: {left} are left, and {taken} of {history.capacities[name]} are booked"
        if left < 0:
            yield f"{name}: {left} are left"
