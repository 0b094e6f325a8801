"""A client that applies the answers of `GET /events/changes` has the server's list.

Events are created, edited, sold, withdrawn, published, deleted and restored at random, and
processes die while they delete, while clients begin and go on at any moment. The test has a clock
of its own: it replaces the times that the database has set. So a write may become visible up to
10 s after its time. The controls shorten the overlap, or break another rule of the protocol, and
the same steps then find a client that misses a change.
"""

import contextlib
import os
import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from eventapp.bookings import event_closing
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.events import editing, public_changes, store_changes, store_deletions
from eventapp.events import store as events_store
from tests import factories
from tests.conftest import MONGO_URI, empty_database, needs_no_server
from tests.race import kit

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "6" if MONGO_URI else "40"))
# The clock of the test begins this long ago. A database would delete older records of deletions.
AGO = timedelta(days=20)
TIME_FIELDS = (("events", "changedAt"), ("events", "publicUntil"), ("goneEvents", "changedAt"))
CLIENTS = 3
LIMIT = 2
DELETION_STEPS = ("deletion-recorded", "deletion", "deletion-recorded-again", None)
# Weights of the steps.
STEPS = {
    "create": 3,
    "retitle": 3,
    "sell": 3,
    "withdraw": 3,
    "publish": 3,
    "delete": 3,
    "restore": 1,
    "work": 1,
    "poll": 8,
    "begin": 2,
}
# A step is its name, two numbers that choose the event or the client and how, the seconds after its
# time at which a write is visible, and the seconds until the next step.
CHOICES = (
    [name for name, weight in STEPS.items() for _ in range(weight)],
    range(100),
    range(100),
    (0, 0, 1, 4, 9.9),
    (0, 0.001, 1, 5, 12),
)
steps = st.tuples(*(st.sampled_from(choices) for choices in CHOICES))
MAX_CONTROLS = 300


def make_step(numbers):
    return tuple(numbers.choice(choices) for choices in CHOICES)


class Killed(BaseException):
    """Stands for the death of the process."""


class Client:
    """A client that keeps a copy of the list."""

    def __init__(self):
        self.cursor, self.events = None, {}

    def poll(self, db, now):
        """Ask once, and apply the answer; return whether there is more."""
        answer = public_changes.list_changes(
            db, self.cursor, limit=LIMIT, now=now, image_base_url=""
        )
        ids = [event["eventId"] for event in answer["events"]]
        named = [*ids, *answer["deletedEventIds"]]
        assert len(named) == len(set(named)) <= LIMIT
        self.events |= {event["eventId"]: event for event in answer["events"]}
        for event_id in answer["deletedEventIds"]:
            self.events.pop(event_id, None)
        self.cursor = answer["nextCursor"]
        return answer["hasMore"]


class World:
    """A database with a clock of its own, and clients."""

    def __init__(self, context):
        self.context, self.db = context, context.db
        start = utc_now().replace(microsecond=0) - AGO
        self.now, self.set_by_database = start, {"$gt": start + AGO / 2}
        empty_database(self.db)
        self.clients = [Client() for _ in range(CLIENTS)]
        self.deleted = []

    def take(self, step):
        name, which, how, late, pause = step
        with contextlib.suppress(AppError):  # An edit of a cancelled event is refused.
            getattr(self, name)(which, how)
        self.set_times(self.now - timedelta(seconds=late))
        self.now += timedelta(seconds=pause)

    def set_times(self, moment):
        """Replace the times that the database has set since the last call."""
        for collection, field in TIME_FIELDS:
            where = {field: self.set_by_database}
            self.db[collection].update_many(where, {"$set": {field: moment}})

    def choose(self, which):
        ids = sorted(event["eventId"] for event in self.db.events.find({}, {"eventId": 1}))
        return ids[which % len(ids)] if ids else None

    # What happens on the server.

    def create(self, _which, how):
        status = "draft" if how % 3 == 0 else "published"
        factories.make_event(self.db, title=f"Event {how}", status=status)

    def edit(self, which, change):
        if event_id := self.choose(which):
            kit.edit(self.db, {"eventId": event_id}, change)

    def retitle(self, which, how):
        self.edit(which, lambda _event: {"title": f"Title {how}"})

    def withdraw(self, which, how):
        """Make the event a draft, cancel it, or hide all of its ticket types."""
        changes = (
            lambda _event: {"status": "draft"},
            editing.make_cancellation(utc_now()),
            editing.make_type_patch(1, {"visibility": "hidden"}),
        )
        self.edit(which, changes[how % 3])

    def publish(self, which, how):
        changes = (editing.make_publication(), editing.make_type_patch(1, {"visibility": None}))
        self.edit(which, changes[how % 2])

    def sell(self, which, how):
        if event_id := self.choose(which):
            kit.book(self.context, {"eventId": event_id}, 1 + how % 3)

    def delete(self, which, how):
        """Delete an event. The process may die at one of the steps."""
        step = DELETION_STEPS[how % len(DELETION_STEPS)]

        def pass_step(name):
            if how % 3 == 0 and name in DELETION_STEPS:
                self.ask_all()
            if name == step:
                raise Killed

        event = self.db.events.find_one({"eventId": self.choose(which)})
        if event is None:
            return
        set_failpoint_hook(pass_step)
        try:
            event_closing.delete_event(self.context, event["eventId"], kit.ADMIN, utc_now())
        except Killed:
            pass
        finally:
            set_failpoint_hook(None)
        if not self.db.events.find_one({"eventId": event["eventId"]}):
            self.deleted.append(event)

    def restore(self, which, _how):
        """Insert a deleted event again, as it was."""
        if self.deleted:
            event = self.deleted.pop(which % len(self.deleted))
            events_store.insert_many(self.db, [event])

    def work(self, _which=0, _how=0):
        """Finish or revoke the deletions that were begun."""
        event_closing.close_deleted_events(self.context, utc_now() + kit.AFTER_ABANDONMENT)

    # What clients do.

    def poll(self, which, _how):
        self.clients[which % CLIENTS].poll(self.db, self.now)

    def ask_all(self):
        """Let every client ask until its next round begins after everything that was written."""
        self.set_times(self.now)
        for _attempt in range(3):
            for client in self.clients:
                client.poll(self.db, self.now)
            self.now += 2 * public_changes.OVERLAP

    def begin(self, which, _how):
        self.clients[which % CLIENTS] = Client()

    def find_wrong_clients(self):
        """Return the clients that do not have the server's list once all is quiet."""
        self.work()
        self.set_times(self.now)
        self.now += timedelta(seconds=11)
        public = self.db.events.find({"public": True})
        expected = {event["eventId"]: public_changes.present_change(event, "") for event in public}
        for client in self.clients:
            for _attempt in range(200):
                if not client.poll(self.db, self.now):
                    break
            else:
                raise AssertionError("there is always more")
        return [client for client in self.clients if client.events != expected]


def run(context, taken):
    """Take the steps in an empty database, and return the clients that are wrong in the end."""
    world = World(context)
    for step in taken:
        world.take(step)
    wrong = world.find_wrong_clients()
    # Steps bring events back without their bookings, so their tickets need not add up.
    empty_database(world.db)
    return wrong


@settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(steps, min_size=10, max_size=60))
def test_a_client_has_the_list_from_any_moment(context, taken):
    assert run(context, taken) == []


# Controls.


def shorten_overlap(patch):
    patch.setattr(public_changes, "OVERLAP", timedelta(0))


def forget_source(number):
    def forget(patch):
        sources = list(store_changes._SOURCES)
        del sources[number]
        patch.setattr(store_changes, "_SOURCES", sources)

    return forget


def follow_from_the_last_answer(patch):
    """Let a round begin 10 s before the last answer, although the walk or round took longer."""
    list_changes, render = public_changes.list_changes, public_changes.render_position
    asked_at = []

    def list_and_note(db, cursor, *, now, **options):
        asked_at.append(now)
        return list_changes(db, cursor, now=now, **options)

    def render_later(position):
        if position.walked_to is None and position.after.event_id == 0:
            after = store_changes.ChangeKey(asked_at[-1] - public_changes.OVERLAP, 0)
            position = public_changes.FeedPosition(after)
        return render(position)

    patch.setattr(public_changes, "list_changes", list_and_note)
    patch.setattr(public_changes, "render_position", render_later)


def record_deletions_once(patch):
    """Let neither the process that deletes nor the worker record what was recorded before."""
    record = store_deletions.record_deletion

    def record_first(db, event_id, revision, **options):
        if db.events.find_one({"eventId": event_id}):
            record(db, event_id, revision, **options)

    patch.setattr(store_deletions, "record_deletion", record_first)
    patch.setattr(
        store_deletions,
        "finish_deletion",
        lambda db, event_id: db.goneEvents.update_one(
            {"_id": event_id}, {"$unset": {"unfinished": ""}}
        ),
    )


def believe_records(patch):
    """Take an event for deleted because a deletion was recorded."""
    find = events_store.find_events

    def find_unrecorded(db, event_ids):
        gone = {each["_id"] for each in db.goneEvents.find({"_id": {"$in": list(event_ids)}})}
        return [event for event in find(db, event_ids) if event["eventId"] not in gone]

    patch.setattr(events_store, "find_events", find_unrecorded)


@needs_no_server
@pytest.mark.parametrize(
    "break_rule",
    [
        shorten_overlap,
        forget_source(0),
        forget_source(1),
        forget_source(2),
        follow_from_the_last_answer,
    ],
    ids=lambda each: each.__name__,
)
def test_the_control_finds_a_client_that_misses_a_change(context, monkeypatch, break_rule):
    break_rule(monkeypatch)
    numbers = random.Random(1)
    for _attempt in range(MAX_CONTROLS):
        if run(context, [make_step(numbers) for _ in range(60)]):
            return
    raise AssertionError("every client has the list")


def delete_between_answers(context, step):
    """Delete an event, and die at a step of the deletion. Clients ask at each step before."""
    world = World(context)
    world.create(0, 1)
    world.ask_all()
    world.delete(0, 9 * DELETION_STEPS.index(step))
    world.ask_all()
    wrong = world.find_wrong_clients()
    empty_database(world.db)
    return wrong


@pytest.mark.parametrize("step", DELETION_STEPS)
def test_a_client_learns_of_a_deletion_that_was_recorded_long_before(context, step):
    assert delete_between_answers(context, step) == []


def test_the_control_misses_a_deletion_that_is_recorded_only_before(context, monkeypatch):
    record_deletions_once(monkeypatch)
    assert delete_between_answers(context, None)


def test_the_control_takes_an_event_for_deleted_whose_deletion_was_only_recorded(
    context, monkeypatch
):
    believe_records(monkeypatch)
    assert delete_between_answers(context, "deletion-recorded")
