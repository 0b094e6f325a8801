"""The health report and the metrics count what waits for a payment provider."""

from datetime import timedelta

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from eventapp.bookings import payment_health, store_payment_health
from eventapp.core.clock import utc_now
from tests import payments, sales

OLD = timedelta(minutes=20)


@pytest.fixture
def waiting(db, host):
    """Store two open refunds, of which one fails, and a payment that is unknown."""
    (event,) = sales.events_of(db, [host.id])
    now, unpaid = utc_now(), payments.refund(10)
    ended = {"status": "cancelled", "active": False, "refund": unpaid}
    failing, open_, unknown, fine = (
        payments.paid_booking(event, "failed", **ended, refundDueAt=now - OLD),
        payments.paid_booking(event, "refunding", **ended, refundDueAt=now),
        payments.paid_booking(event, "unknown", payments.attempt("unknown")),
        payments.paid_booking(event),
    )
    db.bookings.insert_many([failing, open_, unknown, fine])
    record = {"_id": f"refund:{failing['_id']}", "kind": "refund", "key": failing["_id"]}
    record |= {"attempts": 1, "error": "PaymentRefused", "setAsideAt": None}
    times = dict.fromkeys(("firstFailedAt", "lastFailedAt", "nextAttemptAt"), now)
    other = {**record, **times, "_id": "mail:1", "kind": "mail", "key": 1}
    db.failedWork.insert_many([{**record, **times}, other])
    return failing


def read_gauges(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    pairs = (line.rpartition(" ") for line in lines)
    names = ("eventapp_refunds_o", "eventapp_refunds_f", "eventapp_payments_u")
    return {name: float(value) for name, _, value in pairs if name.startswith(names)}


def test_the_health_report_counts_open_and_failing_refunds(db, root, waiting):
    found = root.get("/admin/health").json["payments"]
    assert (found["refundsOpen"], found["refundsFailed"], found["unknown"]) == (2, 1, 1)
    assert found["oldestRefundAt"] is not None
    assert 1200 <= found["oldestRefundSeconds"] < 1300


def test_the_metrics_have_the_same_as_gauges(client, db, waiting):
    gauges = read_gauges(client)
    assert 1200 <= gauges.pop("eventapp_refunds_oldest_seconds") < 1300
    assert gauges == {
        "eventapp_refunds_open": 2,
        "eventapp_refunds_failing": 1,
        "eventapp_payments_unknown": 1,
    }


def test_nothing_waits_at_first(client, db, root):
    assert root.get("/admin/health").json["payments"] == {
        "refundsOpen": 0,
        "oldestRefundAt": None,
        "oldestRefundSeconds": 0,
        "refundsFailed": 0,
        "unknown": 0,
    }
    assert set(read_gauges(client).values()) == {0}


def test_counts_are_bounded(client, db, waiting, monkeypatch):
    monkeypatch.setattr(payment_health, "MAX_COUNTED", 1)
    assert read_gauges(client)["eventapp_refunds_open"] == 1


def test_metrics_are_shown_without_gauges_while_the_database_is_away(client, db, monkeypatch):
    def fail(*_args):
        raise ServerSelectionTimeoutError("no servers")

    monkeypatch.setattr(store_payment_health, "count_open_refunds", fail)
    assert read_gauges(client) == {}
    assert "eventapp_requests_total" in client.get("/metrics").text
