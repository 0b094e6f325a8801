"""Four processes sell overlapping quotas to 2,000 buyers, as a brute-force model says they may.

The processes share nothing but the server. The model knows only what each request asked for, what
it was answered, and when it began and ended. It shows of every history that

* no ticket type and no quota was sold beyond its capacity at any moment;
* at rest each counter says what clients were told they have;
* no order got fewer tickets than it could: not even if all tickets that anybody may have had at
  some moment of the request were taken at once.

The last one is as much as a client can know while others buy. At rest it means that no refused
order, if nobody has cancelled since, would get more tickets now.
"""

import multiprocessing
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from unittest import mock

import pytest
from bson import ObjectId

from eventapp.bookings import transitions
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.errors import SoldOut
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.http.app_context import CONFIG
from eventapp.events import editing, quota_editing
from tests import factories
from tests.conftest import MONGO_URI, QUIET, create_prepared_app, empty_database
from tests.race import kit

pytestmark = pytest.mark.skipif(
    MONGO_URI is None, reason="several processes need a server: set MONGO_URI"
)

PROCESSES, THREADS, BUYERS = 4, 8, 2000
# In the control tests. As many processes sell fewer tickets to fewer buyers. Whether they oversell
# depends on which of them meet, so it is tried several times.
FEW_BUYERS, CONTROL_ATTEMPTS = 500, 10
TYPES, ENTRIES = range(1, 7), range(1, 4)
MAX_SECONDS = 60
NEVER = float("inf")


@dataclass(frozen=True, eq=False)
class Stock:
    """A ticket type or a quota: the types and entries whose tickets it counts, and how many."""

    types: tuple[int, ...]
    entries: tuple[int, ...]
    capacity: int


def make_stocks(buyers):
    """Return the stocks of all types, and the quotas: about half of the tickets that are wanted."""
    all_types, all_entries = tuple(TYPES), tuple(ENTRIES)
    return (
        *[Stock((type_id,), all_entries, buyers // 4) for type_id in TYPES],
        Stock(all_types, (1,), buyers // 3),
        Stock((1, 2, 3), all_entries, buyers // 2),
        Stock((3, 4), (2, 3), buyers // 5),
        Stock((6,), (3,), buyers // 50),
    )


@dataclass(frozen=True)
class Answer:
    """What a buyer asked for and got, and when by the clock that all processes share.

    Attributes:
        items: ticketTypeId and quantity, in the order in which they are granted.
        got: the tickets of each type; empty for a refusal.
        began, ended: the time of the request.
        leaving, returned: the time of its cancellation; infinite without one.
    """

    entry: int
    items: tuple[tuple[int, int], ...]
    partial: bool
    got: dict[int, int]
    began: float
    ended: float
    leaving: float = NEVER
    returned: float = NEVER


# What runs in each process.

GUARDS = {
    "the guard of quotas": ("eventapp.inventory.queues._build_stock_guards", lambda *_: {}),
    "the return to quotas": ("eventapp.inventory.moves.compute_quota_changes", lambda *_: {}),
}


def run_process(settings, event, seeds, without):
    """Run one buyer for each seed, a few at a time, without one of the GUARDS; return answers."""
    app = create_prepared_app(settings)
    context = BOOKING_CONTEXT.get(app)
    guard = mock.patch(*GUARDS[without]) if without else nullcontext()
    with guard, ThreadPoolExecutor(THREADS) as pool:
        START.wait(MAX_SECONDS)
        answers = list(pool.map(partial(buy, context, event), seeds))
    OPEN_DATABASE.get(app).client.close()
    return answers


def set_start(barrier):
    """Store the barrier at which the processes wait for each other."""
    global START  # noqa: PLW0603
    START = barrier


def buy(context, event, seed):
    """Order some tickets, maybe for a later payment, and maybe cancel them again."""
    chance, user = random.Random(seed), ObjectId()
    items = [
        (type_id, chance.randint(1, 3)) for type_id in chance.sample(TYPES, chance.randint(1, 3))
    ]
    order = {
        "schedule_id": chance.choice(ENTRIES),
        "items": tuple((type_id, None, quantity) for type_id, quantity in items),
        "hold": chance.random() < 0.3,
        "on_shortfall": chance.choice(["reject", "partial"]),
    }
    answer = {"entry": order["schedule_id"], "items": tuple(items), "got": {}}
    answer |= {"partial": order["on_shortfall"] == "partial", "began": time.monotonic()}
    try:
        made = kit.book(context, event, user=user, **order)
    except SoldOut:
        return Answer(**answer, ended=time.monotonic())
    answer["ended"] = time.monotonic()
    booked = made.data["booking"]["items"]
    answer["got"] = {item["ticketTypeId"]: item["quantity"] for item in booked}
    if chance.random() < 0.2:
        answer["leaving"] = time.monotonic()
        transitions.cancel_booking(context, kit.booking_id(made), kit.attendee(user), utc_now())
        answer["returned"] = time.monotonic()
    return Answer(**answer)


# The model.


def find_stocks(stocks, entry, type_id):
    """Return the stocks of which a ticket takes a place."""
    return [each for each in stocks if type_id in each.types and entry in each.entries]


def count_taken(stocks, answers):
    """Return the tickets that these answers took of each stock."""
    taken = Counter()
    for answer in answers:
        for type_id, quantity in answer.got.items():
            for stock in find_stocks(stocks, answer.entry, type_id):
                taken[stock] += quantity
    return taken


def find_oversold(stocks, answers):
    """Return the stocks of which buyers had more tickets at once than there are."""
    moments = [(answer.ended, answer, 1) for answer in answers]
    moments += [(answer.leaving, answer, -1) for answer in answers if answer.leaving != NEVER]
    taken, oversold = Counter(), set()
    for _, answer, sign in sorted(moments, key=itemgetter(0)):
        for stock, quantity in count_taken(stocks, [answer]).items():
            taken[stock] += sign * quantity
            if taken[stock] > stock.capacity:
                oversold.add(stock)
    return oversold


def has_room(stocks, taken, order, tickets):
    """Return whether these tickets of the entry of an order are left when others are taken."""
    needed = count_taken(stocks, [replace(order, got=tickets)])
    return all(taken[stock] + needed[stock] <= stock.capacity for stock in needed)


def is_unfounded(stocks, taken, order):
    """Return whether an order got too few tickets, if no more than these were ever taken."""
    wanted = dict(order.items)
    if not order.partial:
        return has_room(stocks, taken, order, wanted)
    short = [type_id for type_id in wanted if order.got.get(type_id, 0) < wanted[type_id]]
    return any(has_room(stocks, taken, order, {type_id: 1}) for type_id in short)


def find_unfounded(stocks, answers):
    """Return the orders that got too few tickets, whatever the other requests did when."""
    unfounded = []
    counts = [(each.began, each.returned, count_taken(stocks, [each])) for each in answers]
    for order in (each for each in answers if each.got != dict(each.items)):
        taken = Counter()
        for began, returned, count in counts:
            if began < order.ended and returned > order.began:
                for stock, quantity in count.items():
                    taken[stock] += quantity
        if is_unfounded(stocks, taken, order):
            unfounded.append(order)
    return unfounded


# The tests.


@pytest.fixture(scope="module")
def pool():
    """Return the processes, each of which has one task at a time."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(PROCESSES)
    with spawn.Pool(PROCESSES, initializer=set_start, initargs=(barrier,)) as started:
        yield started


@pytest.fixture
def event(db):
    """Return an event with six types, three dates and no quota yet.

    The database is emptied in the end, as the other processes have written to it.
    """
    yield make_event(db)
    empty_database(db)


def make_event(db):
    types = [{"type": f"T{type_id}", "price": 5, "availableTickets": 1} for type_id in TYPES]
    schedule = [{"date": factories.day(30 + n), "location": f"Hall {n}"} for n in ENTRIES]
    return factories.make_event(db, ticketTypes=types, schedule=schedule)


def sell(pool, app, db, event, buyers, without=None):
    """Let all processes together sell to this many buyers; return the stocks and the answers."""
    stocks = make_stocks(buyers)
    for type_id, stock in zip(TYPES, stocks, strict=False):
        kit.edit(db, event, editing.make_type_patch(type_id, {"capacity": stock.capacity}))
    for stock in stocks[len(TYPES) :]:
        lists = {"ticketTypeIds": list(stock.types), "scheduleIds": list(stock.entries)}
        body = {"name": "", "capacity": stock.capacity, **lists}
        kit.edit(db, event, quota_editing.make_quota_addition(body))
    config = CONFIG.get(app)
    settings = {
        **QUIET,
        "MONGO_URI": config.mongo_uri,
        "INSTANCE_DIR": str(config.instance_dir),
    }
    shares = [
        (settings, event, range(first, buyers, PROCESSES), without) for first in range(PROCESSES)
    ]
    answers = pool.starmap_async(run_process, shares, chunksize=1).get(3 * MAX_SECONDS)
    return stocks, [answer for share in answers for answer in share]


def read_taken(db, stocks):
    """Return the tickets that the event says are sold and held of each stock."""
    event = db.events.find_one({})
    by_type = [each["soldTickets"] + each["heldTickets"] for each in event["ticketTypes"]]
    by_quota = [each["capacity"] - each["availableTickets"] for each in event["quotas"]]
    return dict(zip(stocks, by_type + by_quota, strict=True))


def test_2000_buyers_get_what_there_is_and_no_more(pool, app, context, db, event):
    stocks, answers = sell(pool, app, db, event, BUYERS)
    assert find_oversold(stocks, answers) == set()
    assert find_unfounded(stocks, answers) == []
    taken = count_taken(stocks, [answer for answer in answers if answer.returned == NEVER])
    assert read_taken(db, stocks) == {stock: taken[stock] for stock in stocks}
    assert {bool(answer.got) for answer in answers} == {True, False}
    kit.assert_consistent(context)


def test_control_without_the_guard_quotas_are_oversold(pool, app, db, event):
    for _ in range(CONTROL_ATTEMPTS):
        stocks, answers = sell(pool, app, db, event, FEW_BUYERS, without="the guard of quotas")
        if find_oversold(stocks, answers):
            return
        event = make_event(db)
    pytest.fail("nothing was oversold")


def test_control_orders_are_refused_if_quotas_do_not_get_places_back(pool, app, db, event):
    stocks, answers = sell(pool, app, db, event, FEW_BUYERS, without="the return to quotas")
    assert find_unfounded(stocks, answers)
