"""A ticket type is sold inside its window only, to the millisecond, whoever else buys or edits.

Each test has its control: without the check, or without the guard of the write, the race fails.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.core.database import ServerClock, server_clock
from eventapp.inventory import allocation, sale_windows
from tests.bookings_factories import types
from tests.factories import make_event
from tests.race import kit

REQUESTS, THREADS = 500, 24
TICK, HOUR = timedelta(milliseconds=1), timedelta(hours=1)


# The clocks of two processes. Their corrected time may be wrong by some of the time that the server
# takes to answer.
CLOCK_ERRORS = (timedelta(seconds=-5), timedelta(seconds=5))
BEFORE_EDGE, SPREAD, CLOCK_TOLERANCE = (timedelta(seconds=span) for span in (1.5, 2.5, 0.5))


@pytest.fixture
def clocks_agree(monkeypatch):
    monkeypatch.setattr(ServerClock, "correct", lambda _self, moment: moment)


@pytest.fixture
def wrong_clocks(context, monkeypatch):
    """Return two processes with wrong clocks, which they have compared with the database's."""
    processes = [kit.another_process(context) for _ in CLOCK_ERRORS]
    for process, error in zip(processes, CLOCK_ERRORS, strict=True):
        with monkeypatch.context() as patch:
            patch.setattr(server_clock, "utc_now", lambda error=error: utc_now() + error)
            process.inventory.correct_clock(utc_now())
    return processes


def event_with(db, **window):
    return make_event(db, ticketTypes=[{**types(REQUESTS)[0], **window}])


def buy_around(context, event, edge):
    """Make REQUESTS purchases by two processes within half a second of an edge.

    Returns:
        For each request whether it came at the edge or later, and the code of its refusal or None.
    """
    processes = [context, kit.another_process(context)]

    def buy(number):
        moment = edge + (number * 7 % REQUESTS - REQUESTS // 2) * TICK
        (answer,) = kit.run_concurrently(lambda: kit.book(processes[number % 2], event, now=moment))
        return moment >= edge, getattr(answer, "code", None)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(buy, range(REQUESTS)))


def sell_outside_the_window(monkeypatch, name):
    """Remove the check of the allocation or the guard of the write."""
    if name == "check":
        monkeypatch.setattr(allocation, "is_in_window", lambda *_: True)
    else:
        monkeypatch.setattr(sale_windows, "build_window_guards", lambda _moments: {})


@pytest.mark.usefixtures("clocks_agree")
@pytest.mark.parametrize("bound", ["salesFrom", "salesUntil"])
def test_500_requests_at_an_edge_are_each_judged_by_their_moment(db, context, bound):
    edge = utc_now()
    event = event_with(db, **{bound: edge})
    outcomes = buy_around(context, event, edge)
    for is_late, code in outcomes:
        is_open = is_late if bound == "salesFrom" else not is_late
        assert code == (None if is_open else "not_on_sale")
    sold = sum(code is None for _, code in outcomes)
    assert sold == REQUESTS // 2
    assert kit.stock_counters(db, event) == (REQUESTS - sold, 0, sold, 0)
    kit.assert_consistent(context)


@pytest.mark.usefixtures("clocks_agree")
def test_control_without_the_check_and_the_guard_early_requests_are_sold(db, context, monkeypatch):
    sell_outside_the_window(monkeypatch, "check")
    sell_outside_the_window(monkeypatch, "guard")
    edge = utc_now()
    event = event_with(db, salesFrom=edge)
    outcomes = buy_around(context, event, edge)
    assert all(code is None for _, code in outcomes)


def move_window_unnoticed(db, event, **window):
    """Change the window as a server of an older version does, which raises no counter of edits."""
    fields = {f"ticketTypes.0.{name}": moment for name, moment in window.items()}
    db.events.update_one({"eventId": event["eventId"]}, {"$set": fields})


@pytest.mark.usefixtures("clocks_agree")
@pytest.mark.parametrize("window", [{"salesFrom": HOUR}, {"salesUntil": -HOUR}])
@pytest.mark.parametrize("guarded", [True, False])
def test_a_sale_from_a_remembered_state_meets_the_guard_of_the_write(
    db, context, monkeypatch, window, guarded
):
    """With the guard it is refused; the control without it sells outside the window."""
    event = event_with(db)
    kit.book(context, event)  # The state is remembered.
    if not guarded:
        sell_outside_the_window(monkeypatch, "guard")
    now = utc_now()
    move_window_unnoticed(db, event, **{name: now + span for name, span in window.items()})
    (answer,) = kit.run_concurrently(lambda: kit.book(context, event, now=now))
    assert getattr(answer, "code", None) == ("not_on_sale" if guarded else None)
    assert kit.stock_counters(db, event)[2] == (1 if guarded else 2)


def buy_while_the_sale_begins(context, db, processes):
    """Make REQUESTS purchases from both processes in the seconds around the begin of a sale.

    Returns:
        By the database's clock: the times from the begin to the answers of those that got a ticket,
        and to the requests of those that were refused.
    """
    clock = ServerClock(db)
    edge = clock.now() + BEFORE_EDGE
    event = event_with(db, salesFrom=edge)

    def buy(number):
        time.sleep(SPREAD.total_seconds() / REQUESTS * THREADS)
        process, error = (each[number % 2] for each in (processes, CLOCK_ERRORS))
        began = clock.now() - edge
        (answer,) = kit.run_concurrently(lambda: kit.book(process, event, now=utc_now() + error))
        code = getattr(answer, "code", None)
        assert code in (None, "not_on_sale")
        return (code is None, began if code else clock.now() - edge)

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(buy, range(REQUESTS)))
    return [[span for is_sold, span in outcomes if is_sold == wanted] for wanted in (True, False)]


def test_500_requests_are_judged_by_the_databases_clock(context, db, wrong_clocks):
    sold, refused = buy_while_the_sale_begins(context, db, wrong_clocks)
    assert min(sold) >= -CLOCK_TOLERANCE
    assert max(refused) <= CLOCK_TOLERANCE
    kit.assert_consistent(context)


def test_control_by_their_own_clocks_one_sells_early_and_one_refuses_late(
    context, db, wrong_clocks, clocks_agree
):
    sold, refused = buy_while_the_sale_begins(context, db, wrong_clocks)
    assert min(sold) < -CLOCK_TOLERANCE
    assert max(refused) > CLOCK_TOLERANCE
