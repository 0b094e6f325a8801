"""A process may die at each step of a deletion: the worker finishes it, and caches learn of it."""

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import event_closing, waitlist_offers
from eventapp.bookings.sales import ticket_limit
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.events import deletions, store_deletions
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.errors import EventNotFound
from eventapp.favorites import service as favorites
from eventapp.waitlist import joining
from eventapp.waitlist import service as waitlist
from eventapp.waitlist import store as waitlist_store
from tests.factories import make_event
from tests.race import kit

# The failpoints of a deletion in their order, and whether the event is deleted there.
STEPS = {
    "deletion-recorded": False,
    "deletion": True,
    "deletion-recorded-again": True,
    "entry-end": True,
    "leave-recorded": True,
}


class Killed(BaseException):
    """Stands for the death of the process."""


@pytest.fixture
def waiting(context, db):
    """A user who waits for event 1 and has it as a favorite; all of its tickets are gone."""
    make_event(db, ticketTypes=[{"type": "A", "price": 20, "availableTickets": 0}])
    user = kit.attendee()
    join(context, user)
    favorites.add(db, user.favorites_key, 1, limit=9, now=utc_now())
    return user


def join(context, user, **options):
    return joining.join_waitlist(
        context.db,
        context.inventory,
        actor=user,
        event_id=1,
        type_id=None,
        quantity=1,
        max_quantity=9,
        count_tickets=ticket_limit.count_tickets,
        requires_verified_email=False,
        now=utc_now(),
        **options,
    )


def die_while_deleting(context, step):
    def die(name):
        if name == step:
            raise Killed

    set_failpoint_hook(die)
    try:
        with pytest.raises(Killed):
            event_closing.delete_event(context, 1, kit.ADMIN, utc_now())
    finally:
        set_failpoint_hook(None)


def assert_nothing_is_left(context, user):
    db = context.db
    assert db.events.count_documents({}) == 0
    assert db.waitlist.count_documents({"active": True}) == 0
    assert db.waitlist.count_documents({"restock": "due"}) == 0
    assert waitlist_store.find_active_of_user_and_event(db, user.require_user_id(), 1) == []
    assert favorites.list_event_ids(db, user.favorites_key) == []
    assert db.goneEvents.count_documents({"unfinished": True}) == 0


@pytest.mark.parametrize("step", STEPS)
def test_the_worker_finishes_a_deletion(context, db, waiting, step):
    die_while_deleting(context, step)
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    if STEPS[step]:
        assert_nothing_is_left(context, waiting)
    else:
        assert db.events.count_documents({}) == 1
        assert favorites.list_event_ids(db, waiting.favorites_key) == [1]
        assert db.goneEvents.count_documents({}) == 0
        kit.assert_consistent(context)
        event_closing.delete_event(context, 1, kit.ADMIN, utc_now())
        kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
        assert_nothing_is_left(context, waiting)


@pytest.mark.parametrize("step", [None, *STEPS])
def test_the_worker_finishes_once(context, db, waiting, step):
    if step:
        die_while_deleting(context, step)
    else:
        event_closing.delete_event(context, 1, kit.ADMIN, utc_now())
    later = utc_now() + kit.AFTER_ABANDONMENT
    assert event_closing.close_deleted_events(context, later) == 1
    assert event_closing.close_deleted_events(context, later) == 0


def test_a_deletion_that_is_not_old_is_left_to_its_process(context, db, waiting):
    die_while_deleting(context, "deletion-recorded")
    assert event_closing.close_deleted_events(context, utc_now() + timedelta(seconds=25)) == 0


def test_a_process_that_was_suspended_deletes_nothing_after_the_worker_kept_the_event(
    context, db, waiting, monkeypatch
):
    delete = partial(event_closing.delete_event, context, 1, kit.ADMIN, utc_now())
    with (
        kit.suspended(monkeypatch, store_deletions, "delete_if_unchanged") as deletion,
        kit.in_background(delete) as deleted,
    ):
        deletion.wait()
        kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
        assert db.goneEvents.count_documents({}) == 0
        deletion.resume()
        deleted.result(kit.TIMEOUT_SECONDS)
    # It read the event again, and recorded the deletion again before it deleted.
    assert db.goneEvents.count_documents({"unfinished": True}) == 1
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    assert_nothing_is_left(context, waiting)


def test_an_entry_that_is_stored_after_the_deletion_is_closed(context, db, waiting, monkeypatch):
    """Its join came before, so the guards of the deletion did not see it."""
    late = kit.attendee()
    with (
        kit.suspended(monkeypatch, waitlist_store, "insert_entry") as insert,
        kit.in_background(lambda: join(kit.another_process(context), late)) as joined,
    ):
        insert.wait()
        event_closing.delete_event(context, 1, kit.ADMIN, utc_now())
        insert.resume()
        joined.result(kit.TIMEOUT_SECONDS)
    assert waitlist.is_waiting(db, late.require_user_id(), 1)
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    assert_nothing_is_left(context, waiting)
    assert not waitlist.is_waiting(db, late.require_user_id(), 1)


def test_an_entry_that_was_claimed_during_the_deletion_is_closed(context, db, waiting):
    """No offer can be made from it, so the claim is released, and the entry closed later."""
    entry = db.waitlist.find_one({})
    waitlist.claim_for_offer(db, entry, ObjectId(), utc_now())
    event_closing.delete_event(context, 1, kit.ADMIN, utc_now())
    assert db.waitlist.find_one({})["active"]
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    assert_nothing_is_left(context, waiting)


def test_what_is_left_of_an_event_that_was_removed_by_hand_is_closed(context, db, waiting):
    make_event(db)
    favorites.add(db, waiting.favorites_key, 2, limit=9, now=utc_now())
    db.events.delete_one({"eventId": 1})
    assert event_closing.close_orphans(context, utc_now()) == 2
    assert favorites.list_event_ids(db, waiting.favorites_key) == [2]
    assert db.waitlist.count_documents({"active": True}) == 0
    assert event_closing.close_orphans(context, utc_now()) == 0


def test_the_pages_of_a_search_for_orphans_are_complete(context, db, monkeypatch):
    monkeypatch.setattr(event_closing, "MAX_EVENTS_PER_RUN", 2)
    monkeypatch.setattr(deletions, "OWNERS_PER_BATCH", 2)
    for event_id in (1, 1, 1, 2, 3, 4, 5):
        user = kit.attendee()
        entry = {"eventId": event_id, "ticketTypeId": 1, "userId": user.require_user_id()}
        db.waitlist.insert_one({**entry, "active": True, "status": "waiting"})
        favorites.add(db, user.favorites_key, event_id, limit=9, now=utc_now())
    assert event_closing.close_orphans(context, utc_now()) == 10
    assert db.waitlist.count_documents({"active": True}) == 0
    assert db.favorites.count_documents({"count": {"$gt": 0}}) == 0


# The caches of other processes.


@pytest.mark.parametrize("step", ["deletion", "deletion-recorded-again"])
def test_another_process_drops_the_event_although_the_deleting_one_died(context, db, waiting, step):
    other = EventCache(db)
    assert other.get_event(1).event_id == 1
    die_while_deleting(context, step)
    other._change_feed.force_poll()
    with pytest.raises(EventNotFound):
        other.get_event(1)


def test_another_process_drops_the_event_that_it_read_between_the_record_and_the_deletion(
    context, db, waiting
):
    other = EventCache(db)
    other.get_event(1)

    def read_again(name):
        if name == "deletion-recorded":
            other._change_feed.force_poll()
            other.get_event(1)

    set_failpoint_hook(read_again)
    try:
        event_closing.delete_event(context, 1, kit.ADMIN, utc_now())
    finally:
        set_failpoint_hook(None)
    other._change_feed.force_poll()
    with pytest.raises(EventNotFound):
        other.get_event(1)


def test_the_worker_records_the_deletion_for_processes_that_have_missed_it(context, db, waiting):
    """The process died after another one had received the record and read the event again."""
    other = EventCache(db)
    other.get_event(1)

    def read_again_or_die(name):
        if name == "deletion-recorded":
            other._change_feed.force_poll()
            other.get_event(1)
        if name == "deletion":
            raise Killed

    set_failpoint_hook(read_again_or_die)
    try:
        with pytest.raises(Killed):
            event_closing.delete_event(context, 1, kit.ADMIN, utc_now())
    finally:
        set_failpoint_hook(None)
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    other._change_feed.force_poll()
    with pytest.raises(EventNotFound):
        other.get_event(1)


def test_no_offer_is_made_for_a_deleted_event(context, db, waiting):
    event_closing.delete_event(context, 1, kit.ADMIN, utc_now())
    assert waitlist_offers.offer_tickets(context, 1, utc_now()) == 0
