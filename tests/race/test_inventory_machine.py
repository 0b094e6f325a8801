"""Any order of everything one can do: the figures are those of a model of twenty lines."""

import os
from collections import defaultdict
from datetime import timedelta

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from eventapp.bookings import recovery, transitions, waitlist_offers
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.events import editing
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.inventory import rules as inventory_rules
from eventapp.inventory import store as inventory_store
from eventapp.waitlist import service as waitlist
from tests import factories
from tests.conftest import MONGO_URI
from tests.race import kit

ADMIN = Actor(user_id=ObjectId(), role="admin")
PEOPLE = [ObjectId() for _ in range(6)]
people, few = st.sampled_from(PEOPLE), st.integers(1, 4)
HOLD, OFFER = timedelta(minutes=10), timedelta(minutes=30)
LIMIT = 10
# A server takes twenty times as long as the embedded store, and the model is the same.
EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "6" if MONGO_URI else "25"))


class Model:
    """What everybody must have: bookings by user and slot, the line, and the tickets left."""

    def __init__(self, capacity):
        self.capacity, self.line, self.has = capacity, [], {}

    def sum(self, *statuses):
        return sum(b["quantity"] for b in self.has.values() if b["status"] in statuses)

    @property
    def available(self):
        return self.capacity - self.sum("held", "confirmed")

    def of(self, user):
        return sum(b["quantity"] for (who, _), b in self.has.items() if who == user)

    def add(self, user, slot, quantity, status, until=None):
        self.has[user, slot] = {"quantity": quantity, "status": status, "until": until}

    def serve(self, now, offers):
        """First come, first served; who has the limit leaves the line."""
        while self.line and self.available:
            entry = self.line[0]
            quantity = min(self.available, entry["quantity"], LIMIT - self.of(entry["user"]))
            if quantity:
                self.add(entry["user"], f"offer {next(offers)}", quantity, "held", now + OFFER)
            entry["quantity"] = entry["quantity"] - quantity if quantity else 0
            if not entry["quantity"]:
                self.line.pop(0)


class Inventory(RuleBasedStateMachine):
    """The services and the model, side by side, with a clock of their own."""

    make_context = None  # set by the test: the context of an empty database

    def __init__(self):
        super().__init__()
        self.context = type(self).make_context()
        self.now = utc_now()
        self.event = factories.make_event(
            self.context.db, ticketTypes=[{"type": "General", "price": 20, "availableTickets": 6}]
        )
        self.model, self.offers = Model(6), iter(range(10**6))

    def try_it(self, call, *args, **options):
        """What the call gives, or the code of its refusal."""
        try:
            return call(*args, **options)
        except AppError as error:
            return error.code

    def actor(self, user):
        return Actor(user_id=user, role="attendee")

    def stored(self, user, slot):
        """The active booking of the user: the oldest offer, or the one of their own making."""
        offer = {"$exists": slot.startswith("offer")}
        mine = {"userId": user, "active": True, "waitlistEntryId": offer}
        return self.context.db.bookings.find_one(mine, sort=[("_id", 1)])

    @rule(
        user=people, quantity=few, hold=st.booleans(), mode=st.sampled_from(["reject", "partial"])
    )
    def book(self, user, quantity, hold, mode):
        free = 0 if self.model.line else self.model.available
        granted = quantity if free >= quantity else (free if mode == "partial" else 0)
        first = (user, "direct") not in self.model.has
        may = first and self.model.of(user) + granted <= LIMIT
        order = {"user": user, "now": self.now, "hold": hold, "on_shortfall": mode}
        told = self.try_it(kit.book, self.context, self.event, quantity, **order)
        assert (getattr(told, "status", told) == 201) == bool(granted and may), told
        if granted and may:
            status, until = ("held", self.now + HOLD) if hold else ("confirmed", None)
            self.model.add(user, "direct", granted, status, until)

    @rule(user=people, quantity=few)
    def wait(self, user, quantity):
        waits = any(entry["user"] == user for entry in self.model.line)
        free = 0 if self.model.line else self.model.available
        told = self.try_it(
            waitlist.join,
            self.context.db,
            self.context.inventory,
            actor=kit.person(user),
            event_id=self.event["eventId"],
            type_id=None,
            quantity=quantity,
            max_quantity=LIMIT,
            now=self.now,
        )
        if free or waits:
            assert told in ("tickets_available", "already_waitlisted", "ticket_limit_exceeded")
        elif told != "ticket_limit_exceeded":
            self.model.line.append({"user": user, "quantity": quantity})
            assert told["position"] == len(self.model.line)

    @rule(user=people)
    def cancel(self, user):
        if (user, "direct") in self.model.has:
            booking = self.stored(user, "direct")
            waitlist_offers.cancel_and_offer_on(
                self.context, booking["_id"], self.actor(user), self.now
            )
            del self.model.has[user, "direct"]
            self.model.serve(self.now, self.offers)

    @rule(user=people)
    def confirm(self, user):
        mine = self.model.has.get((user, "direct"), {})
        if mine.get("status") == "held":
            booking = self.stored(user, "direct")
            told = self.try_it(
                transitions.confirm, self.context, booking["_id"], self.actor(user), self.now
            )
            in_time = mine["until"] > self.now
            assert isinstance(told, dict) == in_time
            if in_time:
                mine.update(status="confirmed", until=None)

    @rule(user=people, quantity=few)
    def accept(self, user, quantity):
        open_ = [
            mine
            for (who, slot), mine in self.model.has.items()
            if who == user and slot != "direct" and mine["status"] == "held"
            and mine["until"] > self.now
        ]  # fmt: skip
        told = self.try_it(
            waitlist_offers.accept,
            self.context,
            self.event["eventId"],
            self.actor(user),
            quantity,
            self.now,
        )
        assert isinstance(told, dict) == bool(open_), told
        if open_:
            kept = min(quantity, open_[0]["quantity"])
            open_[0].update(status="confirmed", until=None, quantity=kept)
            self.model.serve(self.now, self.offers)

    @rule(user=people)
    def leave(self, user):
        before = len(self.model.line) + len(self.model.has)
        self.model.line = [entry for entry in self.model.line if entry["user"] != user]
        for (who, slot), mine in list(self.model.has.items()):
            if who == user and slot != "direct" and mine["status"] == "held":
                del self.model.has[who, slot]
        left = before != len(self.model.line) + len(self.model.has)
        told = self.try_it(
            waitlist_offers.leave, self.context, self.event["eventId"], self.actor(user), self.now
        )
        assert told == (None if left else "not_on_waitlist")
        if left:
            self.model.serve(self.now, self.offers)

    @rule(minutes=st.sampled_from([3, 11, 31]))
    def expire(self, minutes):
        self.now += timedelta(minutes=minutes)
        recovery.expire_holds(self.context, self.now)
        over = [k for k, b in self.model.has.items() if b["until"] and b["until"] <= self.now]
        for key in over:
            del self.model.has[key]
        if over:
            self.model.serve(self.now, self.offers)

    @rule(capacity=st.integers(0, 9))
    def edit(self, capacity):
        told = self.try_it(
            editing.edit,
            self.context.db,
            self.event["eventId"],
            editing.patch_type(1, {"capacity": capacity}),
            event_changes=NO_EVENT_CACHE,
            actor=ADMIN,
            now=self.now,
            image_base_url="http://localhost",
        )
        fits = capacity >= self.model.sum("held", "confirmed")
        assert isinstance(told, dict) == fits, told
        if fits:
            self.model.capacity = capacity
            recovery.serve_all_waiting(self.context, self.now)
            self.model.serve(self.now, self.offers)

    @precondition(lambda self: self.model.has or self.model.line)
    @rule()
    def settle(self):
        recovery.settle(self.context, self.now + kit.LATER)

    @invariant()
    def figures_are_the_models(self):
        model, db = self.model, self.context.db
        expected = (model.available, model.sum("held"), model.sum("confirmed"), len(model.line))
        assert kit.amounts(db, self.event) == expected
        assert min(expected) >= 0
        entries = db.waitlist.find({"active": True}).sort("sequence", 1)
        assert [(e["userId"], e["quantity"]) for e in entries] == [
            (entry["user"], entry["quantity"]) for entry in model.line
        ]
        held = defaultdict(int)
        for booking in db.bookings.find({"active": True}):
            held[booking["userId"]] += booking["quantity"]
        assert held == {user: model.of(user) for user in PEOPLE if model.of(user)}

    @invariant()
    def all_adds_up(self):
        assert kit.faults(self.context) == []


@pytest.fixture
def machine(app, db):
    """The class of machines on the application's database."""

    def make_context():
        for name in ("events", "bookings", "waitlist"):
            db[name].delete_many({})
        return kit.another(BOOKING_CONTEXT.get(app))

    Inventory.make_context = staticmethod(make_context)
    return Inventory


def test_any_order_of_everything(machine):
    case = machine.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize="MACHINE_EXAMPLES" not in os.environ,
        phases=[Phase.generate],  # what fails is told as it came: making it shorter takes long
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()


# The controls play the few steps that show it: chance might need many examples.


def sold_out(machine):
    playing = machine()
    for user in PEOPLE[:2]:
        playing.book(user=user, quantity=3, hold=False, mode="reject")
    playing.figures_are_the_models()
    return playing


def test_control_tickets_that_do_not_come_back_are_noticed(machine, monkeypatch):
    playing = sold_out(machine)
    playing.cancel(user=PEOPLE[0])
    playing.figures_are_the_models()
    monkeypatch.setattr(transitions, "settle_due", lambda *_: None)
    playing.cancel(user=PEOPLE[1])
    with pytest.raises(AssertionError):
        playing.figures_are_the_models()


def test_control_a_public_that_passes_the_line_is_noticed(machine, monkeypatch):
    def nobody_waits(event, requests):
        kinds = [{**kind, "waiting": 0} for kind in event["ticketTypes"]]
        return allocate({**event, "ticketTypes": kinds}, requests)

    allocate = inventory_rules.allocate
    playing = sold_out(machine)
    playing.wait(user=PEOPLE[2], quantity=4)
    monkeypatch.setattr(waitlist_offers, "serve_waiting", lambda *_: 0)  # not just yet
    playing.cancel(user=PEOPLE[0])
    assert kit.amounts(playing.context.db, playing.event) == (3, 0, 3, 1)
    playing.book(user=PEOPLE[3], quantity=1, hold=False, mode="reject")
    monkeypatch.setattr(inventory_store, "_type_guards", lambda *_: {})
    monkeypatch.setattr(inventory_rules, "allocate", nobody_waits)
    with pytest.raises(AssertionError):
        playing.book(user=PEOPLE[3], quantity=1, hold=False, mode="reject")
