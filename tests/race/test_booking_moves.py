"""Moves of a schedule entry against sales, cancellations and workers, each with its control."""

import pytest
from bson import ObjectId

from eventapp.bookings import booked_entries, partial_cancellations, store_copies, transitions
from eventapp.bookings import notifications as booking_notifications
from eventapp.bookings import store as bookings_store
from eventapp.core import failpoints
from eventapp.core.batched_reads import BatchedReads
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.events import current_schedules, editing, store_schedules
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.schedules import UTC_ZONE
from eventapp.inventory import store as inventory_store
from tests.factories import day, make_event, make_user
from tests.notifications_factories import notify_holders
from tests.race import kit

MOVES, BUYERS = 4, 8
COPY = booked_entries.COPY_FIELDS


@pytest.fixture
def event(db):
    schedule = [
        {"date": day(30), "startTime": "20:00", "location": "Hall 0"},
        {"date": day(60), "location": "Elsewhere"},
    ]
    return make_event(db, schedule=schedule)


def move(db, event, number):
    """Move the entry to the hall with this number, an hour later for each."""
    patch = {"location": f"Hall {number}", "startTime": f"{20 - number}:00"}
    editing.edit_event(
        db,
        event["eventId"],
        editing.make_entry_patch(0, patch, UTC_ZONE),
        event_changes=NO_EVENT_CACHE,
        actor=kit.ADMIN,
        now=utc_now(),
        image_base_url="",
    )


def entry_of(db):
    return db.events.find_one({})["schedule"][0]


def copy_of(booking):
    return {name: booking[name] for name in COPY}


def make_copy(entry, number):
    """Return the copy that a booking stores of the entry after its move with this number."""
    starts_at = entry["date"].replace(hour=20 - number)
    return {
        **{name: entry.get(name) for name in COPY},
        "location": f"Hall {number}",
        "startsAt": starts_at,
        "copiedMoves": number,
    }


# Sales.


def test_every_booking_follows_however_its_sale_and_the_moves_overlap(app, context, db, event):
    processes = [kit.another_process(context) for _ in range(BUYERS)]
    people = [make_user(app)["id"] for _ in range(BUYERS)]
    for process in processes:
        process.inventory.get_sale_state(event["eventId"])

    def move_and_notify():
        for number in range(1, MOVES + 1):
            move(db, event, number)
            notify_holders(kit.another_process(context))

    buyers = [
        lambda p=process, u=user: kit.book(p, event, user=u)
        for process, user in zip(processes, people, strict=True)
    ]
    results = kit.run_concurrently(*buyers, move_and_notify)
    assert not [result for result in results if isinstance(result, AppError)]
    notify_holders(context, minutes=1)
    stored = list(db.bookings.find({}))
    assert len(stored) == BUYERS
    assert [copy_of(one) for one in stored] == [make_copy(entry_of(db), MOVES)] * BUYERS
    moved = {one["userId"] for one in stored if one["bookedMoves"] < MOVES}
    notified = {one["userId"] for one in db.notifications.find({"kind": "event_changed"})}
    assert notified == moved
    kit.assert_consistent(context)


def sell_from_memory_after_a_move(context, db, event):
    process = kit.another_process(context)
    process.inventory.get_sale_state(event["eventId"])
    move(db, event, 1)
    kit.book(process, event)
    return db.bookings.find_one({})["bookedMoves"]


def test_a_booking_is_made_at_the_moves_that_its_take_found(context, db, event):
    assert sell_from_memory_after_a_move(context, db, event) == 1


def test_control_without_the_terms_a_booking_is_made_at_moves_from_memory(
    context, db, event, monkeypatch
):
    monkeypatch.setattr(inventory_store, "build_terms_guard", lambda _event: {})
    assert sell_from_memory_after_a_move(context, db, event) == 0


def sell_from_memory_when_it_is_over(context, db, event):
    process = kit.another_process(context)
    process.inventory.get_sale_state(event["eventId"])
    db.events.update_one({}, {"$set": {"schedule.0.overAt": utc_now()}})
    try:
        return kit.book(process, event, schedule_id=1).status
    except AppError as error:
        return error.code


def test_no_ticket_is_taken_of_an_entry_that_is_over(context, db, event):
    assert sell_from_memory_when_it_is_over(context, db, event) == "event_past"
    assert kit.stock_counters(db, event) == (100, 0, 0, 0)


def test_control_without_the_guard_an_entry_that_is_over_is_sold(context, db, event, monkeypatch):
    monkeypatch.setattr(inventory_store, "build_entry_guards", lambda *_: {})
    assert sell_from_memory_when_it_is_over(context, db, event) == 201


# Workers.


def refresh_in_the_wrong_order(context, db, event):
    """Let one worker refresh a copy while another is suspended with an older schedule."""
    kit.book(context, event)
    before = list(bookings_store.iterate_batches(db, {}, 10))[0]
    move(db, event, 1)
    older = booked_entries.find_outdated(before, [entry_of(db)])
    move(db, event, 2)
    notify_holders(kit.another_process(context))
    booked_entries.refresh_copies(db, older)
    return copy_of(db.bookings.find_one({}))


def test_a_worker_that_was_suspended_writes_no_older_copy(context, db, event):
    copy = refresh_in_the_wrong_order(context, db, event)
    assert copy == make_copy(entry_of(db), 2)


def test_control_without_the_guard_it_does(context, db, event, monkeypatch):
    replace_unguarded(monkeypatch, "copiedMoves")
    copy = refresh_in_the_wrong_order(context, db, event)
    assert copy == make_copy(entry_of(db), 1)


def replace_unguarded(monkeypatch, field):
    """Take one condition out of the writes of copies."""
    real = store_copies.UpdateOne

    def build(where, update):
        return real({name: value for name, value in where.items() if name != field}, update)

    monkeypatch.setattr(store_copies, "UpdateOne", build)


def refresh_after_the_end(context, db, event):
    """End a booking while a worker that has read it is suspended; return both copies."""
    user = ObjectId()
    answer = kit.book(context, event, user=user)
    booking_id = ObjectId(kit.booking_id(answer))
    batch = list(bookings_store.iterate_batches(db, {}, 10))[0]
    transitions.cancel_booking(context, booking_id, kit.attendee(user), utc_now())
    ended = copy_of(db.bookings.find_one({}))
    move(db, event, 1)
    booked_entries.refresh_copies(db, booked_entries.find_outdated(batch, [entry_of(db)]))
    return ended, copy_of(db.bookings.find_one({}))


def test_an_ended_booking_is_not_refreshed(context, db, event):
    ended, found = refresh_after_the_end(context, db, event)
    assert ended == found == make_copy(entry_of(db), 0)


def test_control_without_the_guard_an_ended_booking_is_refreshed(context, db, event, monkeypatch):
    replace_unguarded(monkeypatch, "active")
    ended, found = refresh_after_the_end(context, db, event)
    assert (ended["location"], found["location"]) == ("Hall 0", "Hall 1")


# The end of a booking.


def cancel_during_a_move(context, db, event, monkeypatch):
    """Move the entry, and refresh the copy, between the read of the entry and the end."""
    user = ObjectId()
    booking_id = ObjectId(kit.booking_id(kit.book(context, event, user=user)))

    def cancel():
        process = kit.another_process(context)
        return transitions.cancel_booking(process, booking_id, kit.attendee(user), utc_now())

    with (
        kit.suspended(monkeypatch, bookings_store, "update_booking") as suspension,
        kit.in_background(cancel) as cancelling,
    ):
        suspension.wait()
        move(db, event, 1)
        notify_holders(kit.another_process(context))
        suspension.resume()
        cancelled = cancelling.result()
    kit.assert_consistent(context)
    assert copy_of(cancelled) == copy_of(db.bookings.find_one({}))
    return copy_of(cancelled)


def test_a_booking_never_ends_with_an_older_copy_than_it_had(context, db, event, monkeypatch):
    copy = cancel_during_a_move(context, db, event, monkeypatch)
    assert copy == make_copy(entry_of(db), 1)


def test_control_without_the_guard_it_does_end_with_an_older_copy(context, db, event, monkeypatch):
    monkeypatch.setattr(
        bookings_store, "build_unchanged_guard", lambda booking: {"status": booking["status"]}
    )
    copy = cancel_during_a_move(context, db, event, monkeypatch)
    assert copy == make_copy(entry_of(db), 0)


def test_cancellations_moves_and_workers_at_once(app, context, db, event):
    people = [make_user(app)["id"] for _ in range(BUYERS)]
    ids = [ObjectId(kit.booking_id(kit.book(context, event, user=user))) for user in people]

    def cancel(booking_id, user):
        process = kit.another_process(context)
        return transitions.cancel_booking(process, booking_id, kit.attendee(user), utc_now())

    def move_and_notify():
        for number in range(1, MOVES + 1):
            move(db, event, number)
            notify_holders(kit.another_process(context))

    cancels = [lambda i=i, u=u: cancel(i, u) for i, u in zip(ids, people, strict=True)][::2]
    results = kit.run_concurrently(*cancels, move_and_notify, move_nothing(context))
    told = {one["_id"]: copy_of(one) for one in results if isinstance(one, dict)}
    assert len(told) == BUYERS // 2
    notify_holders(context, minutes=1)
    for stored in db.bookings.find({}):
        copy = told.get(stored["_id"], make_copy(entry_of(db), MOVES))
        assert copy_of(stored) == copy == make_copy(entry_of(db), copy["copiedMoves"])
    kit.assert_consistent(context)


def move_nothing(context):
    """Return the work of a second worker."""
    return lambda: [notify_holders(kit.another_process(context)) for _ in range(MOVES)] and None


def cancel_a_ticket(context, booking_id, user):
    actor, process = kit.attendee(user), kit.another_process(context)
    body = {"items": [{"ticketTypeId": 1, "quantity": 1}]}
    request = partial_cancellations.read_request(body, None, actor)
    return partial_cancellations.cancel_tickets(process, booking_id, request, actor, utc_now())


def test_a_part_is_cancelled_and_moved_at_once(context, db, event):
    """Neither of both loses what the other has written."""
    user = ObjectId()
    booking_id = ObjectId(kit.booking_id(kit.book(context, event, 5, user=user)))

    def move_and_notify():
        for number in range(1, MOVES + 1):
            move(db, event, number)
            notify_holders(kit.another_process(context))

    cancels = [lambda: cancel_a_ticket(context, booking_id, user) for _ in range(3)]
    results = kit.run_concurrently(*cancels, move_and_notify)
    cancelled = [result for result in results if not isinstance(result, AppError | None)]
    notify_holders(context, minutes=1)
    booking = db.bookings.find_one({})
    assert cancelled
    assert booking["quantity"] == 5 - len(cancelled)
    assert copy_of(booking) == make_copy(entry_of(db), MOVES)
    kit.assert_consistent(context)


def cancel_the_last_ticket_during_a_move(context, db, event, monkeypatch):
    user = ObjectId()
    booking_id = ObjectId(kit.booking_id(kit.book(context, event, user=user)))
    with (
        kit.suspended(monkeypatch, bookings_store, "update_booking") as suspension,
        kit.in_background(lambda: cancel_a_ticket(context, booking_id, user)) as cancelling,
    ):
        suspension.wait()
        move(db, event, 1)
        notify_holders(kit.another_process(context))
        suspension.resume()
        cancelling.result()
    return db.bookings.find_one({})


def test_the_last_part_ends_with_no_older_copy(context, db, event, monkeypatch):
    booking = cancel_the_last_ticket_during_a_move(context, db, event, monkeypatch)
    assert (booking["status"], copy_of(booking)) == ("cancelled", make_copy(entry_of(db), 1))
    kit.assert_consistent(context)


def test_control_without_the_guard_the_last_part_ends_with_an_older_copy(
    context, db, event, monkeypatch
):
    monkeypatch.setattr(
        bookings_store, "build_unchanged_guard", lambda booking: {"status": booking["status"]}
    )
    booking = cancel_the_last_ticket_during_a_move(context, db, event, monkeypatch)
    assert (booking["status"], copy_of(booking)) == ("cancelled", make_copy(entry_of(db), 0))


# A process that dies.


class Killed(BaseException):
    """Ends a process like `kill -9`: no handler catches it."""


def test_a_worker_that_dies_before_it_refreshes_the_copies_notifies_nobody_twice(
    app, context, db, event
):
    for user in [make_user(app)["id"] for _ in range(3)]:
        kit.book(context, event, user=user)
    notify_holders(context)
    move(db, event, 1)

    def hook(step):
        if step == "moves-notified":
            raise Killed

    failpoints.set_failpoint_hook(hook)
    try:
        with pytest.raises(Killed):
            notify_holders(kit.another_process(context))
    finally:
        failpoints.set_failpoint_hook(None)
    assert {one["copiedMoves"] for one in db.bookings.find({})} == {0}
    assert notify_holders(context) == 0
    assert {one["copiedMoves"] for one in db.bookings.find({})} == {1}
    assert db.notifications.count_documents({"kind": "event_changed"}) == 3


def test_a_batch_reads_each_schedule_once(context, db, event, monkeypatch):
    """However many bookings of however many events a batch has."""
    for each in (event, make_event(db), make_event(db)):
        for _ in range(3):
            kit.book(context, each)
    calls = []
    real = store_schedules.find_schedules
    reads = BatchedReads(lambda db_, ids: calls.append(list(ids)) or real(db_, ids))
    monkeypatch.setattr(current_schedules, "_READS", reads)
    booking_notifications.notify_holders(context, utc_now())
    assert calls == [[1, 2, 3]]
