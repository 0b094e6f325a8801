"""Each fact is told at least once and in order, whoever works at once and whoever dies over it."""

import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import transitions
from eventapp.core.access.actions import OUTSIDE_REQUESTS
from eventapp.core.access.actor import Actor
from eventapp.core.access.sealing import Sealer
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.events import editing
from eventapp.webhooks import (
    deliveries,
    delivery_lists,
    facts,
    notices,
    rules,
    sending,
    service,
    store,
    store_deliveries,
    transport,
)
from tests.factories import make_event, make_user
from tests.race import kit
from tests.race.test_deaths import Died, die_once_at_each_step, dying_at
from tests.webhooks import ALL_TYPES, DOWN, URL, Receivers, answered

WORKERS, BOOKINGS, MAX_ROUNDS = 4, 6, 40
SEALER = Sealer("x" * 40, service.SEAL_PURPOSE)
MAKING = {"webhook-deliveries-inserted", "webhook-deliveries-stored"}
SENDING = {"webhook-claimed", "webhook-attempt-begun", "webhook-sent"}


@pytest.fixture
def owner(app):
    return Actor(make_user(app, "organizer")["id"], "organizer", action=OUTSIDE_REQUESTS)


@pytest.fixture
def event(db, owner):
    return make_event(
        db,
        organizer_id=owner.user_id,
        ticketTypes=[{"type": "A", "price": 20, "availableTickets": 100}],
    )


@pytest.fixture
def receivers(monkeypatch):
    found = Receivers()
    monkeypatch.setattr(transport, "send", found.send)
    return found


@pytest.fixture
def context(context):
    context.webhook_sealer = SEALER
    return context


def worker_of(context):
    worker = kit.another_process(context)
    worker.webhook_sealer = SEALER
    return worker


def create(db, owner, url=URL):
    body = {"url": url, "events": ALL_TYPES}
    return service.create_webhook(db, owner, body, sealer=SEALER, production=True, now=utc_now())[
        1
    ]["webhookId"]


def change_bookings(app, context, event):
    """Make bookings, cancel each, and edit the event; return how many facts there are."""
    for _ in range(BOOKINGS):
        user_id = make_user(app)["id"]
        id_ = kit.booking_id(kit.book(context, event, user=user_id))
        transitions.cancel_booking(context, id_, kit.attendee(user_id), utc_now())
    kit.edit(context.db, event, editing.make_type_patch(1, {"price": 7}))
    return 3 * BOOKINGS + 1  # confirmed, cancelled and refunded


def find_out_of_order(db):
    """Return the bookings whose deliveries are not numbered in the order of their entries."""
    kinds = defaultdict(list)
    for each in db.webhookDeliveries.find({"holderId": {"$exists": True}}).sort("sequence", 1):
        kinds[each["webhookId"], each["holderId"]].append(each["type"])
    expected = ["booking.confirmed", "booking.cancelled", "booking.refunded"]
    return {key: found for key, found in kinds.items() if found != expected}


def work(context, hook=None, until=None):
    """Let workers make and send what is due, each a lease later; a dead one has a successor."""
    set_failpoint_hook(hook)
    now = utc_now()
    try:
        for _ in range(MAX_ROUNDS):
            worker = worker_of(context)
            with suppress(Died):
                facts.make_deliveries(worker, now)
                sending.send_first_attempts(worker, now)
                sending.send_retries(worker, now)
                notices.notify_owners(worker, now)
                if until is None or until():
                    break
            now += 2 * sending.LEASE
    finally:
        set_failpoint_hook(None)
    return now


def test_workers_that_die_at_every_step_tell_each_fact(app, context, db, owner, event, receivers):
    create(db, owner)
    expected = change_bookings(app, context, event)
    died = set()
    work(context, die_once_at_each_step(died), until=lambda: died >= MAKING | SENDING)
    work(context)
    assert died >= MAKING | SENDING
    stored = list(db.webhookDeliveries.find())
    assert Counter(each["status"] for each in stored) == {"delivered": expected}
    assert not find_out_of_order(db)
    bodies = defaultdict(set)
    for each in receivers.sent:
        bodies[each.id].add(each.body)
    assert bodies.keys() == {each["deliveryId"] for each in stored}
    assert all(len(each) == 1 for each in bodies.values())
    # Nothing is left to do.
    assert db.eventLog.count_documents({"untold": True}) == 0
    assert not db.webhooks.find_one({}).keys() & {"sendDueAt", "claim", "claimedUntil"}


def test_control_with_random_ids_a_death_stores_deliveries_twice(
    app, context, db, owner, event, receivers, monkeypatch
):
    monkeypatch.setattr(rules, "make_delivery_id", lambda *_: str(ObjectId()))
    create(db, owner)
    expected = change_bookings(app, context, event)
    died = set()
    work(context, die_once_at_each_step(died), until=lambda: died >= MAKING)
    work(context)
    assert db.webhookDeliveries.count_documents({}) > expected


def test_workers_at_once_store_each_delivery_once_and_in_order(
    app, context, db, owner, event, monkeypatch
):
    monkeypatch.setattr(facts, "BATCH_SIZE", 3)
    for _ in range(2):
        create(db, owner)
    expected = change_bookings(app, context, event)
    workers = [worker_of(context) for _ in range(WORKERS)]
    now = utc_now()
    made = kit.run_concurrently(
        *(lambda each=each: facts.make_deliveries(each, now) for each in workers)
    )
    assert sum(made) == db.webhookDeliveries.count_documents({}) == 2 * expected
    assert not find_out_of_order(db)
    for webhook in db.webhooks.find():
        numbers = [
            each["sequence"] for each in db.webhookDeliveries.find({"webhookId": webhook["_id"]})
        ]
        assert len(set(numbers)) == len(numbers)


def interleave(app, context, db, owner, event, monkeypatch):
    """Let a worker take numbers and wait, while another one stores; return who is out of order."""
    create(db, owner)
    change_bookings(app, context, event)
    worker, other, now = worker_of(context), worker_of(context), utc_now()
    with (
        kit.suspended(monkeypatch, store_deliveries, "take_numbers", after=True) as suspension,
        kit.in_background(lambda: facts.make_of_bookings(worker, now)) as first,
    ):
        suspension.wait()
        # The other one dies after the first wave.
        real, waves = deliveries._store_wave, []

        def store_one_wave(*arguments):
            if waves:
                raise Died
            waves.append(real(*arguments))
            return waves[0]

        with monkeypatch.context() as patched, suppress(Died):
            patched.setattr(deliveries, "_store_wave", store_one_wave)
            facts.make_of_bookings(other, now)
        suspension.resume()
        first.result(kit.TIMEOUT_SECONDS)
    return find_out_of_order(db)


def test_a_number_is_higher_than_that_of_an_earlier_fact_that_another_worker_stored(
    app, context, db, owner, event, monkeypatch
):
    assert not interleave(app, context, db, owner, event, monkeypatch)


def test_control_numbers_that_are_taken_together_are_out_of_order(
    app, context, db, owner, event, monkeypatch
):
    real = deliveries._store_wave

    def take_all_first(planned):
        """Put all in one wave."""
        yield list(planned)

    monkeypatch.setattr(deliveries, "_split_into_waves", take_all_first)

    def store_halves(db, wave, now):
        """Take the numbers of all, and store them half by half."""
        return real(db, wave, now)

    monkeypatch.setattr(deliveries, "_store_wave", store_halves)
    insert = store_deliveries.insert

    def insert_half(db, new):
        """Store only the first fact of each booking, as a worker that dies does."""
        if threading.current_thread() is threading.main_thread():
            insert(db, [each for each in new if each["type"] == "booking.confirmed"])
            raise Died
        return insert(db, new)

    monkeypatch.setattr(store_deliveries, "insert", insert_half)
    create(db, owner)
    change_bookings(app, context, event)
    worker, other, now = worker_of(context), worker_of(context), utc_now()
    with (
        kit.suspended(monkeypatch, store_deliveries, "take_numbers", after=True) as suspension,
        kit.in_background(lambda: facts.make_of_bookings(worker, now)) as first,
    ):
        suspension.wait()
        with suppress(Died):
            facts.make_of_bookings(other, now)
        suspension.resume()
        first.result(kit.TIMEOUT_SECONDS)
    assert find_out_of_order(db)


def count_created(db, owner, calls):
    outcomes = kit.run_concurrently(*([lambda: create(db, owner)] * calls))
    return sum(not isinstance(each, AppError) for each in outcomes)


def test_many_requests_at_once_create_no_more_than_twenty(db, owner):
    for _ in range(rules.MAX_WEBHOOKS - 2):
        create(db, owner)
    assert count_created(db, owner, 6) == 2
    assert db.webhooks.count_documents({}) == rules.MAX_WEBHOOKS


def test_control_without_slots_there_are_more(db, owner, monkeypatch):
    gate = threading.Barrier(6)

    def insert(db, webhook):
        """Count, and insert if there are not too many."""
        is_full = db.webhooks.count_documents({}) >= rules.MAX_WEBHOOKS
        gate.wait(kit.TIMEOUT_SECONDS)
        if not is_full:
            db.webhooks.insert_one({**webhook, "slot": str(ObjectId())})
        return not is_full

    for _ in range(rules.MAX_WEBHOOKS - 2):
        create(db, owner)
    monkeypatch.setattr(store, "insert", insert)
    assert count_created(db, owner, 6) == 6


def send_while_another_sends(context, db, owner, event, app, receivers):
    """Let a worker send while an attempt of another one is under way; return how many it made."""
    create(db, owner)
    change_bookings(app, context, event)
    facts.make_deliveries(context, utc_now())
    first_attempt, under_way = kit.Suspension(), threading.Lock()

    def answer(_sent):
        if under_way.acquire(blocking=False):
            first_attempt.suspend()
        return answered(200)

    receivers.answers[URL] = answer
    worker, other = worker_of(context), worker_of(context)
    with kit.in_background(lambda: sending.send_first_attempts(worker, utc_now())) as turn:
        first_attempt.wait()
        attempts = sending.send_first_attempts(other, utc_now())
        first_attempt.resume()
        turn.result(kit.TIMEOUT_SECONDS)
    return attempts


def test_one_delivery_of_a_webhook_is_under_way_at_a_time(
    app, context, db, owner, event, receivers
):
    assert send_while_another_sends(context, db, owner, event, app, receivers) == 0
    assert max(Counter(each.id for each in receivers.sent).values()) == 1
    assert db.webhookDeliveries.count_documents({"status": {"$ne": "delivered"}}) == 0


def test_control_without_the_claim_several_are(
    app, context, db, owner, event, receivers, monkeypatch
):
    def claim(db, webhook_id, claim_id, _now, _until):
        return {**db.webhooks.find_one({"_id": webhook_id}), "claim": claim_id}

    monkeypatch.setattr(store, "claim", claim)
    assert send_while_another_sends(context, db, owner, event, app, receivers) > 0


def add_while_a_turn_ends(context, db, owner, monkeypatch):
    """Add a delivery when a worker has seen that there is none, and let it end its turn."""
    webhook_id = create(db, owner)
    delivery_lists.send_test(db, webhook_id, owner, utc_now())
    worker = worker_of(context)
    with (
        kit.suspended(monkeypatch, store_deliveries, "find_next_due_time", after=True) as end,
        kit.in_background(lambda: sending.send_first_attempts(worker, utc_now())) as turn,
    ):
        end.wait()
        delivery_lists.send_test(db, webhook_id, owner, utc_now())
        end.resume()
        turn.result(kit.TIMEOUT_SECONDS)
    sending.send_first_attempts(worker, utc_now())
    return db.webhookDeliveries.count_documents({"status": "delivered"})


def test_a_delivery_that_is_added_while_a_turn_ends_is_sent(
    context, db, owner, receivers, monkeypatch
):
    assert add_while_a_turn_ends(context, db, owner, monkeypatch) == 2


def test_control_without_the_count_of_wakes_it_is_not(context, db, owner, receivers, monkeypatch):
    def wake(db, webhook_ids, due_at):
        where = {"_id": {"$in": list(webhook_ids)}}
        db.webhooks.update_many(where, {"$min": {"sendDueAt": due_at}})

    monkeypatch.setattr(store, "wake", wake)
    assert add_while_a_turn_ends(context, db, owner, monkeypatch) == 1


def test_a_webhook_that_is_deleted_while_its_deliveries_are_made_leaves_none(
    app, context, db, owner, event, monkeypatch
):
    webhook_id = create(db, owner)
    change_bookings(app, context, event)
    with (
        kit.suspended(monkeypatch, store_deliveries, "insert") as suspension,
        kit.in_background(lambda: facts.make_deliveries(context, utc_now())) as making,
    ):
        suspension.wait()
        service.delete_webhook(db, webhook_id, owner)
        suspension.resume()
        making.result(kit.TIMEOUT_SECONDS)
    assert db.webhookDeliveries.count_documents({}) == 0
    assert db.webhookSequences.count_documents({}) == 0


def test_a_fact_after_an_interrupted_creation_is_told_to_the_next_webhook(
    app, context, db, owner, event, receivers
):
    with dying_at("webhook-facts-begun"):
        create(db, owner)
    assert db.webhooks.count_documents({}) == 0
    create(db, owner)
    expected = change_bookings(app, context, event)
    work(context)
    assert len(receivers.sent) == expected


def test_a_deletion_that_dies_leaves_nothing_that_is_sent(
    app, context, db, owner, event, receivers
):
    webhook_id = create(db, owner)
    change_bookings(app, context, event)
    facts.make_deliveries(context, utc_now())
    with dying_at("webhook-deleted"):
        service.delete_webhook(db, webhook_id, owner)
    work(context)
    assert receivers.sent == []


@pytest.mark.parametrize("step", ["webhook-disabled", "webhook-owner-notified"])
def test_an_owner_is_told_once_although_a_worker_dies(
    app, context, db, owner, event, receivers, step
):
    create(db, owner)
    receivers.answers[URL] = DOWN
    change_bookings(app, context, event)
    facts.make_deliveries(context, utc_now())
    db.webhookDeliveries.update_many({}, {"$set": {"retriedSince": utc_now() - timedelta(days=4)}})
    db.webhooks.update_many({}, {"$set": {"enabledAt": utc_now() - timedelta(days=9)}})

    def work_once():
        sending.send_first_attempts(context, utc_now())
        notices.notify_owners(context, utc_now())

    with dying_at(step):
        work_once()
    for _ in range(2):
        notices.notify_owners(context, utc_now())
    webhook = db.webhooks.find_one({})
    assert (webhook["enabled"], webhook["disabledBy"]) == (False, "failures")
    assert "ownerNoticeDue" not in webhook
    for name in ("notifications", "mails"):
        assert db[name].count_documents({"kind": "webhook_disabled"}) == 1
    assert sending.send_first_attempts(context, utc_now() + timedelta(days=1)) == 0


def test_receivers_that_hang_do_not_delay_others(context, db, owner, receivers):
    """Half of the threads hang; the deliveries of the other webhooks arrive meanwhile."""
    hanging = [f"https://slow{n}.example.org/" for n in range(sending.THREADS // 2)]
    released = threading.Event()

    def hang(_sent):
        assert released.wait(kit.TIMEOUT_SECONDS)
        return DOWN

    receivers.answers |= dict.fromkeys(hanging, hang)
    for url in [*hanging, *[URL] * 5]:
        delivery_lists.send_test(db, create(db, owner, url), owner, utc_now())
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(sending.send_first_attempts, context, utc_now())
        try:
            for _ in range(2000):
                if db.webhookDeliveries.count_documents({"status": "delivered"}) == 5:
                    break
                threading.Event().wait(0.005)
            else:
                pytest.fail("the others wait for those that hang")
            assert not run.done()
        finally:
            released.set()
        assert run.result(kit.TIMEOUT_SECONDS) == len(hanging) + 5
