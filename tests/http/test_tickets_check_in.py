"""Check-in by the organizer of an event, online and uploaded later: each ticket once."""

from contextlib import contextmanager
from datetime import timedelta

import pytest

from eventapp.core import json
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.http.app_context import CONFIG
from eventapp.tickets import check_ins
from eventapp.tickets.rules import MAX_SCANS
from eventapp.tickets.signing_key import TicketKey
from scripts import new_ticket_key
from tests.bookings_factories import Caller, event_of, refused, stock_of

pytestmark = pytest.mark.usefixtures("clean_inventory")


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
    """Return a scan that was made this number of minutes ago."""
    return {"code": code, "scannedAt": json.format_rfc3339(utc_now() - timedelta(minutes=minutes))}


def send(caller, event, *scans):
    answer = caller.call("POST", f"/events/{event}/check-in/batch", {"scans": list(scans)})
    assert answer.status_code == 200, answer.json
    return answer.json["results"]


class TestCheckIn:
    def test_a_ticket_is_checked_in_once(self, holder, organizer, event, booking, codes):
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

    def test_case_and_whitespace_of_a_code_are_ignored(self, organizer, event, codes):
        assert check_in(organizer, event, f" {codes[0].lower()}\r\n").status_code == 200

    def test_a_forged_code_is_refused(self, db, organizer, event, codes):
        last = "A" if codes[0][-1] != "A" else "B"
        other_key = TicketKey(b"x" * 32).sign(event, codes[0].split(".")[2].lower())
        payload, _, signature = codes[0].rpartition(".")
        third_ticket = payload.replace("-1-1", "-1-3")
        for code in (
            codes[0][:-1] + last,
            other_key,
            f"{third_ticket}.{signature}",
            f"{payload}.",
            payload,
            "x",
            "$" * 400,
            "٣" * 100,
        ):
            refused(check_in(organizer, event, code), 404, "ticket_not_found")
        assert "checkIns" not in db.bookings.find_one()

    def test_a_ticket_of_another_event_is_refused(self, db, organizer, codes):
        other = event_of(db, 5, organizer_id=organizer.id)
        refused(check_in(organizer, other, codes[0]), 404, "ticket_not_found")

    def test_a_ticket_of_a_cancelled_booking_is_refused(
        self, holder, organizer, event, booking, codes
    ):
        holder.cancel(booking)
        refused(check_in(organizer, event, codes[0]), 404, "ticket_not_found")

    @pytest.mark.parametrize("role", ["attendee", "organizer", "admin"])
    def test_a_booking_with_a_checked_in_ticket_cannot_be_cancelled(
        self, db, client, app, holder, organizer, event, booking, codes, role
    ):
        check_in(organizer, event, codes[0])
        before = db.bookings.find_one()
        caller = {"attendee": holder, "organizer": organizer, "admin": Caller(client, app, "admin")}
        for _again in range(2):
            refused(caller[role].cancel(booking), 409, "ticket_checked_in")
        assert db.bookings.find_one() == before
        assert stock_of(db, event) == (8, 2, 0, 0)
        assert check_in(organizer, event, codes[1]).status_code == 200

    def test_the_cancellation_of_the_event_refunds_checked_in_tickets_too(
        self, db, holder, organizer, event, booking, codes
    ):
        check_in(organizer, event, codes[0])
        assert organizer.call("POST", f"/events/{event}/cancel").status_code == 200
        cancelled = holder.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
        assert (cancelled["status"], cancelled["refund"]["amount"]) == ("cancelled", 40)
        refused(check_in(organizer, event, codes[0]), 404, "ticket_not_found")
        assert organizer.get(f"/events/{event}/check-in").json["tickets"] == []

    def test_only_the_organizer_and_admins_are_allowed(self, client, app, holder, event, codes):
        refused(check_in(holder, event, codes[0]), 403, "forbidden")
        refused(check_in(Caller(client, app, "organizer"), event, codes[0]), 403, "forbidden")
        refused(client.post(f"/api/events/{event}/check-in", json={}), 401, "unauthorized")
        admin = Caller(client, app, "admin")
        refused(check_in(admin, 999, codes[0]), 404, "event_not_found")
        assert check_in(admin, event, codes[0]).status_code == 200

    @pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": 7}, {"code": "x" * 401}, {"c": 1}])
    def test_an_invalid_body_is_refused(self, organizer, event, body):
        answer = organizer.call("POST", f"/events/{event}/check-in", body)
        refused(answer, 400, "validation_error")

    def test_a_check_in_is_exported_for_the_holder_only(
        self, holder, organizer, event, booking, codes
    ):
        check_in(organizer, event, codes[0])
        exported = holder.get(f"/users/{holder.id}/export").json["checkIns"]
        assert [each["ticketId"] for each in exported] == [f"{booking['_id']}-1-1"]
        assert organizer.get(f"/users/{organizer.id}/export").json["checkIns"] == []


class TestChosenTickets:
    """Tickets of persons who were found by name in the list of the door."""

    def test_a_chosen_ticket_is_checked_in_once(self, organizer, event, codes):
        ticket_id = organizer.get(f"/events/{event}/check-in").json["tickets"][0]["ticketId"]
        path = f"/events/{event}/check-in"
        answer = organizer.call("POST", path, {"ticketId": ticket_id})
        assert (answer.status_code, answer.json["ticketId"]) == (200, ticket_id)
        assert answer.json["code"] in codes
        again = refused(
            organizer.call("POST", path, {"ticketId": ticket_id}), 409, "already_checked_in"
        )
        assert again["checkedInAt"] == answer.json["checkedInAt"]
        refused(check_in(organizer, event, answer.json["code"]), 409, "already_checked_in")

    def test_a_chosen_ticket_is_uploaded_with_scans(self, organizer, event, booking, codes):
        chosen = {**scan(codes[0]), "ticketId": f"{booking['_id']}-1-1"}
        del chosen["code"]
        first = send(organizer, event, chosen, scan(codes[1]))
        assert [each["status"] for each in first] == ["checked_in", "checked_in"]
        assert send(organizer, event, chosen)[0] == first[0]
        (later,) = send(organizer, event, scan(codes[0], minutes=1))
        assert (later["status"], later["checkedInBy"]) == ("already_checked_in", None)

    def test_no_ticket_of_another_event_can_be_chosen(self, db, organizer, event, booking):
        other = event_of(db, 5, organizer_id=organizer.id)
        for ticket_id in (f"{booking['_id']}-1-1", f"{booking['_id']}-1-3", "x"):
            answer = organizer.call("POST", f"/events/{other}/check-in", {"ticketId": ticket_id})
            refused(answer, 404, "ticket_not_found")
        check_in_answer = organizer.call(
            "POST", f"/events/{event}/check-in", {"ticketId": f"{booking['_id']}-1-1"}
        )
        assert check_in_answer.status_code == 200
        refused(
            organizer.call(
                "POST", f"/events/{other}/check-in", {"ticketId": f"{booking['_id']}-1-1"}
            ),
            404,
            "ticket_not_found",
        )

    def test_a_body_names_either_a_code_or_a_ticket(self, organizer, event, booking, codes):
        body = {"code": codes[0], "ticketId": f"{booking['_id']}-1-1"}
        answer = organizer.call("POST", f"/events/{event}/check-in", body)
        refused(answer, 400, "validation_error")


class TestList:
    def test_all_valid_tickets_are_listed(
        self, db, client, app, holder, organizer, event, booking, codes
    ):
        check_in(organizer, event, codes[1])
        Caller(client, app).book(event, 1, hold=True)
        other = Caller(client, app)
        gone = Caller(client, app)
        gone.cancel(gone.book(event, 1))
        latest = other.book(event, 1)
        answer = organizer.get(f"/events/{event}/check-in")
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert (answer.json["eventId"], answer.json["algorithm"]) == (event, "Ed25519")
        rows = answer.json["tickets"]
        ids = [f"{latest['_id']}-1-1", f"{booking['_id']}-1-1", f"{booking['_id']}-1-2"]
        assert [row["ticketId"] for row in rows] == ids
        assert [row["checkedInAt"] is None for row in rows] == [True, True, False]
        assert rows[0].keys() == {
            *("ticketId", "type", "name", "scheduleId", "date", "startsAt", "checkedInAt"),
        }

    @pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
    def test_batches_leave_no_ticket_out(
        self, client, app, organizer, event, monkeypatch, batch_size
    ):
        monkeypatch.setattr(check_ins, "BATCH_SIZE", batch_size)
        booking_ids = [Caller(client, app).book(event, 1)["_id"] for _ in range(6)]
        rows = organizer.get(f"/events/{event}/check-in").json["tickets"]
        assert [row["ticketId"][:24] for row in rows] == booking_ids[::-1]

    def test_an_event_without_bookings_has_an_empty_list(self, organizer, event):
        assert organizer.get(f"/events/{event}/check-in").json["tickets"] == []

    def test_only_the_organizer_and_admins_are_allowed(self, client, app, holder, event):
        path = f"/events/{event}/check-in"
        refused(holder.get(path), 403, "forbidden")
        refused(Caller(client, app, "organizer").get(path), 403, "forbidden")
        assert Caller(client, app, "admin").get(path).status_code == 200
        refused(Caller(client, app, "admin").get("/events/999/check-in"), 404, "event_not_found")


class TestBatch:
    def test_results_are_in_the_order_of_the_scans(self, organizer, event, codes):
        first, second, late = scan(codes[0]), scan(codes[1]), scan(codes[0], minutes=1)
        results = send(organizer, event, late, {**first, "code": "EVT1.x"}, first, second)
        statuses = [result["status"] for result in results]
        assert statuses == ["already_checked_in", "ticket_not_found", "checked_in", "checked_in"]
        assert results[2]["checkedInAt"] == results[0]["checkedInAt"] == first["scannedAt"]

    def test_a_batch_sent_again_changes_nothing_and_is_answered_the_same(
        self, db, organizer, event, codes
    ):
        scans = [scan(codes[0]), scan(codes[1]), scan(codes[0], minutes=1), scan("EVT1.x")]
        results = send(organizer, event, *scans)
        stored = list(db.bookings.find())
        assert send(organizer, event, *scans) == results
        assert send(organizer, event, scans[1]) == results[1:2]
        assert list(db.bookings.find()) == stored

    def test_online_and_offline_check_ins_exclude_each_other(self, organizer, event, codes):
        online = check_in(organizer, event, codes[0]).json
        (result,) = send(organizer, event, scan(codes[0]))
        assert result["status"] == "already_checked_in"
        assert result["checkedInAt"] == online["checkedInAt"]
        uploaded = scan(codes[1])
        send(organizer, event, uploaded)
        refusal = refused(check_in(organizer, event, codes[1]), 409, "already_checked_in")
        assert refusal["checkedInAt"] == uploaded["scannedAt"]

    def test_a_scan_time_in_the_future_counts_as_now(self, organizer, event, codes):
        ahead = scan(codes[0], minutes=-600)
        first = send(organizer, event, ahead)
        assert first[0]["checkedInAt"] <= json.format_rfc3339(utc_now())
        assert send(organizer, event, ahead) == first

    def test_an_invalid_body_is_refused(self, organizer, event):
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

    def test_only_the_organizer_and_admins_are_allowed(self, client, app, db, holder, event, codes):
        body = {"scans": [scan(codes[0])]}
        path = f"/events/{event}/check-in/batch"
        for other in (holder, Caller(client, app, "organizer")):
            refused(other.call("POST", path, body), 403, "forbidden")
        assert "checkIns" not in db.bookings.find_one()


class TestReplacingTheKey:
    """`scripts/new_ticket_key.py` on the database of the test."""

    @pytest.fixture(autouse=True)
    def use_test_database(self, app, monkeypatch):
        @contextmanager
        def open_database(_command):
            yield CONFIG.get(app), OPEN_DATABASE.get(app)

        monkeypatch.setattr(new_ticket_key, "open_configured_database", open_database)

    def test_old_codes_become_invalid_and_new_ones_are_issued(
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

    def test_it_needs_an_explicit_confirmation(self, holder, booking, codes, capsys):
        with pytest.raises(SystemExit) as ended:
            new_ticket_key.main([])
        assert ended.value.code == 1
        assert "--yes" in capsys.readouterr().err
        assert codes_of(holder, booking) == codes

    def test_a_key_is_created_if_there_was_none(self, db):
        assert new_ticket_key.main(["--yes"]) == 0
        assert db["keys"].count_documents({}) == 1
