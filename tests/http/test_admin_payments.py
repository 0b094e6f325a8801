"""Admins list payments, see what fails and try it again; organizers export their own money."""

import csv
import io
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.analytics import csv_tables, money_tables
from eventapp.bookings.ledger import service as ledger
from eventapp.core.clock import utc_now
from eventapp.core.json import format_rfc3339
from eventapp.payments.providers import Providers
from tests import payments, sales
from tests.bookings_factories import (
    Caller,
    RecordingProvider,
    changed,
    context_of,
    event_of,
    refused,
)

HOUR = timedelta(hours=1)
ROW_NAMES = {
    *("paymentId", "bookingId", "bookingReference", "eventId", "eventTitle", "organizerId"),
    *("userId", "status", "state", "provider", "charged", "refunded", "fee", "currency"),
    *("attempts", "refunds", "failure", "createdAt", "updatedAt"),
}


@pytest.fixture
def event(db, host):
    (made,) = sales.events_of(db, [host.id])
    return made


def insert(db, *bookings):
    db.bookings.insert_many(bookings)
    return [str(each["_id"]) for each in bookings]


def fail(db, booking_id, kind="refund", error="PaymentRefused: the card is closed", attempts=3):
    """Record that the worker could not do something about a booking."""
    now, key = utc_now(), ObjectId(booking_id)
    record = {"_id": f"{kind}:{key}", "kind": kind, "key": key, "attempts": attempts}
    record |= {"error": error, "firstFailedAt": now, "lastFailedAt": now}
    db.failedWork.insert_one({**record, "nextAttemptAt": now + HOUR, "setAsideAt": None})


def listed(root, query=""):
    answer = root.get(f"/admin/payments{query}")
    assert answer.status_code == 200, answer.json
    return [row["paymentId"] for row in answer.json["payments"]]


def test_a_payment_has_its_attempts_and_refunds(db, event, root, host):
    now = utc_now()
    refused_first = payments.attempt("refused", at=now, refusal="card_declined")
    paid = payments.attempt(cents=3000, at=now, feeCents=72, providerId="pi_1")
    late = payments.attempt(
        cents=3000, at=now, refund=payments.refund(30, "hold_expired", at=now, refundId="re_1")
    )
    part = {"places": ["1-3"], "refund": payments.refund(10, "part_cancelled", at=now + HOUR)}
    booking = payments.paid_booking(
        event, "refunding", refused_first, late, paid, at=now, cancellations=[part]
    )
    (id_,) = insert(db, booking)
    (row,) = root.get("/admin/payments").json["payments"]
    assert row.keys() == ROW_NAMES
    assert (row["paymentId"], row["bookingId"], row["organizerId"]) == (id_, id_, str(host.id))
    assert (row["bookingReference"], row["userId"]) == (
        booking["bookingReference"],
        str(booking["userId"]),
    )
    assert (row["status"], row["state"], row["provider"]) == ("confirmed", "refunding", "stripe")
    assert (row["charged"], row["refunded"], row["fee"]) == (60, 30, 0.72)
    assert row["attempts"][0] == {
        "attemptId": str(refused_first["attemptId"]),
        "provider": "stripe",
        "amount": 10,
        "state": "refused",
        "begunAt": format_rfc3339(now),
        "succeededAt": None,
        "providerId": None,
        "refusal": "card_declined",
    }
    assert row["attempts"][2]["providerId"] == "pi_1"
    assert row["refunds"] == [
        {
            "amount": 30,
            "reason": "hold_expired",
            "decidedAt": format_rfc3339(now),
            "refundId": "re_1",
            "failure": None,
        },
        {
            "amount": 10,
            "reason": "part_cancelled",
            "decidedAt": format_rfc3339(now + HOUR),
            "refundId": None,
            "failure": None,
        },
    ]
    assert row["failure"] is None


def test_payments_are_listed_newest_first_and_filtered(db, event, root):
    now = utc_now()
    (other,) = sales.events_of(db, [ObjectId()])
    old, failed, unknown, new = insert(
        db,
        payments.paid_booking(event, at=now - 3 * HOUR),
        payments.paid_booking(event, "failed", at=now - 2 * HOUR),
        payments.paid_booking(other, "unknown", payments.attempt("unknown", provider="mock"),
                              at=now - HOUR),
        payments.paid_booking(other, at=now),
    )  # fmt: skip
    db.bookings.insert_one(sales.booking(event, status="confirmed", at=now, taken={1: 1}, price=0))
    assert listed(root) == [new, unknown, failed, old]
    assert listed(root, "?state=failed") == [failed]
    assert listed(root, "?provider=mock") == [unknown]
    assert listed(root, f"?eventId={event['eventId']}") == [failed, old]
    assert listed(root, f"?eventId={event['eventId']}&state=succeeded") == [old]
    since, until = format_rfc3339(now - 2 * HOUR), format_rfc3339(now)
    assert listed(root, f"?since={since}&until={until}") == [unknown, failed]
    assert listed(root, "?state=processing") == []
    for query in ("state=lost", "provider=No", "eventId=0", "since=yesterday", "until=2026-01-01"):
        refused(root.get(f"/admin/payments?{query}"), 400, "validation_error")


def test_a_cursor_keeps_the_filters(db, event, root):
    now = utc_now()
    ids = insert(
        db,
        *(
            payments.paid_booking(event, ("failed", "succeeded")[number % 2], at=now)
            for number in range(6)
        ),
    )
    query = f"?state=failed&limit=2&until={format_rfc3339(now + HOUR)}"
    first = root.get(f"/admin/payments{query}").json
    second = root.get(f"/admin/payments?cursor={first['nextCursor']}&limit=2").json
    found = [row["paymentId"] for row in (*first["payments"], *second["payments"])]
    assert sorted(found) == sorted(ids[::2])
    assert (first["total"], second["page"], second["nextCursor"]) == (3, 2, None)


def test_a_refused_refund_is_shown_with_its_error_and_its_next_try(db, event, root):
    unpaid = payments.refund(10, failure={"at": utc_now(), "reason": "card_closed"})
    id_, asking = insert(
        db,
        payments.paid_booking(event, "failed", status="cancelled", active=False, refund=unpaid),
        payments.paid_booking(event, "unknown", payments.attempt("unknown")),
    )
    fail(db, id_)
    fail(db, asking, "payment", "PaymentUnavailable: timed out", attempts=1)
    (row,) = root.get("/admin/payments?state=failed").json["payments"]
    assert row["refunds"][0]["failure"]["reason"] == "card_closed"
    next_attempt_at = db.failedWork.find_one({"kind": "refund"})["nextAttemptAt"]
    assert row["failure"] == {
        "error": "PaymentRefused: the card is closed",
        "attempts": 3,
        "nextAttemptAt": format_rfc3339(next_attempt_at),
        "setAside": False,
    }
    (row,) = root.get("/admin/payments?state=unknown").json["payments"]
    assert row["failure"]["error"] == "PaymentUnavailable: timed out"


def test_a_payment_that_does_not_exist_cannot_be_tried_again(db, event, root):
    free = sales.booking(event, status="confirmed", at=utc_now(), taken={1: 1}, price=0)
    db.bookings.insert_one(free)
    for id_ in (ObjectId(), free["_id"]):
        refused(root.call("POST", f"/admin/payments/{id_}/retry"), 404, "payment_not_found")


def test_only_admins_try_payments_again(db, event, host, ann, client):
    (id_,) = insert(db, payments.paid_booking(event))
    for caller in (host, ann):
        refused(caller.call("POST", f"/admin/payments/{id_}/retry"), 403, "forbidden")
    assert client.post(f"/api/admin/payments/{id_}/retry").status_code == 401


@pytest.fixture
def provider(app):
    recording = RecordingProvider()
    with changed(context_of(app), payments=Providers(recording)):
        yield recording


def retry(root, booking):
    answer = root.call("POST", f"/admin/payments/{booking['_id']}/retry")
    assert answer.status_code == 200, answer.json
    return answer.json


@pytest.mark.parametrize("how", ["refuses", "is down"])
def test_a_refund_that_failed_is_paid_by_a_retry(db, host, root, holder, provider, how):
    event_id = event_of(db, 5, organizer_id=host.id)
    booking = holder.confirm(holder.book(event_id, 2, hold=True)).json["data"]["booking"]
    (row,) = root.get(f"/admin/payments?eventId={event_id}").json["payments"]
    assert (row["state"], row["charged"], row["refunded"]) == ("succeeded", 40, 0)
    attempt_id = ObjectId(row["attempts"][0]["attemptId"])
    if how == "refuses":
        provider.refuses_refunds_of.add(attempt_id)
    else:
        provider.is_down = True
    assert holder.cancel(booking).status_code == 200
    (failed,) = root.get("/admin/payments?state=failed").json["payments"]
    assert failed["paymentId"] == booking["_id"]
    assert (failed["refunded"], failed["failure"]["attempts"]) == (0, 1)
    assert failed["refunds"][0]["failure"] is not None
    again = retry(root, booking)
    assert (again["state"], again["failure"]["attempts"]) == ("failed", 2)
    provider.refuses_refunds_of.clear()
    provider.is_down = False
    for _ in range(2):
        paid = retry(root, booking)
        assert (paid["state"], paid["charged"], paid["refunded"]) == ("refunded", 40, 40)
        assert paid["failure"] is None
        assert paid["refunds"][0]["refundId"]
    assert sum(provider.returned.values()) == 4000
    assert listed(root, "?state=failed") == []
    ledger.copy_entries(db, utc_now())
    rows = rows_of(root.get("/admin/payments.csv"))
    assert [(row["provider"], row["providerId"]) for row in rows] == [
        ("recording", paid["attempts"][0]["providerId"]),
        ("recording", paid["refunds"][0]["refundId"]),
    ]
    assert db.failedWork.count_documents({}) == 0


# Tables of money.


def rows_of(answer):
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8"
    text = answer.get_data()
    assert text.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(text[3:].decode(), newline="")))


def test_a_table_has_each_entry_that_moved_money(db, event, root, host, holder):
    now = utc_now()
    booking = payments.paid_booking(event, at=now)
    first = booking["entries"][0]
    nothing = dict.fromkeys(("bookings", "held", "sold", "cents", "discount", "paid"), 0)
    rest = [
        {"kind": "fee", "fee": 39, "provider": "stripe", "providerId": "pi_1"},
        {"kind": "cancelled", "bookings": -1, "sold": -1},
        {"kind": "refunded", "paid": -1000, "provider": "stripe", "providerId": "re_1"},
    ]
    booking["entries"] += [{**first, **nothing, **each} for each in rest]
    for entry in booking["entries"][1:]:
        entry.setdefault("provider", None)
    del booking["entries"][2]["provider"]
    old = sales.booking(event, status="confirmed", at=now, taken={1: 1}, price=12.5)
    for name in ("provider", "providerId"):
        del old["entries"][0][name]
    db.bookings.insert_many([booking, old])
    ledger.copy_entries(db, now)
    rows = rows_of(root.get("/admin/payments.csv"))
    table = [
        tuple(
            row[name] for name in ("kind", "provider", "providerId", "charged", "refunded", "fee")
        )
        for row in rows
    ]
    assert sorted(table) == [
        ("fee", "stripe", "pi_1", "0", "0", "0.39"),
        ("refunded", "stripe", "re_1", "0", "10", "0"),
        ("sold", "legacy", "", "12.50", "0", "0"),
        ("sold", "stripe", "", "10", "0", "0"),
    ]
    assert {row["bookingReference"] for row in rows} == {
        booking["bookingReference"],
        old["bookingReference"],
    }
    assert [int(row["number"]) for row in rows] == sorted(int(row["number"]) for row in rows)
    assert {row["time"] for row in rows} == {format_rfc3339(now)}
    assert {(row["eventId"], row["currency"]) for row in rows} == {(str(event["eventId"]), "EUR")}
    for path in ("/analytics/payments.csv", f"/events/{event['eventId']}/payments.csv"):
        assert rows_of(host.get(path)) == rows
    figures = host.get("/analytics/overview").json
    assert [figures[name] for name in ("charged", "refunded", "fees")] == [22.5, 10, 0.39]


def test_a_table_is_read_in_parts(db, event, root, monkeypatch):
    monkeypatch.setattr(money_tables, "ROWS_PER_QUERY", 3)
    db.bookings.insert_many([payments.paid_booking(event) for _ in range(10)])
    free = [
        sales.booking(event, status="confirmed", at=utc_now(), taken={1: 1}, price=0)
        for _ in range(5)
    ]
    db.bookings.insert_many(free)
    assert ledger.copy_entries(db, utc_now()) == 15
    numbers = [row["number"] for row in rows_of(root.get("/admin/payments.csv"))]
    assert len(set(numbers)) == len(numbers) == 10


def test_no_organizer_sees_the_money_of_another(db, app, client, event, host, root):
    other = Caller(client, app, "organizer")
    (foreign,) = sales.events_of(db, [other.id])
    mine, theirs = payments.paid_booking(event), payments.paid_booking(foreign)
    db.bookings.insert_many([mine, theirs])
    ledger.copy_entries(db, utc_now())

    def references(caller, path):
        return [row["bookingReference"] for row in rows_of(caller.get(path))]

    assert references(host, "/analytics/payments.csv") == [mine["bookingReference"]]
    assert references(other, "/analytics/payments.csv") == [theirs["bookingReference"]]
    assert len(references(root, "/analytics/payments.csv")) == 2
    path = f"/events/{event['eventId']}/payments.csv"
    assert references(root, path) == references(host, path) == [mine["bookingReference"]]
    refused(other.get(path), 403, "forbidden")
    refused(host.get("/admin/payments.csv"), 403, "forbidden")
    refused(root.get("/events/999/payments.csv"), 404, "event_not_found")


def test_titles_are_no_formulas_and_names_are_not_in_the_table(db, host, holder):
    event_id = event_of(db, 5, title='=HYPERLINK("x","y")', organizer_id=host.id)
    holder.book(event_id)
    ledger.copy_entries(db, utc_now())
    answer = host.get("/analytics/payments.csv")
    (row,) = rows_of(answer)
    assert row["eventTitle"] == '\'=HYPERLINK("x","y")'
    user = db.users.find_one({"_id": holder.id})
    for secret in (user["name"], user["email"], str(holder.id)):
        assert secret.encode() not in answer.get_data()
    assert 'filename="payments.csv"' in answer.headers["Content-Disposition"]


def test_an_organizer_who_loses_the_role_gets_no_more_rows(db, event, host, monkeypatch):
    monkeypatch.setattr(csv_tables, "ROWS_PER_CHUNK", 1)
    monkeypatch.setattr(money_tables, "RECHECK_SECONDS", 0.0)
    db.bookings.insert_many([payments.paid_booking(event) for _ in range(3)])
    ledger.copy_entries(db, utc_now())
    answer = host.get("/analytics/payments.csv")
    parts = iter(answer.response)
    next(parts)
    next(parts)
    db.sessions.update_many({"userId": host.id}, {"$set": {"role": "attendee"}})
    with pytest.raises(money_tables.Forbidden):
        list(parts)
