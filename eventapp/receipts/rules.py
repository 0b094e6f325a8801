"""Decide which bookings have a receipt, and compose the texts of a receipt."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from eventapp.bookings.types import StoredBooking
from eventapp.core.translations import Translator
from eventapp.payments.types import RefundReason, StoredAttempt
from eventapp.receipts.types import (
    PrintedItem,
    PrintedReceipt,
    PrintedRefund,
    ReceiptEntry,
    ReceiptItem,
    ReceiptPayment,
    RefundFact,
    StoredReceipt,
)

MINUS = "\N{MINUS SIGN}"
# Reasons of refunds of money that came too late or twice.
OTHER_MONEY = frozenset({"hold_expired", "paid_twice"})


def was_confirmed(booking: StoredBooking) -> bool:
    """Return whether a booking is confirmed, or was before it was cancelled."""
    if booking["status"] == "confirmed":
        return True
    entries, refund = booking.get("entries", []), booking["refund"]
    if entries and entries[0]["kind"] != "opening":
        return any(entry["bookings"] > 0 for entry in entries)
    # It was stored before bookings had entries. If it has ended since, an entry says so. Else only
    # what was paid has a refund. A hold that had ended before its money came has one, too, but that
    # attempt is void.
    if any(entry["bookings"] > 0 for entry in entries):
        return True
    is_refunded = refund is not None and is_for_tickets(refund["reason"])
    return is_refunded and _find_paid_attempt(booking) is not None


def find_payment(booking: StoredBooking) -> ReceiptPayment:
    """Return by whom and when a confirmed booking was paid."""
    paid = _find_paid_attempt(booking)
    if paid is None:
        return {"provider": None, "paidAt": booking["createdAt"]}
    return {"provider": paid["provider"], "paidAt": paid["succeededAt"]}


def _find_paid_attempt(booking: StoredBooking) -> StoredAttempt | None:
    attempts = booking["payment"]["attempts"] if "payment" in booking else []
    paid = (each for each in attempts if each["state"] == "succeeded" and "voidAt" not in each)
    return next(paid, None)


def is_for_tickets(reason: RefundReason) -> bool:
    """Return whether a refund with this reason pays back tickets that a receipt lists.

    Other refunds pay back money that the receipt does not count as paid.
    """
    return reason not in OTHER_MONEY


def sum_items(items: Sequence[ReceiptItem]) -> tuple[int, int, int]:
    """Return the sums of the subtotals, the discounts and the totals of items, in cents."""
    return (
        sum(item["subtotalCents"] for item in items),
        sum(item["discountCents"] for item in items),
        sum(item["totalCents"] for item in items),
    )


def format_number(receipt: StoredReceipt) -> str:
    """Return the number of a receipt, such as `2026-000017`. It is unique for its organizer."""
    return f"{receipt['year']}-{receipt['number']:06d}"


def format_cents(cents: int) -> str:
    """Return an amount with two decimals: `1,234.50`."""
    whole, rest = divmod(abs(cents), 100)
    return f"{MINUS if cents < 0 else ''}{whole:,}.{rest:02d}"


def format_entry(entry: ReceiptEntry) -> str:
    """Return when an entry of the schedule takes place: `2026-06-15, 20:00 (Europe/Athens)`."""
    day = entry["date"].date().isoformat()
    starts_at, zone_name = entry["startsAt"], entry["timezone"]
    if starts_at is None or zone_name is None:
        return day
    return f"{day}, {starts_at.astimezone(ZoneInfo(zone_name)):%H:%M} ({zone_name})"


def compose_receipt(
    receipt: StoredReceipt,
    refunds: Sequence[RefundFact],
    zone: ZoneInfo,
    translator: Translator,
    *,
    shows_buyer: bool,
) -> PrintedReceipt:
    """Return the texts of a receipt.

    Args:
        refunds: the refunds of the booking so far.
        zone: the zone of all dates except that of the event.
        translator: of the language in which it is printed.
        shows_buyer: False to leave out the holder's name.
    """
    currency = receipt["currency"]
    refunded = sum(refund.cents for refund in refunds)
    return PrintedReceipt(
        language=translator.language,
        number=format_number(receipt),
        facts=_list_facts(receipt, zone, translator, shows_buyer=shows_buyer),
        items=[_print_item(item) for item in receipt["items"]],
        has_discount=receipt["discountCents"] > 0,
        subtotal=f"{format_cents(receipt['subtotalCents'])} {currency}",
        discount=f"{format_cents(-receipt['discountCents'])} {currency}",
        total=f"{format_cents(receipt['totalCents'])} {currency}",
        refunds=[_print_refund(refund, zone, translator) for refund in refunds],
        refunded=f"{format_cents(-refunded)} {currency}",
        remaining=f"{format_cents(receipt['totalCents'] - refunded)} {currency}",
    )


def _list_facts(
    receipt: StoredReceipt, zone: ZoneInfo, translator: Translator, *, shows_buyer: bool
) -> list[tuple[str, str]]:
    _ = translator.gettext
    payment, entry = receipt["payment"], receipt["entry"]
    paid_by = f" ({payment['provider']})" if payment["provider"] else ""
    buyer = receipt.get("buyer") if shows_buyer else None
    facts = (
        (_("Date"), format_date(receipt["issuedAt"], zone)),
        (_("Seller"), receipt["seller"]),
        (_("Seller ID"), str(receipt["organizerId"]) if receipt["organizerId"] else None),
        (_("Buyer"), buyer),
        (_("Booking"), receipt["bookingReference"]),
        (_("Event"), receipt["eventTitle"]),
        (_("Event date"), format_entry(entry)),
        (_("Location"), entry["location"]),
        (_("Paid"), f"{format_date(payment['paidAt'], zone)}{paid_by}"),
    )
    return [(label, text) for label, text in facts if text]


def format_date(moment: datetime, zone: ZoneInfo) -> str:
    """Return the date of an instant in a zone, as YYYY-MM-DD."""
    return moment.astimezone(zone).date().isoformat()


def _print_item(item: ReceiptItem) -> PrintedItem:
    return PrintedItem(
        type=item["type"],
        quantity=item["quantity"],
        unit_price=format_cents(item["unitCents"]),
        discount=format_cents(-item["discountCents"]) if item["discountCents"] else "",
        total=format_cents(item["totalCents"]),
    )


def _print_refund(refund: RefundFact, zone: ZoneInfo, translator: Translator) -> PrintedRefund:
    _, ngettext = translator.gettext, translator.ngettext
    return PrintedRefund(
        date=format_date(refund.decided_at, zone),
        tickets=ngettext("%(num)s ticket", "%(num)s tickets", refund.tickets),
        status=_("paid") if refund.is_paid else _("to be paid"),
        amount=format_cents(-refund.cents),
    )
