"""Users wait for tickets of one date of an event: of a type and a schedule entry."""

import pytest

from eventapp.bookings import event_closing
from eventapp.jobs import service as jobs
from tests.bookings_factories import (
    context_of,
    event_of,
    expire_holds,
    later,
    refused,
    set_clock,
    stock_of,
)
from tests.factories import day

pytestmark = pytest.mark.usefixtures("clean_inventory")
AWAITED = ("scheduleId", "date", "startsAt", "timezone", "location")


def two_dates(db, *quantities, **changes):
    """Insert an event with entry 1 on day 40, which is later, and entry 2 on day 30, at 20:00."""
    schedule = [
        {"date": day(40), "location": "Volos"},
        {"date": day(30), "location": "Larissa", "startTime": "20:00", "timezone": "Europe/Athens"},
    ]
    return event_of(db, *quantities, schedule=schedule, title="Show", **changes)


def awaited(entry):
    return tuple(entry[name] for name in AWAITED[:2])


def test_a_user_waits_for_two_dates_of_one_type(db, ann):
    event_id = two_dates(db, 0)
    later_one, sooner = (ann.wait(event_id, 2, scheduleId=number) for number in (1, 2))
    assert awaited(later_one) == (1, day(40))
    assert awaited(sooner) == (2, day(30))
    assert [later_one[name] for name in AWAITED[2:]] == [None, "UTC", "Volos"]
    starts_at, zone, location = (sooner[name] for name in AWAITED[2:])
    assert (starts_at[:10], zone, location) == (day(30), "Europe/Athens", "Larissa")
    listed = ann.waitlist_entries()
    assert [awaited(entry) for entry in listed] == [(2, day(30)), (1, day(40))]
    assert stock_of(db, event_id)[3] == 2


def test_without_an_entry_it_is_the_next_one_and_stays_it(db, ann):
    event_id = two_dates(db, 0)
    assert ann.wait(event_id)["scheduleId"] == 2
    new = {"date": day(20), "location": "Athens"}
    schedule = db.events.find_one({"eventId": event_id})["schedule"]
    db.events.update_one(
        {"eventId": event_id},
        {"$set": {"schedule": [*schedule, {**schedule[0], **new, "scheduleId": 3}]}},
    )
    assert db.waitlist.find_one({})["scheduleId"] == 2


def test_an_entry_is_named_by_its_index_too(db, ann):
    event_id = two_dates(db, 0)
    assert ann.wait(event_id, scheduleIndex=0)["scheduleId"] == 1
    assert ann.wait(event_id, scheduleIndex=1)["scheduleId"] == 2


def test_entries_that_cannot_be_waited_for_are_refused(db, ann, monkeypatch):
    event_id = two_dates(db, 0)
    body = refused(ann.join(event_id, scheduleId=9), 400, "validation_error")
    assert body["errors"] == {"scheduleId": ["The event has no such entry."]}
    refused(ann.join(event_id, scheduleIndex=2), 400, "validation_error")
    both = refused(ann.join(event_id, scheduleId=1, scheduleIndex=0), 400, "validation_error")
    assert both["errors"] == {"scheduleId": ["Send scheduleId or scheduleIndex."]}
    with monkeypatch.context() as patch:
        set_clock(patch, later(days=35))
        refused(ann.join(event_id, scheduleId=2), 409, "event_past")
    assert db.waitlist.count_documents({}) == 0
    assert stock_of(db, event_id)[3] == 0


def test_waiting_already_is_by_type_and_date(db, ann):
    event_id = two_dates(db, 0, 0)
    ann.wait(event_id, scheduleId=1)
    refused(ann.join(event_id, scheduleId=1), 409, "already_waitlisted")
    ann.wait(event_id, scheduleId=2)
    ann.wait(event_id, type_id=2, scheduleId=1)
    refused(ann.join(event_id), 409, "already_waitlisted")
    assert (stock_of(db, event_id)[3], stock_of(db, event_id, 2)[3]) == (2, 1)


def test_a_purchase_waits_for_the_date_that_it_wanted(db, ann, bob):
    event_id = two_dates(db, 3)
    answer = ann.order(event_id, quantity=4, ticketTypeId=1, scheduleId=1, onShortfall="waitlist")
    assert answer.status_code == 201, answer.json
    assert awaited(answer.json["data"]["waitlistEntry"]) == (1, day(40))
    wanted = {"quantity": 1, "ticketTypeId": 1, "onShortfall": "waitlist"}
    for body in ({"scheduleId": 1}, {"scheduleIndex": 1}):
        assert bob.order(event_id, **wanted, **body).status_code == 202
    refused(bob.order(event_id, **wanted), 409, "already_waitlisted")
    assert [entry["scheduleId"] for entry in bob.waitlist_entries()] == [2, 1]


def test_positions_are_those_of_the_date(db, ann, bob):
    event_id = two_dates(db, 0)
    ann.wait(event_id, scheduleId=1)
    joined = [bob.wait(event_id, scheduleId=number)["position"] for number in (2, 1)]
    assert joined == [1, 2]
    assert [(e["scheduleId"], e["position"]) for e in bob.waitlist_entries()] == [(1, 2), (2, 1)]


def test_an_entry_shows_what_its_date_is_now(db, ann, host):
    event_id = two_dates(db, 0, organizer_id=host.id)
    ann.wait(event_id, scheduleId=1)
    moved = {"date": day(50), "location": "Patras"}
    assert host.call("PATCH", f"/events/{event_id}/schedule/0", moved).status_code == 200
    (entry,) = ann.waitlist_entries()
    assert (awaited(entry), entry["location"]) == ((1, day(50)), "Patras")
    exported = ann.get(f"/users/{ann.id}/export").json["waitlist"]
    assert [awaited(entry) for entry in exported] == [(1, day(50))]


def test_the_offer_is_for_the_date_that_was_waited_for(db, ann, bob):
    event_id = two_dates(db, 1)
    booking = bob.book(event_id, scheduleId=1)
    ann.wait(event_id, scheduleId=1)
    bob.cancel(booking)
    (offer,) = ann.offers()
    assert (awaited(offer), offer["location"]) == ((1, day(40)), "Volos")
    booked = ann.accept(event_id).json["data"]["booking"]
    assert (booked["scheduleId"], booked["location"]) == (1, "Volos")


def leave(caller, event_id, schedule_id):
    return caller.call("DELETE", f"/waitlist/{event_id}?scheduleId={schedule_id}")


def test_one_of_two_dates_can_be_left(db, ann, bob):
    event_id = two_dates(db, 0)
    for number in (1, 2):
        ann.wait(event_id, scheduleId=number)
    bob.wait(event_id, scheduleId=1)
    answer = leave(ann, event_id, 1)
    assert (answer.status_code, answer.json) == (200, {"message": "You left the waitlist"})
    assert [entry["scheduleId"] for entry in ann.waitlist_entries()] == [2]
    assert [entry["position"] for entry in bob.waitlist_entries()] == [1]
    assert stock_of(db, event_id)[3] == 2
    refused(leave(ann, event_id, 1), 404, "not_on_waitlist")
    refused(leave(bob, event_id, 2), 404, "not_on_waitlist")
    ann.wait(event_id, scheduleId=1)


def test_all_dates_are_left_without_one(db, ann):
    event_id = two_dates(db, 0)
    for number in (1, 2):
        ann.wait(event_id, scheduleId=number)
    assert ann.call("DELETE", f"/waitlist/{event_id}").status_code == 200
    assert (ann.waitlist_entries(), stock_of(db, event_id)[3]) == ([], 0)


def test_a_date_to_leave_must_be_a_number(ann):
    refused(leave(ann, 1, 0), 400, "validation_error")
    refused(leave(ann, 1, "x"), 400, "validation_error")


@pytest.fixture
def two_offers(db, ann, bob, holder):
    """Offer ann one ticket of each date; return the offers, the older one first."""
    event_id = two_dates(db, 2)
    bookings = [bob.book(event_id, scheduleId=1), holder.book(event_id, scheduleId=2)]
    for number in (1, 2):
        ann.wait(event_id, scheduleId=number)
    bob.cancel(bookings[0])
    holder.cancel(bookings[1])
    newer, older = ann.offers()
    assert [offer["scheduleId"] for offer in (older, newer)] == [1, 2]
    return older, newer


def test_leaving_a_date_declines_only_its_offer(ann, two_offers):
    older, _newer = two_offers
    answer = leave(ann, older["eventId"], 1)
    assert answer.json["message"] == "You declined the offer of 1 ticket"
    assert [offer["status"] for offer in ann.offers()] == ["open", "declined"]


def test_the_newest_offer_is_accepted_first(ann, two_offers):
    for offer in reversed(two_offers):
        booked = ann.accept(offer["eventId"]).json["data"]["booking"]
        assert (booked["_id"], booked["scheduleId"]) == (offer["bookingId"], offer["scheduleId"])


def test_one_of_two_offers_can_be_accepted(ann, two_offers):
    older, newer = two_offers
    booked = ann.accept(1, bookingId=older["bookingId"]).json["data"]["booking"]
    assert (booked["_id"], booked["status"]) == (older["bookingId"], "confirmed")
    assert [offer["status"] for offer in ann.offers()] == ["open", "accepted"]
    body = refused(ann.accept(1, bookingId=older["bookingId"]), 404, "no_offer")
    assert body["message"] == f"Your offer, {older['bookingReference']}, was accepted"
    assert ann.accept(1).json["data"]["booking"]["_id"] == newer["bookingId"]


def test_only_own_offers_of_the_event_can_be_accepted(db, ann, bob, two_offers):
    older, _newer = two_offers
    other_event = two_dates(db, 1)
    booked = ann.book(other_event)
    for caller, event_id, booking_id in (
        (bob, 1, older["bookingId"]),
        (ann, other_event, older["bookingId"]),
        (ann, other_event, booked["_id"]),
        (ann, 1, "0" * 24),
    ):
        refused(caller.accept(event_id, bookingId=booking_id), 404, "no_offer")
    refused(ann.accept(1, bookingId="x"), 400, "validation_error")
    assert [offer["status"] for offer in ann.offers()] == ["open", "open"]


def test_no_offer_is_made_for_a_date_that_is_over(app, db, ann, bob, holder):
    event_id = two_dates(db, 1)
    bob.book(event_id, scheduleId=1, hold=True)
    ann.wait(event_id, scheduleId=2)
    holder.wait(event_id, scheduleId=1)
    expire_holds(app, days=35)
    assert (ann.offers(), ann.waitlist_entries()) == ([], [])
    assert [awaited(offer) for offer in holder.offers()] == [(1, day(40))]
    jobs.run_job("tell", context_of(app))
    (told,) = ann.get("/notifications").json["notifications"]
    assert told["message"] == (
        "The date of Show that you waited for is over. You are no longer on the waitlist for "
        f"1 ticket on {day(30)}, 20:00 (Europe/Athens), Larissa."
    )


def close_past(app, **span):
    event_closing.close_past_events(context_of(app), later(**span))


def test_only_the_places_of_a_date_that_is_over_are_closed(app, db, ann, bob, holder):
    event_id = two_dates(db, 0)
    ann.wait(event_id, 2, scheduleId=2)
    bob.wait(event_id, scheduleId=2)
    for caller in (ann, holder):
        caller.wait(event_id, scheduleId=1)
    close_past(app, days=29)
    assert stock_of(db, event_id)[3] == 4
    close_past(app, days=35)
    close_past(app, days=36)
    assert stock_of(db, event_id)[3] == 2
    assert [[e["scheduleId"] for e in c.waitlist_entries()] for c in (ann, bob, holder)] == [
        [1],
        [],
        [1],
    ]
    ended = db.waitlist.find({"active": False})
    assert {(e["status"], e["closeReason"]) for e in ended} == {("closed", "entry_over")}
    jobs.run_job("tell", context_of(app))
    (told,) = ann.get("/notifications").json["notifications"]
    assert told["message"] == (
        "The date of Show that you waited for is over. You are no longer on the waitlist for "
        f"2 tickets on {day(30)}, 20:00 (Europe/Athens), Larissa."
    )
    assert holder.get("/notifications").json["notifications"] == []


def test_events_without_places_to_close_delay_no_other(app, db, ann, monkeypatch):
    monkeypatch.setattr(event_closing, "MAX_EVENTS_PER_RUN", 1)
    first, second = two_dates(db, 0), two_dates(db, 0)
    ann.wait(first, scheduleId=1)
    ann.wait(second, scheduleId=2)
    close_past(app, days=35)
    assert [entry["eventId"] for entry in ann.waitlist_entries()] == [first]


def test_an_open_offer_of_a_date_that_is_over_stays_until_it_expires(app, ann, two_offers):
    close_past(app, days=35)
    assert [offer["status"] for offer in ann.offers()] == ["open", "open"]


def test_a_date_is_not_dropped_while_somebody_waits_for_it(db, ann, host):
    event_id = two_dates(db, 0, organizer_id=host.id)
    ann.wait(event_id, scheduleId=2)
    body = host.get(f"/events/{event_id}").json
    names = ("title", "category", "organizer", "ticketTypes")
    kept = {name: body[name] for name in names} | {"schedule": body["schedule"][:1]}
    refused(host.call("PUT", f"/events/{event_id}", kept), 409, "schedule_in_use")
    assert leave(ann, event_id, 2).status_code == 200
    assert host.call("PUT", f"/events/{event_id}", kept).status_code == 200


def test_entries_from_before_are_listed_without_a_date(db, ann):
    event_id = two_dates(db, 0)
    ann.wait(event_id)
    db.waitlist.update_one({}, {"$unset": {"scheduleId": ""}})
    db.events.update_one({}, {"$set": {"queues": {"0": {"1": {"waiting": 1}}}}})
    (entry,) = ann.waitlist_entries()
    assert (entry["position"], *(entry[name] for name in AWAITED)) == (1, *[None] * 5)
