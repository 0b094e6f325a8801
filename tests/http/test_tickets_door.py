"""Check-in: each ticket once, for the organizer of its event; online and uploaded later."""

from contextlib import contextmanager
from datetime import timedelta

import pytest

from eventapp.core import json
from eventapp.core.clock import utc_now
from eventapp.core.http.app_context import CONFIG
from eventapp.tickets import check_ins
from eventapp.tickets.rules import MAX_SCANS
from eventapp.tickets.signing_key import Key
from scripts import new_ticket_key
from tests.bookings_factories import Caller, event_of, refused

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def holder(client, app, db):
    return Caller(client, app)


@pytest.fixture
def organizer(client, app, db):
    return Caller(client, app, "organizer")


@pytest.fixture
def event(db, organizer):
    return event_of(db, 10, organizer_id=organizer.id)


@pytest.fixture
def booking(holder, event):
    return holder.book(event, 2)


@pytest.fixture
def codes(holder, booking):
    return codes_of(holder, booking)


def codes_of(holder, booking):
    listed = holder.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    return [ticket["code"] for ticket in listed]


def check_in(caller, event, code):
    return caller.call("POST", f"/events/{event}/check-in", {"code": code})


def scan(code, minutes=5):
    """A scan so many minutes ago."""
    return {"code": code, "scannedAt": json.format_rfc3339(utc_now() - timedelta(minutes=minutes))}


def send(caller, event, *scans):
    answer = caller.call("POST", f"/events/{event}/check-in/batch", {"scans": list(scans)})
    assert answer.status_code == 200, answer.json
    return answer.json["results"]


class TestCheckIn:
    def test_once(self, holder, organizer, event, booking, codes):
        answer = check_in(organizer, event, codes[0])
        assert answer.status_code == 200
        ticket = answer.json
        assert ticket["code"] == codes[0]
        assert ticket["bookingReference"] == booking["bookingReference"]
        assert (ticket["type"], ticket["date"]) == ("A", booking["date"])
        again = refused(check_in(organizer, event, codes[0]), 409, "already_checked_in")
        assert again["checkedInAt"] == ticket["checkedInAt"]
        assert again["ticketId"] == ticket["ticketId"]
        listed = holder.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
        assert [t["checkedInAt"] for t in listed] == [ticket["checkedInAt"], None]
        assert check_in(organizer, event, codes[1]).status_code == 200

    def test_as_scanners_send_it(self, organizer, event, codes):
        assert check_in(organizer, event, f" {codes[0].lower()}\r\n").status_code == 200

    def test_a_forged_one_is_no_ticket(self, db, organizer, event, codes):
        last = "A" if codes[0][-1] != "A" else "B"
        other_key = Key(b"x" * 32).code(event, codes[0].split(".")[2].lower())
        claim, _, signature = codes[0].rpartition(".")
        third_seat = claim.replace("-1-1", "-1-3")
        for code in (
            codes[0][:-1] + last,
            other_key,
            f"{third_seat}.{signature}",
            f"{claim}.",
            claim,
            "x",
            "$" * 400,
            "٣" * 100,
        ):
            refused(check_in(organizer, event, code), 404, "ticket_not_found")
        assert "checkIns" not in db.bookings.find_one()

    def test_another_events_is_none_here(self, db, organizer, codes):
        other = event_of(db, 5, organizer_id=organizer.id)
        refused(check_in(organizer, other, codes[0]), 404, "ticket_not_found")

    def test_a_cancelled_one_is_none(self, holder, organizer, event, booking, codes):
        holder.cancel(booking)
        refused(check_in(organizer, event, codes[0]), 404, "ticket_not_found")

    def test_a_checked_in_one_that_is_cancelled_is_none(
        self, holder, organizer, event, booking, codes
    ):
        check_in(organizer, event, codes[0])
        holder.cancel(booking)
        refused(check_in(organizer, event, codes[0]), 404, "ticket_not_found")
        assert organizer.get(f"/events/{event}/check-in").json["tickets"] == []

    def test_for_its_organizer_and_admins_only(self, client, app, holder, event, codes):
        refused(check_in(holder, event, codes[0]), 403, "forbidden")
        refused(check_in(Caller(client, app, "organizer"), event, codes[0]), 403, "forbidden")
        refused(client.post(f"/api/events/{event}/check-in", json={}), 401, "unauthorized")
        admin = Caller(client, app, "admin")
        refused(check_in(admin, 999, codes[0]), 404, "event_not_found")
        assert check_in(admin, event, codes[0]).status_code == 200

    @pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": 7}, {"code": "x" * 401}, {"c": 1}])
    def test_a_body_that_is_not_valid(self, organizer, event, body):
        answer = organizer.call("POST", f"/events/{event}/check-in", body)
        refused(answer, 400, "validation_error")

    def test_it_is_in_the_persons_export_alone(self, holder, organizer, event, booking, codes):
        check_in(organizer, event, codes[0])
        told = holder.get(f"/users/{holder.id}/export").json["checkIns"]
        assert [each["ticketId"] for each in told] == [f"{booking['_id']}-1-1"]
        assert organizer.get(f"/users/{organizer.id}/export").json["checkIns"] == []


class TestList:
    def test_all_valid_tickets(self, db, client, app, holder, organizer, event, booking, codes):
        check_in(organizer, event, codes[1])
        Caller(client, app).book(event, 1, hold=True)
        other = Caller(client, app)
        gone = Caller(client, app)
        gone.cancel(gone.book(event, 1))
        latest = other.book(event, 1)
        answer = organizer.get(f"/events/{event}/check-in")
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        assert (answer.json["eventId"], answer.json["algorithm"]) == (event, "Ed25519")
        rows = answer.json["tickets"]
        ids = [f"{latest['_id']}-1-1", f"{booking['_id']}-1-1", f"{booking['_id']}-1-2"]
        assert [row["ticketId"] for row in rows] == ids
        assert [row["checkedInAt"] is None for row in rows] == [True, True, False]
        assert rows[0].keys() == {"ticketId", "type", "date", "checkedInAt"}

    @pytest.mark.parametrize("at_once", [1, 2, 3, 7])
    def test_in_batches_none_is_left_out(self, client, app, organizer, event, monkeypatch, at_once):
        monkeypatch.setattr(check_ins, "BOOKINGS_AT_ONCE", at_once)
        made = [Caller(client, app).book(event, 1)["_id"] for _ in range(6)]
        rows = organizer.get(f"/events/{event}/check-in").json["tickets"]
        assert [row["ticketId"][:24] for row in rows] == made[::-1]

    def test_empty(self, organizer, event):
        assert organizer.get(f"/events/{event}/check-in").json["tickets"] == []

    def test_for_its_organizer_and_admins_only(self, client, app, holder, event):
        path = f"/events/{event}/check-in"
        refused(holder.get(path), 403, "forbidden")
        refused(Caller(client, app, "organizer").get(path), 403, "forbidden")
        assert Caller(client, app, "admin").get(path).status_code == 200
        refused(Caller(client, app, "admin").get("/events/999/check-in"), 404, "event_not_found")


class TestBatch:
    def test_each_scan_is_answered_in_its_place(self, organizer, event, codes):
        first, second, late = scan(codes[0]), scan(codes[1]), scan(codes[0], minutes=1)
        results = send(organizer, event, late, {**first, "code": "EVT1.x"}, first, second)
        said = [result["status"] for result in results]
        assert said == ["already_checked_in", "ticket_not_found", "checked_in", "checked_in"]
        assert results[2]["checkedInAt"] == results[0]["checkedInAt"] == first["scannedAt"]

    def test_sent_again_it_answers_the_same_and_changes_nothing(self, db, organizer, event, codes):
        scans = [scan(codes[0]), scan(codes[1]), scan(codes[0], minutes=1), scan("EVT1.x")]
        results = send(organizer, event, *scans)
        stored = list(db.bookings.find())
        assert send(organizer, event, *scans) == results
        assert send(organizer, event, scans[1]) == results[1:2]
        assert list(db.bookings.find()) == stored

    def test_it_meets_what_was_checked_in_online(self, organizer, event, codes):
        online = check_in(organizer, event, codes[0]).json
        (result,) = send(organizer, event, scan(codes[0]))
        assert result["status"] == "already_checked_in"
        assert result["checkedInAt"] == online["checkedInAt"]
        uploaded = scan(codes[1])
        send(organizer, event, uploaded)
        refusal = refused(check_in(organizer, event, codes[1]), 409, "already_checked_in")
        assert refusal["checkedInAt"] == uploaded["scannedAt"]

    def test_a_clock_that_is_fast_says_now(self, organizer, event, codes):
        ahead = scan(codes[0], minutes=-600)
        first = send(organizer, event, ahead)
        assert first[0]["checkedInAt"] <= json.format_rfc3339(utc_now())
        assert send(organizer, event, ahead) == first

    def test_a_body_that_is_not_valid(self, organizer, event):
        good = scan("x")
        bodies = [
            {},
            {"scans": []},
            {"scans": [good] * (MAX_SCANS + 1)},
            {"scans": [{"code": "x"}]},
            {"scans": [{**good, "scannedAt": "today"}]},
            {"scans": [{**good, "scannedAt": "0001-01-01T00:00:00+14:00"}]},
            {"scans": [{**good, "scannedAt": "9999-12-31T23:59:59-14:00"}]},
            {"scans": [{**good, "more": 1}]},
            {"scans": "x"},
        ]
        for body in bodies:
            answer = organizer.call("POST", f"/events/{event}/check-in/batch", body)
            refused(answer, 400, "validation_error")

    def test_for_its_organizer_and_admins_only(self, client, app, db, holder, event, codes):
        body = {"scans": [scan(codes[0])]}
        path = f"/events/{event}/check-in/batch"
        for other in (holder, Caller(client, app, "organizer")):
            refused(other.call("POST", path, body), 403, "forbidden")
        assert "checkIns" not in db.bookings.find_one()


class TestANewKey:
    """`scripts/new_ticket_key.py` on the tests' own store."""

    @pytest.fixture(autouse=True)
    def opened(self, app, monkeypatch):
        @contextmanager
        def opened(_command):
            yield CONFIG.get(app), app.extensions["database"]

        monkeypatch.setattr(new_ticket_key, "opened", opened)

    def test_ends_the_old_codes_and_signs_new_ones(
        self, holder, organizer, event, booking, codes, capsys
    ):
        assert check_in(organizer, event, codes[0]).status_code == 200
        assert new_ticket_key.main(["--yes"]) == 0
        public = organizer.get(f"/events/{event}/check-in").json["publicKey"]
        assert capsys.readouterr().out == f"tickets are signed by a new key: {public}\n"
        for code in codes:
            refused(check_in(organizer, event, code), 404, "ticket_not_found")
        first, second = codes_of(holder, booking)
        refused(check_in(organizer, event, first), 409, "already_checked_in")
        assert check_in(organizer, event, second).status_code == 200

    def test_is_made_only_where_that_is_said(self, holder, booking, codes, capsys):
        with pytest.raises(SystemExit) as ended:
            new_ticket_key.main([])
        assert ended.value.code == 1
        assert "--yes" in capsys.readouterr().err
        assert codes_of(holder, booking) == codes

    def test_is_made_where_there_was_none(self, db):
        assert new_ticket_key.main(["--yes"]) == 0
        assert db["keys"].count_documents({}) == 1
