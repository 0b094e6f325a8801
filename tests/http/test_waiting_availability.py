"""Tickets that belong to the waitlist are shown to nobody as available."""

import pytest

from eventapp.core.clock import utc_now
from eventapp.events import live_states
from eventapp.events.alerts import alert_low_tickets
from eventapp.jobs.service import NEVER_RUN
from tests.bookings_factories import Caller, context_of, event_of, later, refused, types


def add_tickets(db, event_id, available=3):
    """Put tickets back that are not offered yet, as a crash between both leaves them."""
    stock = {"ticketTypes.0.availableTickets": available, "ticketTypes.0.capacity": available + 1}
    db.events.update_one(
        {"eventId": event_id},
        {
            "$set": {**stock, "available": available},
            "$inc": {"rev": 1},
            "$currentDate": {"changedAt": True},
        },
    )


@pytest.fixture
def waited(db, app, ann, bob, host):
    """An event with 3 tickets left, for which somebody waits."""
    event_id = event_of(db, ticketTypes=types(1), organizer_id=host.id)
    ann.book(event_id)
    bob.wait(event_id)
    add_tickets(db, event_id)
    context_of(app).event_changes.event_changed(event_id)
    return event_id


def find_shown(caller, event_id):
    """Return what each answer with events shows of an event: available tickets and `soldOut`."""
    shown = {}
    caller.call("POST", "/favorites", {"eventId": event_id})
    for path in (
        "/events",
        "/events?search=sample",
        "/events?minPrice=1",
        "/events/popular",
        "/favorites",
    ):
        for row in caller.get(path).json["events"]:
            shown[path] = row
    shown["show"] = caller.get(f"/events/{event_id}").json
    shown["recoms"] = caller.call("POST", "/recoms", ["other"]).json[0]
    shown["android"] = caller.client.get("/android/api/events").json[0]
    return {
        name: (each["ticketTypes"][0]["availableTickets"], each["soldOut"])
        for name, each in shown.items()
    }


def test_the_public_sees_none_of_them(db, ann, waited):
    shown = find_shown(ann, waited)
    assert len(shown) == 8
    assert set(shown.values()) == {(0, True)}
    (ticket_type,) = ann.get(f"/events/{waited}/ticket-types").json["ticketTypes"]
    assert ticket_type["availableTickets"] == 0
    buyer = Caller(ann.client, ann.client.application)
    body = refused(buyer.order(waited, ticketTypeId=1, quantity=1), 409, "sold_out")
    assert all(each["availableTickets"] == 0 for each in body.get("ticketTypes", []))
    live = live_states.find_live_states(db, [waited], utc_now())[waited].availability
    assert (live["ticketTypes"][0]["availableTickets"], live["soldOut"]) == (0, True)


@pytest.mark.parametrize("query", ["", "&minPrice=1", "&search=sample", "&maxPrice=50&city=volos"])
def test_lists_of_available_events_leave_the_event_out(db, ann, host, waited, query):
    other = event_of(db, 5)
    for caller in (ann, host):
        listed = caller.get(f"/events?availableOnly=true{query}").json["events"]
        assert [row["eventId"] for row in listed] == [other]
    mine = host.get("/events?mine=true&availableOnly=true").json["events"]
    assert mine == []


def test_the_organizer_sees_the_stored_figure(host, root, waited):
    for caller in (host, root):
        (ticket_type,) = caller.get(f"/events/{waited}").json["ticketTypes"]
        assert ticket_type["availableTickets"] == 3


def test_the_event_is_available_again_once_nobody_waits(db, ann, bob, waited):
    assert find_shown(ann, waited)["show"] == (0, True)
    assert bob.call("DELETE", f"/waitlist/{waited}").status_code == 200
    assert set(find_shown(ann, waited).values()) == {(3, False)}
    assert ann.get("/events?availableOnly=true").json["total"] == 1


def test_no_alert_tells_of_tickets_for_the_waiting(db, ann, waited):
    ann.call("POST", "/favorites", {"eventId": waited})
    db.events.update_one({"eventId": waited}, {"$set": {"ticketTypes.0.capacity": 100}})
    assert alert_low_tickets(db, "https://x.example", NEVER_RUN, later()) == 0
    db.events.update_one({"eventId": waited}, {"$set": {"ticketTypes.0.waiting": 0}})
    assert alert_low_tickets(db, "https://x.example", NEVER_RUN, later()) == 1
