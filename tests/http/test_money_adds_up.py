"""Bookings, the ledger, figures, reports of money and the CSV agree to the cent."""

import csv
import io
import random

import pytest

from eventapp.analytics import money_sums
from eventapp.bookings.ledger import service as ledger
from eventapp.core.clock import utc_now
from tests.bookings_factories import Caller, event_of, expire_holds, pay_refunds

PRICES = (9.99, 12.5, 0.1)


def play(app, client, rng, event_ids, steps):
    """Book, hold, confirm and cancel tickets at random, each user one booking at a time."""
    users = [Caller(client, app) for _ in range(5)]
    active = {}
    for _ in range(steps):
        user = rng.choice(users)
        booking = active.get(user)
        if booking is None:
            event_id, type_id = rng.choice(event_ids), rng.randint(1, 3)
            active[user] = user.book(event_id, rng.randint(1, 4), type_id, hold=rng.random() < 0.4)
        elif booking["status"] == "held" and rng.random() < 0.7:
            active[user] = user.confirm(booking).json["data"]["booking"]
        elif booking["status"] == "confirmed" and booking["quantity"] > 1 and rng.random() < 0.6:
            type_id = booking["items"][0]["ticketTypeId"]
            answer = user.cancel_some(booking, 1, type_id)
            active[user] = answer.json["data"]["booking"]
        else:
            assert user.cancel(booking).status_code == 200
            del active[user]


def read_csv(caller, path):
    """Return the cents that a table of money adds up to, by event: charged, refunded, fees."""
    text = caller.get(path).get_data().decode("utf-8-sig")
    sums = {}
    for row in csv.DictReader(io.StringIO(text, newline="")):
        cents = [round(float(row[name]) * 100) for name in ("charged", "refunded", "fee")]
        before = sums.get(int(row["eventId"]), [0, 0, 0])
        sums[int(row["eventId"])] = [old + new for old, new in zip(before, cents, strict=True)]
    return sums


def to_cents(figures):
    return [round(figures[name] * 100) for name in ("charged", "refunded", "fees")]


def add(lists):
    return [sum(column) for column in zip(*lists, strict=True)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("is_summed", [True, False])
def test_random_sales_and_cancellations_add_up(app, client, db, host, root, seed, is_summed):
    rng = random.Random(seed)
    types = [
        {"type": name, "price": price, "availableTickets": 99}
        for name, price in zip("ABC", PRICES, strict=True)
    ]
    event_ids = [event_of(db, organizer_id=host.id, ticketTypes=types) for _ in range(2)]
    for _ in range(2):
        play(app, client, rng, event_ids, 20)
        if is_summed:
            money_sums.refresh_sums(db, utc_now())
    expire_holds(app, minutes=31)
    pay_refunds(app, minutes=32)
    ledger.copy_entries(db, utc_now())
    table = read_csv(root, "/admin/payments.csv")
    assert read_csv(host, "/analytics/payments.csv") == table
    for event_id in event_ids:
        confirmed = db.bookings.find({"eventId": event_id, "status": "confirmed"})
        charged, refunded, fees = table[event_id]
        assert charged - refunded == sum(booking["totalCents"] for booking in confirmed)
        stats = host.get(f"/events/{event_id}/stats").json
        assert to_cents(stats) == add(map(to_cents, stats["byDay"])) == [charged, refunded, fees]
        assert round(stats["revenue"] * 100) == charged - refunded
        assert read_csv(host, f"/events/{event_id}/payments.csv") == {event_id: table[event_id]}
    together = add(table.values())
    assert together[1] > 0
    revenue = host.get("/analytics/revenue").json
    listed = host.get("/analytics/events").json["events"]
    for figures in (
        to_cents(host.get("/analytics/overview").json),
        to_cents(root.get("/analytics/overview").json),
        to_cents(revenue["total"]),
        add(map(to_cents, revenue["points"])),
        add(map(to_cents, listed)),
        to_cents(root.get("/admin/dashboard").json["overview"]),
    ):
        assert figures == together
