"""Random bookings for the tests of analytics, and their sums computed in the simplest way."""

from datetime import UTC, datetime, timedelta

from bson import ObjectId

from eventapp.bookings import rules
from eventapp.bookings.ledger.entries import add_first_entry
from eventapp.bookings.ledger.store import build_update
from eventapp.bookings.payments.charges import charge_at_once
from eventapp.payments.mock import MockPayments
from tests.factories import make_events

STATUSES = ("confirmed", "held", "cancelled", "expired")
PRICES = (0, 9.99, 10, 25.5, 19.95, 0.1, 33.33)


def events_of(db, organizer_ids, types=2):
    """Insert a published event for each of these organizers; return the stored events."""
    ticket_types = [{"type": f"T{n}", "price": 10, "availableTickets": 1000} for n in range(types)]
    return make_events(db, organizer_ids, ticketTypes=ticket_types)


def booking(event, *, status, at, taken, price=10, number=None):
    """Return a booking as it is stored; `taken` is {ticketTypeId: tickets}."""
    items = [
        {
            "ticketTypeId": type_id,
            "type": f"T{type_id}",
            "quantity": quantity,
            "unitPrice": price,
            "subtotal": rules.from_cents(rules.to_cents(price) * quantity),
        }
        for type_id, quantity in taken.items()
    ]
    id_ = ObjectId()
    made = {
        "_id": id_,
        "bookingReference": f"EVT-{number if number is not None else id_}",
        "userId": ObjectId(),
        "eventId": event["eventId"],
        "eventTitle": event["title"],
        "organizerId": event["organizerId"],
        "date": event["schedule"][0]["date"],
        "location": "Volos",
        **rules.sum_items(items),
        "currency": "EUR",
        "status": status,
        "active": status in ("confirmed", "held"),
        "slot": "direct",
        "expiresAt": None,
        "createdAt": at,
        "updatedAt": at,
        "cancelledAt": None,
        "refund": None,
    }
    if status == "confirmed" and made["totalCents"]:
        made["payment"] = charge_at_once(MockPayments(), made, at)
    return add_first_entry(made)


def change(db, booking, **fields):
    """Change a stored booking, with an entry that moves no money; its tickets do not matter."""
    entry = {**booking["entries"][0], "kind": "cancelled", "paid": 0}
    db.bookings.update_one({"_id": booking["_id"]}, build_update(fields, [entry]))


def at_random(rng, events, count, first, days):
    """Return `count` random bookings of these events, made within `days` from `first` on."""
    return [
        booking(
            rng.choice(events),
            status=rng.choices(STATUSES, (70, 10, 15, 5))[0],
            at=first + timedelta(seconds=rng.randrange(days * 86400)),
            taken={type_id: rng.randint(1, 5) for type_id in rng.sample((1, 2), rng.randint(1, 2))},
            price=rng.choice(PRICES),
        )
        for _ in range(count)
    ]


def tombstone():
    """Return a document that occupies the id of a booking."""
    id_ = ObjectId()
    return {"_id": id_, "bookingReference": f"void-{id_}", "void": True}


def revenue(bookings):
    """Return the price of the confirmed bookings as the API writes it."""
    confirmed = [one for one in bookings if one["status"] == "confirmed"]
    return rules.from_cents(sum(rules.to_cents(one["totalPrice"]) for one in confirmed))


def money(bookings):
    """Return the money in the entries of bookings as the API writes it."""
    entries = [entry for one in bookings for entry in one.get("entries", [])]
    charged = sum(entry["paid"] for entry in entries if entry["paid"] > 0)
    refunded = -sum(entry["paid"] for entry in entries if entry["paid"] < 0)
    fees = sum(entry.get("fee", 0) for entry in entries)
    amounts = {"charged": charged, "refunded": refunded, "fees": fees}
    amounts["net"] = charged - refunded - fees
    return {name: rules.from_cents(cents) for name, cents in amounts.items()}


def sums(bookings):
    """Return the sums as a point of /analytics/revenue shows them.

    The money of a booking moves on the day on which it was made.
    """
    confirmed = [one for one in bookings if one["status"] == "confirmed"]
    return {
        "gross": revenue(bookings),
        "discount": 0,
        "revenue": revenue(bookings),
        **money(bookings),
        "bookings": len(confirmed),
        "tickets": sum(one["quantity"] for one in confirmed),
        "cancelled": sum(one["status"] == "cancelled" for one in bookings),
    }


def counts(bookings):
    by_status = {name: sum(one["status"] == name for one in bookings) for name in STATUSES}
    return {"total": len(bookings), **by_status}


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)
