"""Random sequences of all operations leave the stock that a short model predicts."""

import os
from collections import defaultdict
from datetime import timedelta

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from eventapp.bookings import (
    offer_answers,
    partial_cancellations,
    recovery,
    transitions,
    waitlist_offers,
)
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.payments.checkout import Checkout
from eventapp.bookings.sales import ticket_limit
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.events import editing, quota_editing
from eventapp.inventory import allocation as inventory_allocation
from eventapp.inventory import queues as inventory_queues
from eventapp.inventory import store_promo_codes
from eventapp.promotions import service as promotions
from eventapp.waitlist import joining
from tests import factories
from tests.bookings_factories import confirm_booking
from tests.conftest import MONGO_URI
from tests.race import kit

PEOPLE = [ObjectId() for _ in range(6)]
people, quantities = st.sampled_from(PEOPLE), st.integers(1, 4)
HOLD, OFFER = timedelta(minutes=10), timedelta(minutes=30)
LIMIT = 10
MAX_QUOTAS = 3
# A server takes twenty times as long as the embedded store, and shows the same faults.
EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "6" if MONGO_URI else "25"))


class Model:
    """What must hold: bookings by user and slot, the queue, and the tickets that are left.

    Every quota counts all tickets, so the smallest stock decides. `max_uses` is that of the code.
    """

    def __init__(self, capacity, max_uses):
        self.capacity, self.queue, self.bookings = capacity, [], {}
        self.quotas, self.max_uses = {}, max_uses

    def sum(self, *statuses):
        return sum(b["quantity"] for b in self.bookings.values() if b["status"] in statuses)

    @property
    def available(self):
        return min(self.capacity, *self.quotas.values(), 99) - self.taken

    @property
    def taken(self):
        return self.sum("held", "confirmed")

    @property
    def uses(self):
        return sum(b["code"] for b in self.bookings.values())

    def of(self, user):
        return sum(b["quantity"] for (who, _), b in self.bookings.items() if who == user)

    def add(self, user, slot, quantity, status, until=None, code=False):
        self.bookings[user, slot] = {
            "quantity": quantity,
            "status": status,
            "until": until,
            "code": code,
        }

    def make_offers(self, now, offers):
        """Offer tickets first come, first served; a user at the limit leaves the queue."""
        while self.queue and self.available:
            entry = self.queue[0]
            quantity = min(self.available, entry["quantity"], LIMIT - self.of(entry["user"]))
            if quantity:
                self.add(entry["user"], f"offer {next(offers)}", quantity, "held", now + OFFER)
            entry["quantity"] = entry["quantity"] - quantity if quantity else 0
            if not entry["quantity"]:
                self.queue.pop(0)


class InventoryMachine(RuleBasedStateMachine):
    """Runs each operation on the services and on the model, with a clock of its own."""

    make_context = None  # set by the test: the context of an empty database

    def __init__(self):
        super().__init__()
        self.context = type(self).make_context()
        self.now = utc_now()
        self.event = factories.make_event(
            self.context.db, ticketTypes=[{"type": "General", "price": 20, "availableTickets": 6}]
        )
        self.model, self.offers = Model(6, max_uses=2), iter(range(10**6))
        body = {"code": "half", "kind": "percent", "value": 50, "maxUses": 2}
        event_id = self.event["eventId"]
        self.code_id = promotions.create_promo_code(
            self.context.db, event_id, kit.ADMIN, body, self.now
        )["codeId"]

    def result_or_code(self, call, *args, **options):
        """Return what the call returns, or the code of its error."""
        try:
            return call(*args, **options)
        except AppError as error:
            return error.code

    def actor(self, user):
        return Actor(user_id=user, role="attendee")

    def stored(self, user, slot):
        """Return the user's active booking: the oldest offer, or the one they booked."""
        offer = {"$exists": slot.startswith("offer")}
        mine = {"userId": user, "active": True, "waitlistEntryId": offer}
        return self.context.db.bookings.find_one(mine, sort=[("_id", 1)])

    @rule(
        user=people,
        quantity=quantities,
        hold=st.booleans(),
        mode=st.sampled_from(["reject", "partial"]),
        code=st.booleans(),
    )
    def book(self, user, quantity, hold, mode, code=False):
        free = 0 if self.model.queue else self.model.available
        granted = quantity if free >= quantity else (free if mode == "partial" else 0)
        first = (user, "direct") not in self.model.bookings
        allowed = first and self.model.of(user) + granted <= LIMIT
        allowed &= not code or self.model.uses < self.model.max_uses
        order = {"user": user, "now": self.now, "hold": hold, "on_shortfall": mode}
        order["promo_code"] = "HALF" if code else None
        result = self.result_or_code(kit.book, self.context, self.event, quantity, **order)
        assert (getattr(result, "status", result) == 201) == bool(granted and allowed), result
        if granted and allowed:
            status, until = ("held", self.now + HOLD) if hold else ("confirmed", None)
            self.model.add(user, "direct", granted, status, until, code)

    @rule(user=people, quantity=quantities)
    def wait(self, user, quantity):
        waits = any(entry["user"] == user for entry in self.model.queue)
        free = 0 if self.model.queue else self.model.available
        result = self.result_or_code(
            joining.join_waitlist,
            self.context.db,
            self.context.inventory,
            actor=kit.attendee(user),
            event_id=self.event["eventId"],
            type_id=None,
            quantity=quantity,
            max_quantity=LIMIT,
            count_tickets=ticket_limit.count_tickets,
            requires_verified_email=False,
            now=self.now,
        )
        if free or waits:
            assert result in ("tickets_available", "already_waitlisted", "ticket_limit_exceeded")
        elif result != "ticket_limit_exceeded":
            self.model.queue.append({"user": user, "quantity": quantity})
            assert result["position"] == len(self.model.queue)

    @rule(user=people)
    def cancel(self, user):
        if (user, "direct") in self.model.bookings:
            booking = self.stored(user, "direct")
            waitlist_offers.cancel_and_offer(
                self.context, booking["_id"], self.actor(user), self.now
            )
            del self.model.bookings[user, "direct"]
            self.model.make_offers(self.now, self.offers)

    @rule(user=people, quantity=quantities)
    def cancel_tickets(self, user, quantity):
        mine = self.model.bookings.get((user, "direct"))
        if mine is None:
            return
        items = [{"ticketTypeId": 1, "quantity": quantity}]
        actor = self.actor(user)
        result = self.result_or_code(
            partial_cancellations.cancel_tickets,
            self.context,
            self.stored(user, "direct")["_id"],
            partial_cancellations.read_request({"items": items}, None, actor),
            actor,
            self.now,
        )
        if mine["status"] == "held":
            assert result == "not_confirmed"
        elif quantity > mine["quantity"]:
            assert result == "not_enough_tickets"
        else:
            assert result.quantity == quantity
            mine["quantity"] -= quantity
            if not mine["quantity"]:
                del self.model.bookings[user, "direct"]
            self.model.make_offers(self.now, self.offers)

    @rule(user=people)
    def confirm(self, user):
        mine = self.model.bookings.get((user, "direct"), {})
        if mine.get("status") == "held":
            booking = self.stored(user, "direct")
            result = self.result_or_code(
                confirm_booking,
                self.context,
                booking["_id"],
                self.actor(user),
                self.now,
            )
            in_time = mine["until"] > self.now
            assert isinstance(result, dict) == in_time
            if in_time:
                mine.update(status="confirmed", until=None)

    @rule(user=people, quantity=quantities)
    def accept(self, user, quantity):
        open_ = [
            mine
            for (who, slot), mine in self.model.bookings.items()
            if who == user and slot != "direct" and mine["status"] == "held"
            and mine["until"] > self.now
        ]  # fmt: skip
        result = self.result_or_code(
            offer_answers.accept_offer,
            self.context,
            self.event["eventId"],
            self.actor(user),
            quantity,
            self.now,
        )
        assert isinstance(result, Checkout) == bool(open_), result
        if open_:
            kept = min(quantity, open_[0]["quantity"])
            open_[0].update(status="confirmed", until=None, quantity=kept)
            self.model.make_offers(self.now, self.offers)

    @rule(user=people)
    def leave(self, user):
        before = len(self.model.queue) + len(self.model.bookings)
        self.model.queue = [entry for entry in self.model.queue if entry["user"] != user]
        for (who, slot), mine in list(self.model.bookings.items()):
            if who == user and slot != "direct" and mine["status"] == "held":
                del self.model.bookings[who, slot]
        left = before != len(self.model.queue) + len(self.model.bookings)
        result = self.result_or_code(
            offer_answers.leave_waitlist,
            self.context,
            self.event["eventId"],
            self.actor(user),
            self.now,
        )
        is_left = isinstance(result, offer_answers.LeftWaitlist)
        assert is_left if left else result == "not_on_waitlist"
        if left:
            self.model.make_offers(self.now, self.offers)

    @rule(minutes=st.sampled_from([3, 11, 31]))
    def expire(self, minutes):
        self.now += timedelta(minutes=minutes)
        waitlist_offers.expire_holds(self.context, self.now)
        over = [k for k, b in self.model.bookings.items() if b["until"] and b["until"] <= self.now]
        for key in over:
            del self.model.bookings[key]
        if over:
            self.model.make_offers(self.now, self.offers)

    def edit_event(self, change):
        """Make an edit; return whether it was made, or the code of its error."""
        result = self.result_or_code(kit.edit, self.context.db, self.event, change)
        return result is None or result

    def offer(self):
        """Offer what an edit has made available, as the worker does."""
        waitlist_offers.offer_available_tickets(self.context, self.now)
        self.model.make_offers(self.now, self.offers)

    @rule(capacity=st.integers(0, 9))
    def edit(self, capacity):
        result = self.edit_event(editing.make_type_patch(1, {"capacity": capacity}))
        fits = capacity >= self.model.taken
        assert (result is True) == fits, result
        if fits:
            self.model.capacity = capacity
            self.offer()

    @rule(number=st.integers(0, MAX_QUOTAS - 1), capacity=st.integers(0, 9))
    def add_or_change_quota(self, number, capacity):
        if number < len(self.model.quotas):
            quota_id = sorted(self.model.quotas)[number]
            change = quota_editing.make_quota_patch(quota_id, {"capacity": capacity})
        else:
            quota_id = self.context.db.events.find_one({}).get("nextQuotaId", 1)
            change = quota_editing.make_quota_addition({"name": "", "capacity": capacity})
        result = self.edit_event(change)
        if capacity < self.model.taken:
            assert result == "below_sold"
        else:
            assert result is True
            self.model.quotas[quota_id] = capacity
            self.offer()

    @precondition(lambda self: self.model.quotas)
    @rule(number=st.integers(0, MAX_QUOTAS - 1))
    def remove_quota(self, number):
        quota_id = sorted(self.model.quotas)[number % len(self.model.quotas)]
        assert self.edit_event(quota_editing.make_quota_removal(quota_id)) is True
        del self.model.quotas[quota_id]
        self.offer()

    @rule(max_uses=st.integers(1, 4))
    def edit_code(self, max_uses):
        result = self.result_or_code(
            promotions.patch_promo_code,
            self.context.db,
            self.event["eventId"],
            self.code_id,
            kit.ADMIN,
            {"maxUses": max_uses},
            self.now,
        )
        assert (result == "below_used") == (max_uses < self.model.uses), result
        if result != "below_used":
            self.model.max_uses = max_uses

    @precondition(lambda self: self.model.bookings or self.model.queue)
    @rule()
    def settle(self):
        recovery.recover(self.context, self.now + kit.AFTER_ABANDONMENT)

    @invariant()
    def stock_equals_that_of_the_model(self):
        model, db = self.model, self.context.db
        event, available = db.events.find_one({}), model.capacity - model.taken
        expected = (available, model.sum("held"), model.sum("confirmed"))
        assert kit.stock_counters(db, self.event)[:3] == expected
        assert min(*expected, model.available) >= 0
        quotas = {each["quotaId"]: each["availableTickets"] for each in event.get("quotas", [])}
        assert quotas == {id_: places - model.taken for id_, places in model.quotas.items()}
        stocks = [*event["ticketTypes"], *event.get("quotas", [])]
        assert sum(stock["waiting"] for stock in stocks) == len(model.queue)
        assert event["promoCodes"]["half"]["used"] == model.uses
        entries = db.waitlist.find({"active": True}).sort("sequence", 1)
        assert [(e["userId"], e["quantity"]) for e in entries] == [
            (entry["user"], entry["quantity"]) for entry in model.queue
        ]
        held = defaultdict(int)
        for booking in db.bookings.find({"active": True}):
            held[booking["userId"]] += booking["quantity"]
        assert held == {user: model.of(user) for user in PEOPLE if model.of(user)}

    @invariant()
    def inventory_check_finds_nothing(self):
        assert kit.find_faults(self.context) == []

    @invariant()
    def entries_add_up_to_the_state_of_each_booking(self):
        assert kit.find_wrong_entries(self.context.db) == []


@pytest.fixture
def machine(app, db):
    """Return the class of machines that use the application's database."""

    def make_context():
        for name in ("events", "bookings", "waitlist"):
            db[name].delete_many({})
        return kit.another_process(BOOKING_CONTEXT.get(app))

    InventoryMachine.make_context = staticmethod(make_context)
    return InventoryMachine


def test_any_sequence_of_operations_leaves_the_stock_of_the_model(machine):
    case = machine.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=25,
        database=None,
        derandomize="MACHINE_EXAMPLES" not in os.environ,
        phases=[Phase.generate],  # no shrinking: it takes long
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()


# The control tests run the few steps that show the fault: random ones might need many examples.


def sold_out(machine):
    run = machine()
    for user in PEOPLE[:2]:
        run.book(user=user, quantity=3, hold=False, mode="reject")
    run.stock_equals_that_of_the_model()
    return run


def test_control_the_machine_notices_tickets_that_are_not_returned(machine, monkeypatch):
    run = sold_out(machine)
    run.cancel(user=PEOPLE[0])
    run.stock_equals_that_of_the_model()
    monkeypatch.setattr(transitions, "apply_pending_moves", lambda *_: None)
    run.cancel(user=PEOPLE[1])
    with pytest.raises(AssertionError):
        run.stock_equals_that_of_the_model()


def test_control_the_machine_notices_a_return_that_forgets_the_quotas(machine, monkeypatch):
    run = sold_out(machine)
    run.add_or_change_quota(number=0, capacity=6)
    run.cancel(user=PEOPLE[0])
    run.stock_equals_that_of_the_model()
    monkeypatch.setattr("eventapp.inventory.moves.compute_quota_changes", lambda *_: {})
    run.cancel(user=PEOPLE[1])
    with pytest.raises(AssertionError):
        run.stock_equals_that_of_the_model()


def test_control_the_machine_notices_a_code_that_is_used_too_often(machine, monkeypatch):
    run = machine()
    run.edit_code(max_uses=1)
    run.book(user=PEOPLE[0], quantity=1, hold=False, mode="reject", code=True)
    run.book(user=PEOPLE[1], quantity=1, hold=False, mode="reject", code=True)
    monkeypatch.setattr("eventapp.inventory.promo_codes.count_uses_left", lambda _code: None)
    monkeypatch.setattr(store_promo_codes, "build_promo_guards", lambda *_: {})
    with pytest.raises(AssertionError):
        run.book(user=PEOPLE[1], quantity=1, hold=False, mode="reject", code=True)


def test_control_the_machine_notices_a_sale_that_passes_the_waitlist(machine, monkeypatch):
    def nobody_waits(event, *rest):
        ticket_types = [{**each, "waiting": 0} for each in event["ticketTypes"]]
        return allocate({**event, "ticketTypes": ticket_types}, *rest)

    allocate = inventory_allocation.allocate
    run = sold_out(machine)
    run.wait(user=PEOPLE[2], quantity=4)
    monkeypatch.setattr(waitlist_offers, "offer_tickets", lambda *_: 0)  # no offer yet
    run.cancel(user=PEOPLE[0])
    assert kit.stock_counters(run.context.db, run.event) == (3, 0, 3, 1)
    run.book(user=PEOPLE[3], quantity=1, hold=False, mode="reject")
    monkeypatch.setattr(inventory_queues, "_build_stock_guards", lambda *_: {})
    monkeypatch.setattr(inventory_allocation, "allocate", nobody_waits)
    with pytest.raises(AssertionError):
        run.book(user=PEOPLE[3], quantity=1, hold=False, mode="reject")
