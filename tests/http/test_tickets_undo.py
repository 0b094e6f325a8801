"""An undo removes a check-in, and offline scans from before it check nothing in any more."""

from datetime import timedelta

import pytest

from eventapp.core import json
from eventapp.core.clock import utc_now
from tests.api_tokens import TokenCaller
from tests.bookings_factories import event_of, refused
from tests.devices import Device
from tests.teams import add_member


@pytest.fixture
def event(db, host):
    return event_of(db, 10, organizer_id=host.id)


@pytest.fixture
def booking(ann, event):
    return ann.book(event, 2)


@pytest.fixture
def tickets(ann, booking):
    return ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]


def check_in(caller, event, ticket):
    return caller.call("POST", f"/events/{event}/check-in", {"code": ticket["code"]})


def undo(caller, event, ticket):
    return caller.call("POST", f"/events/{event}/check-in/undo", {"ticketId": ticket["ticketId"]})


def scan(ticket, minutes):
    """Return a scan that was made this number of minutes ago."""
    moment = json.format_rfc3339(utc_now() - timedelta(minutes=minutes))
    return {"code": ticket["code"], "scannedAt": moment}


def upload(caller, event, *scans):
    answer = caller.call("POST", f"/events/{event}/check-in/batch", {"scans": list(scans)})
    return answer.json["results"]


def list_checked_in(host, event):
    rows = host.get(f"/events/{event}/check-in").json["tickets"]
    return {row["ticketId"] for row in rows if row["checkedInAt"]}


def test_an_undone_ticket_can_be_checked_in_again(host, event, tickets):
    check_in(host, event, tickets[0])
    answer = undo(host, event, tickets[0])
    assert answer.status_code == 200
    undone_at = answer.json.pop("undoneAt")
    assert answer.json["checkedInAt"] is None
    assert (answer.json["ticketId"], answer.json["type"]) == (tickets[0]["ticketId"], "A")
    assert undone_at <= json.format_rfc3339(utc_now())
    assert list_checked_in(host, event) == set()
    refused(undo(host, event, tickets[0]), 409, "not_checked_in")
    assert check_in(host, event, tickets[0]).status_code == 200
    assert list_checked_in(host, event) == {tickets[0]["ticketId"]}


def test_the_holder_sees_the_undo(ann, host, event, booking, tickets):
    for ticket in tickets:
        check_in(host, event, ticket)
    undo(host, event, tickets[1])
    listed = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    assert [ticket["checkedInAt"] is None for ticket in listed] == [False, True]
    exported = ann.get(f"/users/{ann.id}/export").json
    assert [each["ticketId"] for each in exported["checkIns"]] == [tickets[0]["ticketId"]]
    assert [each["ticketId"] for each in exported["undoneCheckIns"]] == [tickets[1]["ticketId"]]


def test_lists_of_attendees_follow_the_undo(host, event, tickets):
    def list_ids(checked_in):
        rows = host.get(f"/events/{event}/attendees?checkedIn={checked_in}").json["attendees"]
        return {row["ticketId"] for row in rows}

    ids = {ticket["ticketId"] for ticket in tickets}
    check_in(host, event, tickets[0])
    assert (list_ids("true"), list_ids("false")) == (
        {tickets[0]["ticketId"]},
        ids - list_ids("true"),
    )
    undo(host, event, tickets[0])
    assert (list_ids("true"), list_ids("false")) == (set(), ids)


def test_a_booking_whose_check_ins_were_undone_can_be_cancelled(ann, host, event, booking, tickets):
    for ticket in tickets:
        check_in(host, event, ticket)
    undo(host, event, tickets[0])
    refused(ann.cancel(booking), 409, "ticket_checked_in")
    undo(host, event, tickets[1])
    assert ann.cancel(booking).status_code == 200
    refused(undo(host, event, tickets[1]), 404, "ticket_not_found")


def test_a_scan_from_before_the_undo_checks_nothing_in(host, event, tickets):
    early, late = scan(tickets[0], 10), scan(tickets[0], 5)
    assert upload(host, event, late)[0]["status"] == "checked_in"
    undone_at = undo(host, event, tickets[0]).json["undoneAt"]
    expected = {"status": "undone", "ticketId": tickets[0]["ticketId"], "undoneAt": undone_at}
    assert upload(host, event, early, late) == [expected, expected]
    at_once = {"code": tickets[0]["code"], "scannedAt": undone_at}
    assert upload(host, event, at_once) == [expected]
    assert list_checked_in(host, event) == set()
    later = scan(tickets[0], -1)
    assert upload(host, event, early, later)[1]["status"] == "checked_in"
    # The early scan stays undone, also while the ticket is checked in by another one.
    assert upload(host, event, early) == [expected]
    assert upload(host, event, later)[0]["status"] == "checked_in"


def test_an_undone_scan_of_a_clock_that_is_ahead_checks_nothing_in(host, event, tickets):
    first, second = scan(tickets[0], -60), scan(tickets[0], -30)
    for ahead in (first, second):
        assert upload(host, event, ahead)[0]["status"] == "checked_in"
        assert undo(host, event, tickets[0]).status_code == 200
    results = upload(host, event, first, second)
    assert [each["status"] for each in results] == ["undone", "undone"]
    assert upload(host, event, scan(tickets[0], -45))[0]["status"] == "checked_in"


def test_an_undo_of_another_ticket_or_event_is_refused(db, host, event, tickets):
    other = event_of(db, 5, organizer_id=host.id)
    check_in(host, event, tickets[0])
    refused(undo(host, other, tickets[0]), 404, "ticket_not_found")
    for ticket_id in ("x", tickets[0]["ticketId"][:-1] + "9", "0" * 24 + "-1-1"):
        refused(undo(host, event, {"ticketId": ticket_id}), 404, "ticket_not_found")
    for body in ({}, {"ticketId": 1}, {"ticketId": ""}, {"code": "x"}):
        answer = host.call("POST", f"/events/{event}/check-in/undo", body)
        refused(answer, 400, "validation_error")
    assert list_checked_in(host, event) == {tickets[0]["ticketId"]}


def test_only_managers_with_a_session_undo(db, host, root, ann, bob, event, tickets):
    check_in(host, event, tickets[0])
    for program in (TokenCaller(host, db), Device(host, event)):
        refused(undo(program, event, tickets[0]), 403, "scope_missing")
    refused(undo(ann, event, tickets[0]), 403, "forbidden")
    for role in ("door", "viewer"):
        add_member(db, host, bob, role)
        refused(undo(bob, event, tickets[0]), 403, "forbidden")
    for caller in (bob, root):
        add_member(db, host, bob, "manager")
        assert undo(caller, event, tickets[0]).status_code == 200
        check_in(host, event, tickets[0])
