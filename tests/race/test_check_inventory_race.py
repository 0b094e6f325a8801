"""The check and the repair of the inventory are right while tickets are sold."""

import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import (
    auditing,
    event_closing,
    offer_answers,
    partial_cancellations,
    recovery,
    store_audits,
    transitions,
    waitlist_offers,
)
from eventapp.bookings import store as bookings_store
from eventapp.bookings.payments import attempts, settlement
from eventapp.bookings.sales import ticket_limit
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.events import editing
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.inventory import store as inventory_store
from eventapp.inventory import store_repairs
from eventapp.payments.provider import ProviderPayment
from eventapp.waitlist import joining
from eventapp.waitlist import store_audits as waitlist_audits
from tests import factories
from tests.bookings_factories import confirm_booking
from tests.race import kit

ANN, BOB, CID, DAN, EVE, FAY = (ObjectId() for _ in range(6))
# The clock of the process that makes the changes is ahead by this, so it ignores a closed event.
AHEAD = timedelta(seconds=90)
# Everything that a check or a repair reads or writes, in the modules that its callers look it up.
STEPS = (
    (store_repairs, "find_after"),
    (store_repairs, "find_to_audit"),
    (store_repairs, "find_revisions"),
    (store_repairs, "close_event"),
    (store_repairs, "replace_stock"),
    (store_audits, "sum_tickets"),
    (store_audits, "find_bookings"),
    (waitlist_audits, "sum_waiting"),
    (waitlist_audits, "find_entries"),
)


def event_of(db, *tickets):
    types = [
        {"type": f"Type {number}", "price": 20, "availableTickets": amount}
        for number, amount in enumerate(tickets, 1)
    ]
    return factories.make_event(db, ticketTypes=types)


def damage(db, event):
    """Count a ticket as sold that nobody has."""
    where = {"eventId": event["eventId"]}
    db.events.update_one(where, {"$inc": {"ticketTypes.0.soldTickets": 1}})


# Every change that may happen during a check.


class Changes:
    """An event with bookings, a hold, and waiting users, and what these users may do.

    Of type 1, Ann has 4 tickets, Bob holds 2, and 4 are available. Of type 2, one is available for
    Cid, who waits. Of type 3, Eve has the only ticket, and Fay waits.
    """

    def __init__(self, context):
        self.context, self.event_id, self.now = context, 1, utc_now() + AHEAD
        self.event = {"eventId": 1}

    def prepare(self):
        """Make the event and its bookings."""
        event_of(self.context.db, 10, 1, 1)
        kit.book(self.context, self.event, 4, user=ANN)
        kit.book(self.context, self.event, 2, user=BOB, hold=True)
        self._book(2, DAN)
        self._book(3, EVE)
        self._wait(2, CID)
        self._wait(3, FAY)
        transitions.cancel_booking(self.context, self._find(DAN), kit.attendee(DAN), utc_now())

    def _find(self, user):
        return self.context.db.bookings.find_one({"userId": user})["_id"]

    def _book(self, type_id, user):
        return kit.book(self.context, self.event, user=user, items=((type_id, None, 1),))

    def _wait(self, type_id, user):
        joining.join_waitlist(
            self.context.db,
            self.context.inventory,
            actor=kit.attendee(user),
            event_id=self.event_id,
            type_id=type_id,
            quantity=1,
            max_quantity=10,
            count_tickets=ticket_limit.count_tickets,
            requires_verified_email=False,
            now=self.now,
        )

    def sale(self):
        kit.book(self.context, self.event, 2, now=self.now)

    def hold(self):
        kit.book(self.context, self.event, 2, hold=True, now=self.now)

    def cancellation(self):
        transitions.cancel_booking(self.context, self._find(ANN), kit.attendee(ANN), self.now)

    def cancellation_of_a_ticket(self):
        items = [{"ticketTypeId": 1, "quantity": 1}]
        holder = kit.attendee(ANN)
        request = partial_cancellations.read_request({"items": items}, None, holder)
        partial_cancellations.cancel_tickets(
            self.context, self._find(ANN), request, holder, self.now
        )

    def cancellation_of_a_hold(self):
        transitions.cancel_booking(self.context, self._find(BOB), kit.attendee(BOB), self.now)

    def confirmation(self):
        confirm_booking(self.context, self._find(BOB), kit.attendee(BOB), self.now)

    def late_payment(self):
        """Bob pays after his hold has expired."""
        booking = self.context.db.bookings.find_one({"userId": BOB})
        booking, _attempt = attempts.begin_attempt(self.context, booking, None, utc_now())
        transitions.expire_hold(self.context, booking, self.now)
        (attempt,) = booking["payment"]["attempts"]
        seen = ProviderPayment("late", "succeeded", attempt["cents"])
        settlement.settle(self.context, booking["_id"], attempt["attemptId"], seen, self.now)

    def expiry(self):
        waitlist_offers.expire_holds(self.context, self.now + timedelta(hours=1))

    def offer(self):
        waitlist_offers.offer_tickets(self.context, self.event_id, self.now)

    def join(self):
        self._wait(3, ObjectId())

    def leave(self):
        offer_answers.leave_waitlist(self.context, self.event_id, kit.attendee(FAY), self.now)

    def edit(self):
        self._edit(editing.make_type_patch(1, {"capacity": 20}))

    def _edit(self, change):
        editing.edit_event(
            self.context.db,
            self.event_id,
            change,
            event_changes=NO_EVENT_CACHE,
            actor=kit.ADMIN,
            now=self.now,
            image_base_url="",
        )

    def clearing(self):
        recovery.recover(self.context, self.now + kit.AFTER_ABANDONMENT)

    def cancellation_of_the_event(self):
        event_closing.cancel_event(
            self.context, self.event_id, kit.ADMIN, now=self.now, image_base_url=""
        )


# Each change, and the failpoints that it passes: a check may begin at each of them.
SALE = ("take", "record")
END = ("end", "move", "move-recorded")
OFFER = ("offer-claim", "offer-take", "offer-record", "offered")
CHANGES = {
    Changes.sale: SALE,
    Changes.hold: (),
    Changes.cancellation: END,
    Changes.cancellation_of_a_ticket: ("part", *END[1:]),
    Changes.cancellation_of_a_hold: (),
    Changes.confirmation: ("attempt-begun", "provider-answered", "confirm", "move"),
    Changes.late_payment: ("end", "late-payment", "retake", "retake-confirmed"),
    Changes.expiry: ("end", "offer-take"),
    Changes.offer: OFFER,
    Changes.join: ("take", "entry"),
    Changes.leave: ("entry-end", "move", "leave-recorded"),
    Changes.edit: (),
    Changes.clearing: (),
    Changes.cancellation_of_the_event: ("end", "move"),
}
CASES = [
    pytest.param(change, stop, id=f"{change.__name__}-{stop or 'whole'}")
    for change, stops in CHANGES.items()
    for stop in (None, *stops)
]


@contextmanager
def stopped_at(stop, change):
    """Run `change` on a thread up to a failpoint; yield a function that lets it finish.

    Without a failpoint, all of it runs when that function is called.
    """
    reached, resumed = threading.Event(), threading.Event()
    failures = []

    def run():
        try:
            change()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            reached.set()

    worker = threading.Thread(target=run)

    def hook(name):
        if name == stop and threading.current_thread() is worker and not reached.is_set():
            reached.set()
            assert resumed.wait(kit.TIMEOUT_SECONDS)

    def finish():
        resumed.set()
        if worker.ident is None:
            worker.start()
        worker.join(kit.TIMEOUT_SECONDS)
        assert failures == []

    set_failpoint_hook(hook)
    try:
        if stop:
            worker.start()
            assert reached.wait(kit.TIMEOUT_SECONDS)
            assert worker.is_alive(), f"it does not pass {stop}"
        yield finish
    finally:
        resumed.set()
        set_failpoint_hook(None)


@contextmanager
def interrupted(number, action):
    """Call `action` before step `number` of a check or a repair, from 0; yield what was called.

    Yields:
        A list of the names of the steps so far.
    """
    calls = []
    checker = threading.current_thread()

    def wrap(real, name):
        def step(*arguments, **options):
            if threading.current_thread() is checker:
                calls.append(name)
                if len(calls) == number + 1:
                    action()
            return real(*arguments, **options)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for module, name in STEPS:
            patch.setattr(module, name, wrap(getattr(module, name), name))
        yield calls


@pytest.fixture
def interrupt_each_step(context, db):
    """A function that runs `work` again and again, each time interrupted before a later step."""
    Changes(kit.another_process(context)).prepare()
    names = ("events", "bookings", "waitlist")
    prepared = {name: list(db[name].find()) for name in names}

    def run(change, stop, work):
        number, calls = 0, [""]
        while len(calls) > number:
            for name in names:
                db[name].delete_many({})
                db[name].insert_many(prepared[name])
            call = partial(change, Changes(kit.another_process(context)))
            with stopped_at(stop, call) as finish:
                with interrupted(number, finish) as calls:
                    work()
                finish()
            assert kit.find_faults(context) == []
            number += 1
        assert number >= 5

    return run


@pytest.mark.parametrize(("change", "stop"), CASES)
def test_a_check_is_right_whatever_happens_between_its_reads(
    context, interrupt_each_step, change, stop
):
    def check():
        assert kit.find_faults(context) == []

    interrupt_each_step(change, stop, check)


@pytest.mark.parametrize(("change", "stop"), CASES)
def test_a_repair_is_right_whatever_happens_between_its_steps(
    context, interrupt_each_step, change, stop, monkeypatch
):
    monkeypatch.setattr(auditing, "PAUSE_SECONDS", 0)

    def repair():
        damage(context.db, {"eventId": 1})
        assert auditing.repair(context, 1, utc_now())

    interrupt_each_step(change, stop, repair)


def test_a_repair_during_one_sale_does_not_oversell(context, db, monkeypatch):
    """The booking is inserted after the repair has summed the bookings."""
    event = event_of(db, 10)
    kit.book(context, event, 6)
    damage(db, event)
    seller = kit.another_process(context)
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as insert,
        kit.suspended(monkeypatch, store_audits, "sum_tickets", after=True) as read,
        kit.in_background(lambda: kit.book(seller, event, 4)) as sale,
    ):
        insert.wait()
        with kit.in_background(lambda: auditing.repair(context, 1, utc_now())) as repair:
            read.wait()
            insert.resume()
            assert sale.result(kit.TIMEOUT_SECONDS).status == 201
            read.resume()
            assert repair.result(kit.TIMEOUT_SECONDS)
    assert kit.stock_counters(db, event) == (0, 0, 10, 0)
    (refused,) = kit.run_concurrently(lambda: kit.book(seller, event, 4))
    assert refused.code == "sold_out"
    kit.assert_consistent(context)


BUYERS, ROUNDS, TICKETS = 16, 4, 20


def buy_and_cancel(context, event, results):
    """Buy tickets and cancel every other booking, as a user of one server process."""
    for number in range(ROUNDS):
        user = ObjectId()
        (result,) = kit.run_concurrently(lambda: kit.book(context, event, 2, user=user))  # noqa: B023
        results.append(kit.count_outcomes([result]))
        if number % 2 and getattr(result, "status", None) == 201:
            booking_id = kit.booking_id(result)
            transitions.cancel_booking(context, booking_id, kit.attendee(user), utc_now())


def repair_while_buyers_buy(context, db, repairs=ROUNDS):
    """Repair a damaged event several times while it is sold; return it and what buyers got."""
    event, results = event_of(db, TICKETS), []
    contexts = [kit.another_process(context) for _ in range(4)]

    def repair_repeatedly():
        for _ in range(repairs):
            damage(db, event)
            auditing.repair(context, event["eventId"], utc_now())

    buyers = [partial(buy_and_cancel, contexts[n % 4], event, results) for n in range(BUYERS)]
    kit.run_concurrently(repair_repeatedly, *buyers)
    return event, results


def count_booked(db, event):
    active = db.bookings.find({"eventId": event["eventId"], "active": True})
    return sum(booking["quantity"] for booking in active)


def test_repairs_while_many_users_buy_and_cancel(context, db):
    event, results = repair_while_buyers_buy(context, db)
    assert {code for result in results for code in result} <= {201, "sold_out", "event_busy"}
    assert count_booked(db, event) <= TICKETS
    assert kit.find_faults(context) == []
    assert db.events.find_one()["ticketTypes"][0]["capacity"] == TICKETS
    kit.assert_consistent(context)


def test_control_a_repair_without_guards_makes_wrong_counters(context, db, monkeypatch):
    """The event is not closed, and the repair writes whatever has changed since its read."""
    real = store_repairs.replace_stock

    def replace(db, event, token, *arguments):
        deadline = time.monotonic() + 1
        while True:  # Until a buyer has changed the event since the repair read it.
            now = db.events.find_one({"eventId": event["eventId"]})
            if now["rev"] != event["rev"] or time.monotonic() > deadline:
                break
        return real(db, {**event, "rev": now["rev"]}, now["closedBy"], *arguments)

    monkeypatch.setattr(inventory_store, "build_open_guard", lambda _now: {})
    monkeypatch.setattr(store_repairs, "replace_stock", replace)
    for _attempt in range(20):
        # A second repair might mend what the first one did.
        repair_while_buyers_buy(context, db, repairs=1)
        if kit.find_faults(context):
            return
    pytest.fail("every repair was right: this race shows nothing")
