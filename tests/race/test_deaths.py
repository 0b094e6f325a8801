"""Processes that die at any step leave nothing that the next one does not finish.

`tests/crash` kills servers at each step of a request. Here workers die at each step of their jobs.
The event has two dates, a quota, a promo code and a waitlist. Servers have died in the middle of a
sale, of a payment and of cancellations, holds have expired, and the date was moved. Each worker
dies at the first step at which none has died before. In the end everything is as it should be.
"""

import re
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import (
    event_closing,
    event_transfer,
    offer_answers,
    partial_cancellations,
    transitions,
    waitlist_offers,
)
from eventapp.bookings.errors import PaymentUnderWay
from eventapp.config import ROOT
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.events import editing, quota_editing
from eventapp.events.schedules import UTC_ZONE
from eventapp.jobs import service as jobs
from eventapp.payments.providers import Providers
from eventapp.promotions import service as promotions
from tests import factories
from tests.bookings_factories import RecordingProvider, confirm_booking
from tests.crash.test_killed_processes import FAILPOINTS as SERVER_STEPS
from tests.race import kit

# The steps at which workers die.
STEPS = {
    *("undo", "move", "move-recorded", "refund", "refund-recorded", "end"),
    *("offer-claim", "offer-take", "offer-record", "offered"),
    *("notified", "moves-notified", "mail-claim", "mail-sent", "ledger-appended"),
    *("record", "report-begun", "reported", "queue-move"),
    *("provider-answered", "late-payment", "late-refund"),
}
LATER = timedelta(hours=1)
# What a dead worker has begun is finished a minute later, so each death at an offer takes a round.
MAX_ROUNDS = 12


class Died(BaseException):
    """Ends a process as `kill -9` does: no handler catches it."""


@contextmanager
def dying_at(step):
    """Let this process die at a step; fail if it does not pass it."""

    def die(passed):
        if passed == step:
            raise Died

    set_failpoint_hook(die)
    try:
        with pytest.raises(Died):
            yield
    finally:
        set_failpoint_hook(None)


class World:
    """Events with all kinds of work that dead processes have left.

    Attributes:
        context: the context of a process that begins with nothing cached.
    """

    def __init__(self, app, context):
        self._app, self.context = app, kit.another_process(context)
        self.context.payments = Providers(RecordingProvider())
        self.context.ticket_attachments = lambda *_: ([], ())
        db = self.context.db
        self.event = factories.make_event(
            db,
            ticketTypes=[{"type": n, "price": 20, "availableTickets": 12} for n in "AB"],
            schedule=[{"date": factories.day(n), "location": "Hall"} for n in (30, 60)],
        )
        quota = {"name": "Hall", "capacity": 14, "scheduleIds": [1]}
        kit.edit(db, self.event, quota_editing.make_quota_addition(quota))
        code = {"code": "Spring", "kind": "percent", "value": 50, "maxUses": 4}
        promotions.create_promo_code(db, self.event["eventId"], kit.ADMIN, code, utc_now())
        self._leave_work()

    def _leave_work(self):
        context, cancel = self.context, transitions.cancel_booking
        with dying_at("take"):
            self._book(2, code="spring")
        with dying_at("provider-answered"):  # The money comes, and the hold will expire.
            self._pay(self._book(1, hold=True))
        self._book(1, hold=True, code="spring")  # It will expire.
        paid, ended = self._buy(3, code="spring"), self._buy(2)
        self._buy(3)
        self._buy(2, type_id=2)
        for _ in range(3):  # Nothing is left of the type, nor of the quota.
            self._book(1, on_shortfall="waitlist")
        with dying_at("part"):
            actor = self._actor_of(paid)
            part = partial_cancellations.read_request(
                {"items": [{"ticketTypeId": 1, "quantity": 1}]}, None, actor
            )
            partial_cancellations.cancel_tickets(context, paid, part, actor, utc_now())
        with dying_at("end"):
            cancel(context, ended, self._actor_of(ended), utc_now())
        move = editing.make_entry_patch(0, {"location": "Tent"}, UTC_ZONE)
        kit.edit(context.db, self.event, move)
        other = factories.make_event(context.db)
        for _ in range(2):
            self._pay(kit.booking_id(kit.book(context, other, user=self._make_user(), hold=True)))
        with dying_at("end"):
            event_closing.cancel_event(
                context, other["eventId"], kit.ADMIN, now=utc_now(), image_base_url=""
            )

        self._lack_another_stock()

    def _lack_another_stock(self):
        """Let a user wait for a type of which a ticket returns, while the quota has no place."""
        context, user = self.context, self._make_user()
        event = factories.make_event(
            context.db,
            ticketTypes=[{"type": "A", "price": 0, "availableTickets": 2}],
            schedule=[{"date": factories.day(n), "location": "Stage"} for n in (30, 60)],
        )
        quota = {"name": "Stage", "capacity": 1, "scheduleIds": [1]}
        kit.edit(context.db, event, quota_editing.make_quota_addition(quota))
        kit.book(context, event, user=self._make_user())
        other = kit.booking_id(kit.book(context, event, user=user, schedule_id=2))
        kit.book(context, event, user=self._make_user(), on_shortfall="waitlist")
        with dying_at("end"):
            transitions.cancel_booking(context, other, kit.attendee(user), utc_now())

    def _make_user(self):
        return factories.make_user(self._app)["id"]

    def _book(self, quantity, type_id=1, code=None, **order):
        order |= {"items": ((type_id, None, quantity),), "user": self._make_user()}
        answer = kit.book(self.context, self.event, promo_code=code, **order)
        return "booking" in answer.data and kit.booking_id(answer)

    def _actor_of(self, booking_id):
        booking = self.context.db.bookings.find_one({"_id": booking_id})
        return kit.attendee(booking["userId"])

    def _pay(self, booking_id):
        actor = self._actor_of(booking_id)
        confirm_booking(self.context, booking_id, actor, utc_now())
        return booking_id

    def _buy(self, quantity, **order):
        return self._pay(self._book(quantity, hold=True, **order))

    def summarize(self):
        """Return what users and the organizer have in the end."""
        db = self.context.db
        event = db.events.find_one({"eventId": self.event["eventId"]})
        return {
            "stock": [kit.stock_counters(db, self.event, index) for index in range(2)],
            "places": event["quotas"][0]["availableTickets"],
            "uses": event["promoCodes"]["spring"]["used"],
            "bookings": Counter(
                (each["status"], each["quantity"], each["location"])
                for each in db.bookings.find({"void": {"$ne": True}})
            ),
            "waiting": Counter(each["status"] for each in db.waitlist.find({})),
            "moved": db.events.find_one({"quotas.name": "Stage"})["quotas"][0]["waiting"],
            "balance": self.context.payments.current.balance,
            "notifications": Counter(each["kind"] for each in db.notifications.find({})),
            "mails": Counter(each["kind"] for each in db.mails.find({"status": "logged"})),
        }


MESSAGES = {
    "booking_confirmed": 8,
    "booking_expired": 5,
    "event_changed": 3,
    "event_cancelled": 2,
    "tickets_cancelled": 1,
    "booking_cancelled": 2,
    "payment_refunded": 1,
    "waitlist_offer": 3,
}
RESULT = {
    "stock": [(7, 0, 5, 0), (10, 0, 2, 0)],
    "places": 14 - 7,
    "uses": 1,
    "bookings": {
        ("confirmed", 2, "Tent"): 2,
        ("confirmed", 3, "Tent"): 1,
        ("expired", 1, "Tent"): 2 + 3,  # two holds and three offers
        ("cancelled", 2, "Hall"): 1,
        ("cancelled", 1, "Volos"): 2,
        ("confirmed", 1, "Stage"): 1,
        ("cancelled", 1, "Stage"): 1,
    },
    "waiting": {"offered": 3, "waiting": 1},
    "moved": 1,
    "balance": 2 * 1000 + (3 + 2) * 2000,
    "notifications": MESSAGES,
    "mails": MESSAGES,
}


def work(world, hook=None, without=()):
    """Let workers run the jobs in the course of some hours; a worker that dies gets a successor."""
    set_failpoint_hook(hook)
    try:
        for minutes in (*range(MAX_ROUNDS if hook else 2), 45, 90):
            while not _run_jobs(world, utc_now() + LATER + timedelta(minutes=minutes), without):
                pass
    finally:
        set_failpoint_hook(None)


def _run_jobs(world, now, without):
    """Run each job once in a new process; return False if it has died."""
    worker = kit.another_process(world.context)
    worker.ticket_attachments = world.context.ticket_attachments
    try:
        for name in [each for each in jobs.JOBS if each not in without]:
            jobs.JOBS[name].function(worker, now)
    except Died:
        return False
    return True


def die_once_at_each_step(died):
    """Return a hook that kills the first process that passes a step and adds the step to `died`."""

    def die(step):
        if step not in died:
            died.add(step)
            raise Died

    return die


@pytest.fixture
def world(app, context):
    return World(app, context)


def test_after_deaths_at_every_step_everything_is_done_once(world):
    died = set()
    work(world, die_once_at_each_step(died))
    assert died >= STEPS
    assert world.summarize() == RESULT
    kit.assert_consistent(world.context, utc_now() + 4 * LATER)


def test_workers_that_do_not_die_do_the_same(world):
    work(world)
    assert world.summarize() == RESULT


@pytest.mark.parametrize("job", ["settle", "refunds", "tell", "mail"])
def test_control_without_a_job_something_is_missing(world, job):
    work(world, without=[job])
    assert world.summarize() != RESULT


# Steps that neither a load of users nor this worker passes.


def test_a_partial_acceptance_that_dies_is_repeated(app, context):
    context.payments = Providers(RecordingProvider())
    event = factories.make_event(
        context.db, ticketTypes=[{"type": "A", "price": 20, "availableTickets": 3}]
    )
    first, user = ObjectId(), ObjectId()
    sold = kit.booking_id(kit.book(context, event, 3, user=first, hold=True))
    confirm_booking(context, sold, kit.attendee(first), utc_now())
    kit.book(context, event, 3, user=user, on_shortfall="waitlist")
    waitlist_offers.cancel_and_offer(context, sold, kit.attendee(first), utc_now())

    def accept(quantity, minutes=0):
        now = utc_now() + timedelta(minutes=minutes)
        actor, event_id = kit.attendee(user), event["eventId"]
        return offer_answers.accept_offer(context, event_id, actor, quantity, now).booking

    with dying_at("move"):  # It gives back a ticket.
        accept(2)
    with dying_at("attempt-begun"):
        accept(2)
    with dying_at("provider-answered"):
        accept(2)
    assert context.payments.current.balance == 4000
    with pytest.raises(PaymentUnderWay):
        accept(1, minutes=1)
    kit.run_all_jobs(context, utc_now() + timedelta(minutes=3))
    (booking,) = context.db.bookings.find({"userId": user})
    assert (booking["status"], booking["quantity"]) == ("confirmed", 2)
    assert context.payments.current.balance == 4000
    kit.assert_consistent(context)


def test_a_transfer_of_events_that_dies_is_repeated(app, context):
    old_id, new_id = (factories.make_user(app, "organizer")["id"] for _ in range(2))
    events = [factories.make_event(context.db, organizer_id=old_id) for _ in range(2)]
    for event in events:
        kit.book(context, event)
    transfer = partial(event_transfer.transfer_all_events, context, old_id, new_id, utc_now())
    with dying_at("bookings-transferred"):
        transfer()
    transfer()
    for collection in (context.db.events, context.db.bookings):
        assert collection.distinct("organizerId") == [new_id]
    kit.assert_consistent(context)


# Processes die at these in `tests/http/test_recovery.py`.
OF_ACCOUNTS = {"mail-token-issued", "token-mail-queued", "password-reset"}
OF_ACCOUNTS |= {"reset-sessions-ended", "reset-told", "password-changed"}
# These are in `tests/http/test_email_changes.py` and `tests/http/test_email_voids.py`.
OF_ACCOUNTS |= {"email-token-issued", "email-change-mail-queued", "email-changed"}
OF_ACCOUNTS |= {"void-link-used", "email-restored", "void-sessions-ended"}
# This is in `tests/http/test_team_members.py`.
OF_ACCOUNTS |= {"invitation-mail-queued"}
# The others are in `tests/race/test_event_deletion.py` and in the two tests before.
ELSEWHERE = {"deletion-recorded", "deletion", "deletion-recorded-again"}
ELSEWHERE |= {"bookings-transferred"}
# These are in `tests/race/test_payment_deaths.py`.
ELSEWHERE |= {"retake", "retake-confirmed"}
# These are in `tests/race/test_announcements_race.py`.
ELSEWHERE |= {"announcement-claimed", "announced", "announcement-advanced"}
# This is in `tests/race/test_receipts_race.py`.
ELSEWHERE |= {"receipt"}
# These are in `tests/race/test_event_log_deaths.py`.
ELSEWHERE |= {"log-noted", "log-copied", "event-duplicated"}
ELSEWHERE |= {"announcement-noted", "announcement-logged"}
# These are in `tests/race/test_webhooks_race.py`.
ELSEWHERE |= {"webhook-facts-begun", "webhook-deleted", "webhook-disabled"}
ELSEWHERE |= {"webhook-deliveries-inserted", "webhook-deliveries-stored"}
ELSEWHERE |= {"webhook-claimed", "webhook-attempt-begun", "webhook-sent"}
ELSEWHERE |= {"webhook-owner-notified"}


def test_a_process_dies_at_every_failpoint():
    texts = [path.read_text() for path in (ROOT / "eventapp").rglob("*.py")]
    names = {name for text in texts for name in re.findall(r'failpoint\("([^"]+)"\)', text)}
    assert names == STEPS | set(SERVER_STEPS) | OF_ACCOUNTS | ELSEWHERE
