"""The checker accepts what a correct seller may do, and rejects each fault that is made by hand."""

from dataclasses import replace

import pytest

from tests.histories.checker import FAIL, OK, UNKNOWN, Call, History, Stored, find_faults

CAPACITIES = {"stock": 3, "quota": 2, "code": 1}


def book(number, began, ended, outcome=OK, **changes):
    """Return a call of user `number`, who books `b<number>` with the key `k<number>`."""
    booking = f"b{number}" if outcome == OK else None
    call = Call("book", f"u{number}", began, ended, outcome, f"k{number}", booking, 1, cents=2000)
    return replace(call, **changes)


def act(action, number, began, ended, outcome=OK, active=None):
    return Call(action, f"u{number}", began, ended, outcome, booking=f"b{number}", active=active)


def store(call, active=True, **changes):
    """Return the stored booking of a call."""
    number = call.key[1:]
    booking = Stored(
        f"b{number}", call.user, call.key, call.quantity, None, call.code, 2000, active
    )
    return replace(booking, schedule=call.schedule, **changes)


def end(calls, stored, **left):
    """Return the history with these bookings stored, and what they leave unless it is given."""
    active = [booking for booking in stored if booking.active]
    leaves = {
        "stock": 3 - sum(booking.quantity for booking in active),
        "quota": 2 - sum(booking.quantity for booking in active if booking.schedule),
        "code": 1 - sum(booking.code for booking in active),
    }
    return History(calls, CAPACITIES, stored, {**leaves, **left})


ALL = [book(number, number, number + 1) for number in range(3)]
LOST = book(4, 5, 9, UNKNOWN)
CANCEL = act("cancel", 0, 4, 5)
TWO_CODES = [book(number, 0, 1, code=True, cents=1800) for number in range(2)]
DATES = [book(number, 0, 1, schedule=1) for number in range(3)]
MORE = book(3, 6, 7)

GOOD = {
    "all is sold": end(ALL, [store(call) for call in ALL]),
    "one more after a cancellation": end(
        [*ALL, CANCEL, MORE], [store(ALL[0], False), *map(store, [*ALL[1:], MORE])]
    ),
    "one more while it is cancelled": end(
        [*ALL, CANCEL, replace(MORE, began=4, ended=4.5)],
        [store(ALL[0], False), *map(store, [*ALL[1:], MORE])],
    ),
    "an unknown booking was made": end([ALL[0], LOST], [store(ALL[0]), store(LOST)]),
    "an unknown booking was not made": end([ALL[0], LOST], [store(ALL[0])]),
    "an unknown booking was made before it was repeated": end(
        [LOST, book(4, 10, 11)], [store(LOST)]
    ),
    "an unknown cancellation was made": end(
        [ALL[0], replace(CANCEL, outcome=UNKNOWN)], [store(ALL[0], False)]
    ),
    "a read during a cancellation": end(
        [ALL[0], CANCEL, act("read", 0, 4.5, 4.7, active=True)], [store(ALL[0], False)]
    ),
}
BAD = {
    "4 of 3 are taken": end([*ALL, MORE], [store(call) for call in (*ALL, MORE)]),
    "quota: 3 of 2 are taken": end(DATES, [store(call) for call in DATES]),
    "code: 2 of 1 are taken": end(TWO_CODES, [store(call, cents=1800) for call in TWO_CODES]),
    "has 2 bookings": end([ALL[0], replace(ALL[0], booking="other")], [store(ALL[0])]),
    "is missing": end(ALL, [store(call) for call in ALL[1:]]),
    "was refused": end([book(0, 0, 1, FAIL)], [store(ALL[0])]),
    "not what was asked for": end(ALL[:1], [store(ALL[0], quantity=2, cents=4000)]),
    "was sold for 1 cents": end([replace(ALL[0], cents=1)], [store(ALL[0])]),
    "stored with 1 cents": end(ALL[:1], [store(ALL[0], cents=1)]),
    "cancelled and is active": end([ALL[0], CANCEL], [store(ALL[0])]),
    "nobody cancelled": end(ALL[:1], [store(ALL[0], False)]),
    "cancelled 2 times": end(
        [ALL[0], CANCEL, replace(CANCEL, began=6, ended=7)], [store(ALL[0], False)]
    ),
    "not seen": end([ALL[0], act("read", 0, 2, 3, active=False)], [store(ALL[0])]),
    "seen after its end": end(
        [ALL[0], CANCEL, act("read", 0, 6, 7, active=True)], [store(ALL[0], False)]
    ),
    "1 are left": end(ALL, [store(call) for call in ALL], stock=1),
    "-1 are left": end(ALL, [store(call) for call in ALL], stock=-1),
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_a_possible_history_has_no_fault(history):
    assert find_faults(history) == []


@pytest.mark.parametrize(("fault", "history"), BAD.items(), ids=BAD)
def test_an_impossible_history_is_rejected(fault, history):
    assert any(fault in found for found in find_faults(history))
