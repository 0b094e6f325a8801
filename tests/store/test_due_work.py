"""An item of due work that fails delays no other, whatever the work is."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from eventapp.bookings import event_closing, recovery, waitlist_offers
from eventapp.bookings import notifications as booking_notifications
from eventapp.core.clock import utc_now
from eventapp.due_work import rules, service, store
from eventapp.events import timekeeping
from eventapp.jobs import service as jobs
from eventapp.messages import store as messages_store
from eventapp.notifications import outbox
from tests.bookings_factories import Caller, context_of, event_of, later, stock_of
from tests.factories import day

OLD = timedelta(minutes=1)
# The limits of one run, by the module that has them.
LIMITS = (
    (recovery, "MAX_PER_RUN"),
    (waitlist_offers, "MAX_HOLDS_PER_RUN"),
    (waitlist_offers, "MAX_EVENTS_PER_RUN"),
    (event_closing, "MAX_EVENTS_PER_RUN"),
    (timekeeping, "MAX_COMPLETED"),
    (outbox, "BATCH_SIZE"),
    (booking_notifications, "BATCH_SIZE"),
    (booking_notifications, "MAX_BATCHES"),
)


class World:
    """Events 1 and 2 with a buyer each. Something of event 1 is broken, and is due first."""

    def __init__(self, app, db, client):
        self.app, self.db = app, db
        self.ann, self.bob = Caller(client, app), Caller(client, app)
        self.host = Caller(client, app, "organizer")

    def add_events(self, *quantities, **changes):
        for _event in range(2):
            event_of(self.db, *quantities, organizer_id=self.host.id, **changes)

    def book_both(self, **body):
        return [self.ann.book(1, 2, **body), self.bob.book(2, 2, **body)]

    def break_booking(self, number, **fields):
        """Remove fields of the booking of one event, as an old version or a hand may have."""
        self.db.bookings.update_one({"eventId": number}, {"$unset": fields})


@pytest.fixture
def world(app, db, client):
    return World(app, db, client)


def booked_without_a_currency(world):
    world.add_events(5)
    world.book_both()
    world.break_booking(1, currency="")
    return lambda: world.db.mails.count_documents({"userId": world.bob.id}) == 1


def moved_with_a_booking_without_a_currency(world):
    world.add_events(5)
    world.book_both()
    world.ann.book(2, 1)
    world.db.bookings.update_many({}, {"$unset": {"tell": "", "tellAt": ""}})
    for number in (1, 2):
        change = {"date": day(9)}
        answer = world.host.call("PATCH", f"/events/{number}/schedule/0", change)
        assert answer.status_code == 200
    world.db.bookings.update_many({"userId": world.ann.id}, {"$unset": {"currency": ""}})
    return lambda: world.db.mails.count_documents({"userId": world.bob.id}) == 1


def cancelled_with_a_broken_move(world):
    world.add_events(5)
    for number, booking in enumerate(world.book_both(), 1):
        move = {"key": f"give-{booking['_id']}", "reason": "cancelled"}
        move["changes"] = [[1, {"availableTickets": 2, "soldTickets": -2}]] if number == 2 else None
        ended = {"status": "cancelled", "active": False, "restock": "due", "due": move}
        ended["updatedAt"] = utc_now() - OLD * (3 - number)
        world.db.bookings.update_one({"eventId": number}, {"$set": ended})
    return lambda: stock_of(world.db, 2) == (5, 0, 0, 0)


def left_with_a_broken_entry(world):
    world.add_events(0)
    for number, person in enumerate((world.ann, world.bob), 1):
        person.wait(number, 1)
        ended = {"active": False, "status": "left", "restock": "due"}
        ended["updatedAt"] = utc_now() - OLD * (3 - number)
        world.db.waitlist.update_one({"eventId": number}, {"$set": ended})
    world.db.waitlist.update_one({"eventId": 1}, {"$unset": {"ticketTypeId": ""}})
    return lambda: stock_of(world.db, 2)[3] == 0


def claimed_with_a_broken_entry(world):
    world.add_events(0)
    for number, person in enumerate((world.ann, world.bob), 1):
        person.wait(number, 1)
        claim = {"bookingId": ObjectId(), "at": utc_now() - OLD * (3 - number)}
        world.db.waitlist.update_one({"eventId": number}, {"$set": {"offering": claim}})
    world.db.waitlist.update_one({"eventId": 1}, {"$unset": {"offering.bookingId": ""}})
    return lambda: "offering" not in world.db.waitlist.find_one({"eventId": 2})


def in_flight_entry(world, number, key, age):
    at = utc_now() - age
    entry = {"kind": "take", "items": [[1, 1]], "held": False, "by": "", "at": at}
    counts = {"ticketTypes.0.availableTickets": -1, "ticketTypes.0.soldTickets": 1}
    counts["cells.0.1.sold"] = 1
    update = {"$set": {f"inFlight.{key}": entry}, "$min": {"marksSince": at}}
    update["$inc"] = {**counts, "available": -1, "rev": 1}
    world.db.events.update_one({"eventId": number}, update)


def died_with_a_broken_entry(world):
    world.add_events(5)
    in_flight_entry(world, 1, "not-an-id", OLD * 3)
    in_flight_entry(world, 1, ObjectId(), OLD * 2)
    in_flight_entry(world, 2, ObjectId(), OLD)
    return lambda: [stock_of(world.db, number)[0] for number in (1, 2)] == [4, 5]


def held_without_items(world):
    world.add_events(5)
    world.book_both(hold=True)
    for number in (1, 2):
        ended = {"$set": {"expiresAt": utc_now() - OLD * (3 - number)}}
        world.db.bookings.update_one({"eventId": number}, ended)
    world.break_booking(1, items="")
    return lambda: stock_of(world.db, 2) == (5, 0, 0, 0)


def waiting_with_a_broken_entry(world):
    world.add_events(0)
    world.ann.wait(1, 1)
    world.bob.wait(2, 1)
    more = {"ticketTypes.0.availableTickets": 1, "ticketTypes.0.capacity": 1, "available": 1}
    world.db.events.update_many({}, {"$inc": more})
    world.db.waitlist.update_one({"eventId": 1}, {"$unset": {"quantity": ""}})
    return lambda: len(world.bob.offers()) == 1


def closing_with_a_broken_booking(world):
    world.add_events(5)
    world.bob.book(1, 1)
    world.book_both()
    for number in (1, 2):
        fields = {"status": "cancelled", "listed": False, "closing": utc_now() - OLD * (3 - number)}
        world.db.events.update_one({"eventId": number}, {"$set": fields})
    world.db.bookings.update_one({"userId": world.ann.id}, {"$unset": {"items": ""}})

    def is_done():
        assert "closing" in world.db.events.find_one({"eventId": 1})
        return [stock_of(world.db, number)[:2] for number in (1, 2)] == [(3, 2), (5, 0)]

    return is_done


def closing_without_in_flight_entries(world):
    world.add_events(5)
    world.book_both()
    for number in (1, 2):
        fields = {"status": "cancelled", "listed": False, "closing": utc_now() - OLD * (3 - number)}
        world.db.events.update_one({"eventId": number}, {"$set": fields})
    world.db.events.update_one({"eventId": 1}, {"$unset": {"inFlight": ""}})
    return lambda: stock_of(world.db, 2) == (5, 0, 0, 0)


def past_without_a_revision(world):
    world.add_events(5, schedule=[{"date": day(-2), "location": "X"}])
    world.db.events.update_one({"eventId": 1}, {"$unset": {"rev": ""}})
    return lambda: world.db.events.find_one({"eventId": 2})["status"] == "completed"


def over_with_a_broken_entry(world):
    world.add_events(0)
    world.ann.wait(1, 1)
    world.bob.wait(2, 1)
    world.db.events.update_many({}, {"$set": {"status": "completed", "listed": False}})
    world.db.waitlist.update_one({"eventId": 1}, {"$unset": {"ticketTypeId": ""}})
    return lambda: world.bob.waitlist_entries() == []


def mail_without_a_kind(world):
    world.add_events(5)
    world.book_both()
    for _batch in range(2):
        booking_notifications.notify_holders(context_of(world.app), utc_now())
    mail = {"$unset": {"kind": ""}, "$set": {"nextTryAt": utc_now() - OLD}}
    world.db.mails.update_one({"userId": world.ann.id}, mail)
    return lambda: world.db.mails.find_one({"userId": world.bob.id})["status"] == "logged"


def few_tickets_without_a_title(world):
    world.add_events(10)
    for number in (1, 2):
        assert world.bob.call("POST", "/favorites", {"eventId": number}).status_code == 201
        world.ann.book(number, 9)
    world.db.events.update_one({"eventId": 1}, {"$unset": {"title": ""}})
    key = {"kind": "low_tickets", "data.eventId": 2}
    return lambda: world.db.notifications.count_documents(key) == 1


def next_date_without_a_schedule(world):
    dates = [{"date": day(-2), "location": "X"}, {"date": day(4), "location": "Y"}]
    world.add_events(5, schedule=dates)
    past = world.db.events.find_one({"eventId": 1})["schedule"][0]["date"]
    world.db.events.update_many({}, {"$set": {"nextDate": past}})
    world.db.events.update_one({"eventId": 1}, {"$unset": {"schedule": ""}})
    found = world.db.events
    return lambda: found.find_one({"eventId": 2})["nextDate"].date().isoformat() == day(4)


@dataclass(frozen=True)
class Case:
    """A job, what it meets, and the name of the work that fails."""

    job: str
    prepare: object
    kind: str


CASES = (
    Case("tell", booked_without_a_currency, "notification"),
    Case("tell", moved_with_a_booking_without_a_currency, "schedule change of booking"),
    Case("settle", cancelled_with_a_broken_move, "stock move"),
    Case("settle", left_with_a_broken_entry, "waitlist leave"),
    Case("settle", claimed_with_a_broken_entry, "offer claim"),
    Case("settle", died_with_a_broken_entry, "in-flight entry"),
    Case("expire-holds", held_without_items, "expired hold"),
    Case("serve-waiting", waiting_with_a_broken_entry, "offer"),
    Case("close-cancelled", closing_with_a_broken_booking, "booking of a cancelled event"),
    Case("close-cancelled", closing_without_in_flight_entries, "event closing"),
    Case("complete-past", past_without_a_revision, "completion"),
    Case("complete-past", over_with_a_broken_entry, "waitlist closing"),
    Case("mail", mail_without_a_kind, "mail"),
    Case("low-tickets", few_tickets_without_a_title, "low-ticket alert"),
    Case("roll-day", next_date_without_a_schedule, "next date"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_an_item_that_fails_delays_no_other_and_is_listed(app, world, client, admin, case):
    is_done = case.prepare(world)
    assert not is_done()
    jobs.run_job(case.job, context_of(app))
    assert is_done()
    health = client.get("/api/admin/health", headers=admin["headers"]).json
    failed = {item["kind"]: item for item in health["failedWork"]["items"]}
    assert case.kind in failed
    assert failed[case.kind]["attempts"] == 1
    assert failed[case.kind]["error"]
    assert health["failedWork"]["setAside"] == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_an_item_that_fails_does_not_fill_every_batch(app, world, monkeypatch, case):
    """One run handles one item, and the one that fails is due first."""
    for module, name in LIMITS:
        monkeypatch.setattr(module, name, 1)
    is_done = case.prepare(world)
    for _run in range(3):
        jobs.run_job(case.job, context_of(app))
    assert is_done()


def test_an_orphaned_chat_that_cannot_be_deleted_delays_no_other(app, world, monkeypatch):
    world.add_events(5)
    for number in (1, 2):
        path = f"/events/{number}/messages"
        assert world.ann.call("POST", path, {"text": "hello"}).status_code == 201
    world.db.events.delete_many({})
    delete = messages_store.delete_chat

    def refuse_the_first(db, event_id):
        if event_id == 1:
            raise ConnectionError
        delete(db, event_id)

    monkeypatch.setattr(messages_store, "delete_chat", refuse_the_first)
    assert jobs.run_job("chats", context_of(app)) == 1
    assert {message["eventId"] for message in world.db.messages.find()} == {1}


# The runner itself.


class Items:
    """Due items of a test: those of `broken` raise an error when they are handled."""

    def __init__(self, db, *keys, broken=()):
        self.db, self.due, self.broken, self.calls = db, list(keys), set(broken), []

    def handle(self, key):
        self.calls.append(key)
        if key in self.broken:
            raise ConnectionError("the provider: 502")
        self.due.remove(key)
        return 1

    def find(self, limit, without):
        return [key for key in self.due if key not in without][:limit]

    def run(self, now, **options):
        return service.process_due(
            self.db,
            "test",
            now,
            find=self.find,
            limit=10,
            get_key=lambda key: key,
            handle=self.handle,
            **options,
        )


def test_a_failed_item_waits_longer_each_time_and_is_then_set_aside(db):
    items, now = Items(db, 1, 2, broken=[1]), utc_now()
    for attempt in range(1, rules.MAX_ATTEMPTS + 1):
        items.run(now)
        (record,) = store.find_last(db, 10)
        assert (record["key"], record["attempts"]) == (1, attempt)
        assert record["error"] == "ConnectionError: the provider: 502"
        calls = len(items.calls)
        items.run(record["nextAttemptAt"] - timedelta(seconds=1))
        assert len(items.calls) == calls
        now = record["nextAttemptAt"] + timedelta(seconds=1)
    assert record["setAsideAt"] is not None
    assert service.get_failed_work(db)["setAside"] == 1
    assert record["nextAttemptAt"] - record["lastFailedAt"] == rules.SET_ASIDE_PAUSE


def test_a_success_removes_the_record(db):
    items = Items(db, 1, broken=[1])
    items.run(utc_now())
    items.broken.clear()
    assert items.run(later(minutes=1)) == 1
    assert service.get_failed_work(db) == {"retrying": 0, "setAside": 0, "items": []}


def test_the_record_of_an_item_that_was_handled_otherwise_is_removed(db):
    items = Items(db, 1, broken=[1])
    items.run(utc_now())
    items.due.clear()
    items.run(later(minutes=1))
    assert service.get_failed_work(db)["items"] == []


def test_set_aside_items_can_be_retried_at_once(db):
    items = Items(db, 1, broken=[1])
    items.run(utc_now())
    assert service.retry_all(db, utc_now()) == 1
    items.run(later(seconds=1))
    assert items.calls == [1, 1]


def test_items_are_handled_together_and_one_by_one_only_if_that_fails(db):
    batches = []

    def handle_together(batch):
        batches.append(list(batch))
        if items.broken.intersection(batch):
            raise ConnectionError
        items.due.clear()
        return len(batch)

    items = Items(db, 1, 2, 3, broken=[2])
    assert items.run(utc_now(), handle_together=handle_together) == 2
    assert items.calls == [1, 2, 3]
    items.broken.clear()
    items.due += [4, 5]
    assert items.run(later(seconds=1), handle_together=handle_together) == 2
    assert items.calls == [1, 2, 3]
    assert batches == [[1, 2, 3], [4, 5]]


def test_an_unavailable_database_ends_the_run_and_counts_no_attempt(db, monkeypatch):
    def fail(*_arguments, **_options):
        raise AutoReconnect

    items = Items(db, 1, 2)
    monkeypatch.setattr(items, "handle", fail)
    with monkeypatch.context() as patch:
        patch.setattr(store, "count_failure", fail)
        with pytest.raises(AutoReconnect):
            items.run(utc_now())
    assert service.get_failed_work(db)["items"] == []


def test_what_fails_in_a_request_is_left_to_the_worker(db):
    items = Items(db, 1, 2, broken=[1])
    assert not service.process_now(db, "test", 1, items.handle)
    assert service.process_now(db, "test", 2, items.handle)
    items.broken.clear()
    assert items.run(later(minutes=1)) == 1
    assert service.get_failed_work(db)["items"] == []


def test_a_request_does_not_ask_a_database_again_that_has_not_answered(db, monkeypatch):
    def fail(*_args):
        raise AutoReconnect

    monkeypatch.setattr(store, "count_failure", fail)
    assert not service.process_now(db, "test", 1, fail)
