"""What must hold after each step of a history, and once everything is at rest.

The checks read the stored documents themselves. They share no code with the application, except
that the last one also asks `bookings.auditing`, which must agree that there is no fault.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from bson import ObjectId

from eventapp.bookings.partial_cancellations import CancellationRequest
from tests.simulation.provider import SimulatedProvider
from tests.simulation.store import SimulatedStore

COUNTERS = ("availableTickets", "soldTickets", "heldTickets", "waiting")
MAX_PER_USER = 4

# Tickets by eventId, ticketTypeId and status.
TicketCounts = Counter[tuple[int, int, str]]


def count_tickets(store: SimulatedStore) -> TicketCounts:
    """Return the tickets of the active bookings."""
    counts: TicketCounts = Counter()
    for booking in store.read("bookings"):
        if booking.get("active"):
            for item in booking["items"]:
                key = booking["eventId"], item["ticketTypeId"], booking["status"]
                counts[key] += item["quantity"]
    return counts


def count_promo_uses(store: SimulatedStore) -> Counter[tuple[int, str]]:
    """Return the active bookings with a promo code, by eventId and folded code."""
    return Counter(
        (booking["eventId"], booking["promoCode"].lower())
        for booking in store.read("bookings")
        if booking.get("active") and "promoCode" in booking
    )


def count_in_quota(store: SimulatedStore, event_id: int, quota: dict[str, Any]) -> int:
    """Return the tickets of active bookings that take a place of a quota."""
    return sum(
        item["quantity"]
        for booking in store.read("bookings")
        if booking.get("active") and booking["eventId"] == event_id
        for item in booking["items"]
        if booking["scheduleId"] in quota.get("scheduleIds", [booking["scheduleId"]])
        and item["ticketTypeId"] in quota.get("ticketTypeIds", [item["ticketTypeId"]])
    )


def check_step(store: SimulatedStore, provider: SimulatedProvider) -> None:
    """Check that no counter is negative, no ticket is sold twice and none is sold unpaid."""
    _check_paid(store, provider)
    tickets, uses = count_tickets(store), count_promo_uses(store)
    for event in store.read("events"):
        for key, code in event.get("promoCodes", {}).items():
            assert 0 <= code["used"] <= code["maxUses"], f"uses of a code: {code}"
            assert uses[event["eventId"], key] <= code["maxUses"], f"{uses}: {code}"
        for quota in event.get("quotas", []):
            booked = count_in_quota(store, event["eventId"], quota)
            assert quota["availableTickets"] >= 0, f"a counter is negative: {quota}"
            assert booked <= quota["capacity"], f"{booked} places are booked: {quota}"
        for type_ in event["ticketTypes"]:
            counters = [type_[name] for name in COUNTERS]
            assert min(counters) >= 0, f"a counter is negative: {type_}"
            assert sum(counters[:3]) == type_["capacity"], f"tickets do not add up: {type_}"
            key = event["eventId"], type_["ticketTypeId"]
            booked = tickets[*key, "confirmed"] + tickets[*key, "held"]
            assert booked <= type_["capacity"], f"{booked} tickets are booked: {type_}"


def check_new_takes(before: dict[str, Any], event: dict[str, Any]) -> None:
    """Check that a write took tickets of an event on sale alone, and none that somebody waits for.

    Args:
        before: the event before the write.
    """
    for key in event["inFlight"].keys() - before["inFlight"].keys():
        entry = event["inFlight"][key]
        if entry["kind"] != "take":
            continue
        assert before["status"] == "published", f"sold although {before['status']}: {entry}"
        if "leftQueue" in entry:
            continue  # An offer is for those who wait.
        for type_id, _quantity in entry["items"]:
            stocks = _find_stocks(before, entry["scheduleId"], type_id)
            waiting = [each for each in stocks if each["waiting"]]
            assert not waiting, f"a sale has passed who waits: {entry} {waiting}"


def _find_stocks(event: dict[str, Any], schedule_id: int, type_id: int) -> list[dict[str, Any]]:
    """Return the ticket type and the quotas of which a ticket takes a place."""
    types = [each for each in event["ticketTypes"] if each["ticketTypeId"] == type_id]
    quotas = [
        each
        for each in event.get("quotas", [])
        if schedule_id in each.get("scheduleIds", [schedule_id])
        and type_id in each.get("ticketTypeIds", [type_id])
    ]
    return types + quotas


def _check_paid(store: SimulatedStore, provider: SimulatedProvider) -> None:
    for booking in store.read("bookings"):
        if booking.get("status") == "confirmed" and booking["totalCents"]:
            balance = _compute_balance(booking, provider)
            assert balance >= booking["totalCents"], f"{balance} cents paid: {booking}"


def _compute_balance(booking: dict[str, Any], provider: SimulatedProvider) -> int:
    """Return the cents that the provider has taken for a booking and not paid back."""
    attempts = booking["payment"]["attempts"] if "payment" in booking else []
    ids = [str(each["attemptId"]) for each in attempts]
    return sum(provider.charged[id_] - provider.refunded[id_] for id_ in ids)


def check_rest(store: SimulatedStore, provider: SimulatedProvider) -> None:
    """Check that stock, bookings, waitlist and money agree, and that nothing is left undone."""
    check_step(store, provider)
    _check_stock(store)
    _check_nothing_is_pending(store)
    _check_limits(store)
    _check_places(store)
    _check_entries(store)
    _check_ledger(store)
    _check_money(store, provider)


def _check_stock(store: SimulatedStore) -> None:
    tickets, uses = count_tickets(store), count_promo_uses(store)
    waiting = Counter(each["eventId"] for each in store.read("waitlist") if each.get("active"))
    for event in store.read("events"):
        event_id, quotas = event["eventId"], event.get("quotas", [])
        is_on_sale = event["status"] == "published"
        for key, code in event.get("promoCodes", {}).items():
            counted = uses[event_id, key]
            assert code["used"] == counted, f"{counted} bookings use {code}"
        for quota in quotas:
            counted = count_in_quota(store, event_id, quota)
            taken = quota["capacity"] - quota["availableTickets"]
            assert taken == counted, f"{counted} places are booked: {quota}"
        for type_ in event["ticketTypes"]:
            key = event_id, type_["ticketTypeId"]
            counts = (tickets[*key, "confirmed"], tickets[*key, "held"])
            stored = (type_["soldTickets"], type_["heldTickets"])
            assert stored == counts, f"sold, held: {stored} stored, {counts} counted"
            assert is_on_sale or not sum(counts), "a cancelled event has bookings"
        stocks = [*event["ticketTypes"], *quotas]
        # Each entry is counted where it lacks tickets.
        counted, stored = waiting[event_id], sum(stock["waiting"] for stock in stocks)
        assert stored == counted, f"{counted} wait: {stocks}"
        for stock in stocks:
            is_starving = stock["waiting"] and (stock["availableTickets"] or not is_on_sale)
            if "salesUntil" in stock:
                continue  # Who waits for a type whose sale has ended keeps the place.
            assert not is_starving, f"somebody waits for nothing: {stock} {event['status']}"


def _check_nothing_is_pending(store: SimulatedStore) -> None:
    for event in store.read("events"):
        assert not event["inFlight"], f"in flight: {event['inFlight']}"
    assert not store.read("failedWork"), f"work has failed: {store.read('failedWork')}"
    for name in ("bookings", "waitlist"):
        for document in store.read(name):
            assert document.get("restock") != "due", f"a move is pending: {document}"
            assert "offering" not in document, f"a claim is left: {document}"
            assert "tell" not in document, f"a notification is pending: {document}"
            assert "refundDueAt" not in document, f"a refund is due: {document}"
            assert "reconcileAt" not in document, f"an attempt is open: {document}"


def _check_limits(store: SimulatedStore) -> None:
    by_user: dict[tuple[Any, int], list[dict[str, Any]]] = defaultdict(list)
    for booking in store.read("bookings"):
        if booking.get("active"):
            by_user[booking["userId"], booking["eventId"]].append(booking)
    for bookings in by_user.values():
        assert sum(b["slot"] == "direct" for b in bookings) <= 1, "two bookings of one user"
        total = sum(booking["quantity"] for booking in bookings)
        assert total <= MAX_PER_USER, f"{total} tickets of one user"


def _check_places(store: SimulatedStore) -> None:
    """Check that no ticket was cancelled twice, or cancelled and checked in."""
    for booking in store.read("bookings"):
        parts = booking.get("cancellations", [])
        places = [place for part in parts for place in part["places"]]
        assert len(set(places)) == len(places), f"a ticket was cancelled twice: {booking}"
        # The cancellation of the event ends a booking with checked-in tickets, too.
        used = booking.get("checkIns", {}).keys()
        assert not used & set(places), f"a checked-in ticket was cancelled: {booking}"
        if booking.get("status") == "confirmed":
            for item in booking["items"]:
                prefix = f"{item['ticketTypeId']}-"
                cancelled = sum(place.startswith(prefix) for place in places)
                issued = item.get("issued", item["quantity"])
                assert issued == item["quantity"] + cancelled, f"tickets are lost: {booking}"


def _check_entries(store: SimulatedStore) -> None:
    """Check that the entries of each booking add up to its present state."""
    for booking in store.read("bookings"):
        if booking.get("void"):
            continue
        sums = {
            name: sum(entry[name] for entry in booking["entries"])
            for name in ("bookings", "held", "sold", "cents", "discount", "paid")
        }
        status, quantity = booking["status"], booking["quantity"]
        is_owned = status == "confirmed"
        price = booking["totalCents"] if is_owned else 0
        expected = {
            "bookings": int(is_owned),
            "held": quantity if status == "held" else 0,
            "sold": quantity if is_owned else 0,
            "cents": price,
            "discount": booking["discountCents"] if is_owned else 0,
            "paid": price,
        }
        assert sums == expected, f"entries add up to {sums}: {booking}"


def _check_ledger(store: SimulatedStore) -> None:
    """Check that the ledger has each entry of each booking once, numbered without gaps."""
    rows = store.read("ledger")
    assert sorted(row["number"] for row in rows) == list(range(1, len(rows) + 1))
    entries = {
        f"{booking['_id']}-{number}": entry
        for booking in store.read("bookings")
        for number, entry in enumerate(booking.get("entries", []), start=1)
    }
    copies = {row["_id"]: {name: row[name] for name in entries[row["_id"]]} for row in rows}
    assert copies == entries, "the ledger differs from the entries of the bookings"


def _check_money(store: SimulatedStore, provider: SimulatedProvider) -> None:
    """Check that what was charged and not refunded is the price of the confirmed bookings."""
    balances = provider.charged.copy()
    balances.subtract(provider.refunded)
    for booking in store.read("bookings"):
        attempts = booking["payment"]["attempts"] if "payment" in booking else []
        balance = sum(balances.pop(str(each["attemptId"]), 0) for each in attempts)
        owed = booking["totalCents"] if booking.get("status") == "confirmed" else 0
        assert balance == owed, f"{balance} cents paid, {owed} owed: {booking}"
        states = [each["state"] for each in attempts]
        assert states.count("succeeded") <= 1, f"paid twice: {booking}"
        # A refused attempt for which the provider has no payment can never be paid.
        is_final = [
            each["state"] in ("succeeded", "cancelled")
            or (each["state"] == "refused" and "providerId" not in each)
            for each in attempts
        ]
        assert all(is_final), f"an attempt is not settled: {booking}"
        assert not any("lateAt" in each for each in attempts), f"undecided: {booking}"
        is_charged = [bool(provider.charged[str(each["attemptId"])]) for each in attempts]
        assert is_charged == [state == "succeeded" for state in states], f"unrecorded: {booking}"
        recorded = sum(each["paid"] for each in booking.get("entries", []))
        assert recorded == owed, f"{recorded} cents in the entries, {owed} owed: {booking}"
    assert not any(balances.values()), f"money of no booking: {balances}"


def check_answers(
    store: SimulatedStore,
    told: dict[ObjectId, str],
    cancelled_tickets: Iterable[tuple[ObjectId, CancellationRequest, int]],
) -> None:
    """Check that all bookings and cancellations that clients were told of are stored, each once.

    Args:
        told: the status that the client was told last, by booking id; `ended` if the client has
            since tried to end it.
        cancelled_tickets: the booking, the request and the number of tickets of each cancellation.
    """
    cancelled = {e["eventId"] for e in store.read("events") if e["status"] == "cancelled"}
    bookings = {booking["_id"]: booking for booking in store.read("bookings")}
    for booking_id, status in told.items():
        booking = bookings.get(booking_id, {"void": True})
        assert not booking.get("void"), f"a booking is lost: {booking_id}"
        if status == "confirmed" and booking["eventId"] not in cancelled:
            assert booking["status"] == "confirmed", f"a confirmed booking ended: {booking}"
    for booking_id, request, quantity in cancelled_tickets:
        parts = bookings[booking_id]["cancellations"]
        counts = [len(each["places"]) for each in parts if each.get("request") == request.digests]
        assert counts == [quantity], f"{request} has cancelled {counts}: {bookings[booking_id]}"
