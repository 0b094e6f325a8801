"""Receipts of paid bookings: who gets one, what it says, and what never changes in it."""

import io
import re
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from pypdf import PdfReader

from eventapp.core.clock import utc_now
from eventapp.receipts import routes
from tests.bookings_factories import (
    changed,
    context_of,
    event_of,
    expire_holds,
    refused,
    types,
)

YEAR = utc_now().year
NAMES = "Ωδείο Αθηνών · Größe ß · İstanbul ışığı · Щелкунчик"


@pytest.fixture
def event_id(db, host):
    return event_of(db, 50, 50, organizer_id=host.id, title="A Concert", organizer="Odeon Ltd")


def get_receipt(caller, booking, query="", **headers):
    return caller.call("GET", f"/bookings/{booking['_id']}/receipt{query}", **headers)


def show(caller, booking):
    """Return the text of the page of a receipt, with single spaces."""
    answer = get_receipt(caller, booking)
    assert answer.status_code == 200, answer.json
    page = answer.text.partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def read_pdf(answer):
    """Return the text of a PDF answer, with single spaces."""
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    pages = PdfReader(io.BytesIO(answer.data)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_a_receipt_says_what_was_paid_to_whom_and_when(ann, host, db, event_id):
    booking = ann.book(event_id, 2, scheduleId=1)
    db.users.update_one({"_id": ann.id}, {"$set": {"name": "Ann Smith"}})
    text = show(ann, booking)
    for part in (
        f"Receipt {YEAR}-000001",
        f"Date {utc_now().date()}",
        "Seller Odeon Ltd",
        f"Seller ID {host.id}",
        "Buyer Ann Smith",
        f"Booking {booking['bookingReference']}",
        "Event A Concert",
        f"Event date {booking['date']}",
        "Location Volos",
        f"Paid {utc_now().date()}",
        "A 2 20.00 40.00",
        "Total paid 40.00 EUR",
    ):
        assert part in text, part
    assert "Refunds" not in text
    assert "Discount" not in text
    stored = db.receipts.find_one()
    assert (stored["_id"], stored["userId"], stored["buyer"]) == (
        *(db.bookings.find_one()["_id"], ann.id),
        "Ann Smith",
    )


def test_the_holder_the_organizer_and_admins_see_it(ann, bob, host, root, client, app, event_id):
    booking = ann.book(event_id)
    other = type(host)(client, app, "organizer")
    for stranger in (bob, other):
        refused(get_receipt(stranger, booking), 404, "booking_not_found")
    path = f"/api/bookings/{booking['_id']}/receipt"
    refused(client.get(path), 401, "unauthorized")
    refused(ann.get(f"/bookings/{'0' * 24}/receipt"), 404, "booking_not_found")
    # The organizer may be the first to ask, and does not learn the name of the holder.
    assert "Buyer" not in show(host, booking)
    assert "Buyer Person" in show(ann, booking)
    assert "Buyer Person" in show(root, booking)


@pytest.mark.parametrize(
    ("query", "accept", "content_type"),
    [
        ("", None, "text/html; charset=utf-8"),
        ("", "*/*", "text/html; charset=utf-8"),
        ("", "application/json", "text/html; charset=utf-8"),
        ("", "text/html,application/pdf;q=0.5", "text/html; charset=utf-8"),
        ("", "application/pdf", "application/pdf"),
        ("?format=pdf", "text/html", "application/pdf"),
        ("?format=html", "application/pdf", "text/html; charset=utf-8"),
    ],
)
def test_the_format_is_chosen_by_the_query_then_by_accept(
    ann, event_id, query, accept, content_type
):
    booking = ann.book(event_id)
    answer = get_receipt(ann, booking, query, **({"Accept": accept} if accept else {}))
    assert (answer.status_code, answer.content_type) == (200, content_type)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "Accept" in answer.headers["Vary"].split(", ")


GREEK = {"Accept-Language": "el-GR, en;q=0.5"}


def test_the_language_is_that_of_the_reader(ann, bob, db, host):
    event_id = event_of(db, 50, organizer_id=host.id, title="A Concert")
    booking = ann.book(event_id, 2)
    refunded = bob.book(event_id, 2)
    bob.cancel(refunded)
    english, answer = get_receipt(ann, booking), get_receipt(ann, booking, **GREEK)
    for each, language in ((english, "en"), (answer, "el")):
        assert each.headers["Content-Language"] == language
        assert "Accept-Language" in each.headers["Vary"].split(", ")
        assert f'<html lang="{language}">' in each.text
    page, pdf = answer.text, read_pdf(get_receipt(ann, booking, "?format=pdf", **GREEK))
    for text in (
        "Απόδειξη",
        "Πωλητής",
        "Ημερομηνία εκδήλωσης",
        "Σύνολο που πληρώθηκε",
        "A Concert",
    ):
        assert text in page
        assert text in pdf
    page = get_receipt(bob, refunded, **GREEK).text
    pdf = read_pdf(get_receipt(bob, refunded, "?format=pdf", **GREEK))
    for text in ("Επιστροφές χρημάτων", "2 εισιτήρια", "Υπόλοιπο"):
        assert text in page
        assert text in pdf
    shown = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert not set(re.findall(r"[A-Za-z]+", shown)) & {
        "Receipt",
        "Seller",
        "Buyer",
        "Date",
        "Tickets",
        "Ticket",
        "Total",
        "paid",
    }


def test_an_unknown_format_is_refused(ann, event_id):
    booking = ann.book(event_id)
    body = refused(get_receipt(ann, booking, "?format=docx"), 400, "validation_error")
    assert list(body["errors"]) == ["format"]


def test_the_page_loads_nothing_and_its_policy_allows_its_style_alone(ann, event_id):
    answer = get_receipt(ann, ann.book(event_id))
    style = re.search("<style>(.*?)</style>", answer.text, re.DOTALL)[1]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<script|<link|<img|style=|url\(|@import|http", answer.text)


def test_markup_in_names_is_text(ann, db, host):
    title = "<b>&amp; <script>alert(1)</script>"
    event_id = event_of(db, 5, organizer_id=host.id, title=title, organizer="<i>A & B</i>")
    booking = ann.book(event_id)
    page = get_receipt(ann, booking).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    text = read_pdf(get_receipt(ann, booking, "?format=pdf"))
    assert title in text
    assert "<i>A & B</i>" in text


def test_a_pdf_has_the_same_texts_in_all_alphabets(ann, db, host):
    ticket_types = [{"type": NAMES, "price": 12.5, "availableTickets": 9}]
    event_id = event_of(
        db, organizer_id=host.id, title=NAMES, organizer=NAMES, ticketTypes=ticket_types
    )
    booking = ann.book(event_id, 3)
    answer = get_receipt(ann, booking, "?format=pdf")
    text = read_pdf(answer)
    assert text.count(NAMES) == 3
    assert f"Receipt {YEAR}-000001" in text
    assert "Total paid 37.50 EUR" in text
    name = f'attachment; filename="receipt-{YEAR}-000001.pdf"'
    assert answer.headers["Content-Disposition"] == name
    # Only the glyphs in use are embedded: a whole font takes 120 kB.
    assert len(answer.data) < 60_000
    fonts = {
        str(font["/BaseFont"]): "/FontFile2" in font.get("/FontDescriptor", {})
        for page in PdfReader(io.BytesIO(answer.data)).pages
        for font in (each.get_object() for each in page["/Resources"]["/Font"].values())
    }
    assert all("DejaVuSans" in name for name in fonts)
    assert fonts
    assert all(fonts.values())


def test_characters_that_the_fonts_lack_break_only_themselves(ann, db, host):
    title = "東京 🎉 שלום"
    booking = ann.book(event_of(db, 5, organizer_id=host.id, title=title))
    assert title in show(ann, booking)
    text = read_pdf(get_receipt(ann, booking, "?format=pdf"))
    assert "Total paid 20.00 EUR" in text


def test_a_long_receipt_has_several_pages_and_all_rows(ann, db, host):
    ticket_types = [
        {"type": f"{number} " + "W" * 90, "price": 1, "availableTickets": 1}
        for number in range(10, 20)
    ]
    event_id = event_of(db, organizer_id=host.id, ticketTypes=ticket_types, title="W" * 200)
    items = [{"ticketTypeId": number, "quantity": 1} for number in range(1, 11)]
    answer = ann.order(event_id, items=items)
    booking = answer.json["data"]["booking"]
    for number in range(1, 10):
        ann.cancel_some(booking, 1, type_id=number)
    pdf = get_receipt(ann, booking, "?format=pdf")
    assert len(PdfReader(io.BytesIO(pdf.data)).pages) > 1
    text = read_pdf(pdf)
    assert all(f"{number} WWW" in text for number in range(10, 20))
    assert "Remains 1.00 EUR" in text


def test_without_a_payment_there_is_no_receipt(ann, bob, app, db, event_id):
    held = ann.book(event_id, hold=True)
    refused(get_receipt(ann, held), 409, "no_receipt")
    ann.cancel(held)
    refused(get_receipt(ann, held), 409, "no_receipt")
    expired = bob.book(event_id, hold=True)
    expire_holds(app, minutes=11)
    refused(get_receipt(bob, expired, "?format=pdf"), 409, "no_receipt")
    free = event_of(db, ticketTypes=types(5, price=0))
    booking = ann.book(free)
    refused(get_receipt(ann, booking), 409, "no_receipt")
    ann.cancel(booking)
    refused(get_receipt(ann, booking), 409, "no_receipt")
    assert db.receipts.count_documents({}) == 0


def test_money_that_came_after_the_hold_and_was_paid_back_gives_no_receipt(ann, app, db, event_id):
    held = ann.book(event_id, hold=True)
    expire_holds(app, minutes=11)
    refund = {"amount": 20, "currency": "EUR", "reason": "hold_expired", "refundedAt": utc_now()}
    db.bookings.update_one({}, {"$set": {"refund": {**refund, "refundId": "r"}}})
    assert ann.get(f"/bookings/{held['_id']}").json["data"]["booking"]["refund"]["amount"] == 20
    refused(get_receipt(ann, held), 409, "no_receipt")


def test_a_confirmed_hold_was_paid_by_its_provider(ann, event_id):
    held = ann.book(event_id, hold=True)
    assert ann.confirm(held).status_code == 200
    assert f"Paid {utc_now().date()} (mock)" in show(ann, held)


def test_what_was_issued_never_changes(ann, host, root, client, app, db, event_id):
    db.users.update_one({"_id": ann.id}, {"$set": {"name": "Ann Smith"}})
    booking = ann.book(event_id, 2)
    before = show(ann, booking)
    pdf = read_pdf(get_receipt(ann, booking, "?format=pdf"))
    new = type(host)(client, app, "organizer")
    patch = {"type": "Renamed", "price": 99}
    assert host.call("PATCH", f"/events/{event_id}/ticket-types/1", patch).status_code == 200
    body = host.get(f"/events/{event_id}").json
    changes = {"title": "Other", "organizer": "Other Ltd"}
    kept = ("description", "category", "image", "schedule", "ticketTypes", "tags")
    body = {name: body[name] for name in kept} | changes
    body["schedule"] = [{**body["schedule"][0], "location": "Athens"}]
    assert host.call("PUT", f"/events/{event_id}", body).status_code == 200
    db.users.update_one({"_id": ann.id}, {"$set": {"name": "Ann Jones"}})
    path = f"/users/{host.id}?transferTo={new.id}"
    assert root.call("DELETE", path).status_code == 200
    assert show(ann, booking) == before
    assert read_pdf(get_receipt(ann, booking, "?format=pdf")) == pdf
    # The new organizer of the event sees the receipt of the old one, and issues the next.
    assert "Seller Odeon Ltd" in show(new, booking)
    assert f"Seller ID {host.id}" in show(new, booking)
    second = show(new, new.book(event_id, type_id=2))
    assert f"Receipt {YEAR}-000001" in second
    assert f"Seller ID {new.id}" in second


def test_refunds_are_listed_with_what_remains(ann, db, event_id):
    booking = ann.book(event_id, 3)
    issued = show(ann, booking)
    ann.cancel_some(booking, 1)
    ann.cancel_some(booking, 1)
    # As if the payment provider had not answered yet.
    db.bookings.update_one({}, {"$unset": {"cancellations.1.refund.refundId": ""}})
    today = utc_now().date()
    text = show(ann, booking)
    assert issued in text
    first, second = f"{today} 1 ticket paid −20.00", f"{today} 1 ticket to be paid −20.00"
    assert f"{first} {second} Refunds −40.00 EUR Remains 20.00 EUR" in text
    ann.cancel(booking)
    text = show(ann, booking)
    assert f"{first} {first} {first} Refunds −60.00 EUR Remains 0.00 EUR" in text
    pdf = read_pdf(get_receipt(ann, booking, "?format=pdf"))
    assert f"{first} {first} {first} Refunds −60.00 EUR Remains 0.00 EUR" in pdf


def test_a_refund_of_money_that_came_twice_is_not_one_of_the_tickets(ann, db, event_id):
    booking, now = ann.book(event_id), utc_now()
    before = show(ann, booking)
    refund = {"amount": 20, "currency": "EUR", "reason": "paid_twice", "refundedAt": now}
    attempt = {
        **db.bookings.find_one()["payment"]["attempts"][0],
        "attemptId": ObjectId(),
        "voidAt": now,
        "refund": refund,
    }
    first = {"$each": [attempt], "$position": 0}
    db.bookings.update_one({}, {"$push": {"payment.attempts": first}})
    shown = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert [each["reason"] for each in shown["refunds"]] == ["paid_twice"]
    assert show(ann, booking) == before
    assert f"Paid {now.date()} (mock)" in before


def test_a_receipt_that_is_first_asked_for_after_cancellations_says_what_was_paid(
    ann, db, event_id
):
    items = [{"ticketTypeId": 1, "quantity": 3}, {"ticketTypeId": 2, "quantity": 2}]
    booking = ann.order(event_id, items=items).json["data"]["booking"]
    ann.cancel_some(booking, 1, type_id=1)
    ann.cancel_some(booking, 1, type_id=2)
    ann.cancel_some(booking, 1, type_id=2)
    ann.cancel(booking)
    text = show(ann, booking)
    assert "A 3 20.00 60.00" in text
    assert "B 2 20.00 40.00" in text
    assert "Total paid 100.00 EUR" in text
    assert "2 tickets paid −40.00 Refunds −100.00 EUR Remains 0.00 EUR" in text


def test_discounts_are_printed(ann, host, event_id):
    code = {"code": "HALF", "kind": "percent", "value": 12.5, "ticketTypeIds": [1]}
    assert host.call("POST", f"/events/{event_id}/promo-codes", code).status_code == 201
    items = [{"ticketTypeId": 1, "quantity": 2}, {"ticketTypeId": 2, "quantity": 1}]
    booking = ann.order(event_id, items=items, promoCode="HALF").json["data"]["booking"]
    text = show(ann, booking)
    assert "A 2 20.00 −5.00 35.00 B 1 20.00 20.00" in text
    assert "Subtotal 60.00 EUR Discount −5.00 EUR Total paid 55.00 EUR" in text
    assert "A 2 20.00 −5.00 35.00" in read_pdf(get_receipt(ann, booking, "?format=pdf"))


def test_each_organizer_and_each_year_has_its_own_numbers(
    ann, bob, host, db, event_id, monkeypatch
):
    sample = event_of(db, 5)  # It has no organizer.
    bookings = [(ann, ann.book(event_id)), (bob, bob.book(event_id))]
    samples = [(ann, ann.book(sample)), (bob, bob.book(sample))]
    for wanted in (bookings, samples):
        for number, (caller, booking) in enumerate(wanted, start=1):
            assert f"Receipt {YEAR}-{number:06d}" in show(caller, booking)
    assert "Seller Some Organizer Buyer" in show(*samples[0])
    monkeypatch.setattr(routes, "utc_now", lambda: datetime(2031, 1, 1, tzinfo=UTC))
    third = host.book(event_id, type_id=2)
    assert "Receipt 2031-000001 Date 2031-01-01" in show(host, third)
    assert f"Receipt {YEAR}-000001" in show(*bookings[0])


def test_the_year_is_that_of_the_default_zone(ann, app, db, event_id, monkeypatch):
    new_year = datetime(2030, 12, 31, 23, 0, tzinfo=UTC)  # 01:00 in Athens
    monkeypatch.setattr(routes, "utc_now", lambda: new_year)
    with changed(context_of(app), default_zone=ZoneInfo("Europe/Athens")):
        assert "Receipt 2031-000001 Date 2031-01-01" in show(ann, ann.book(event_id))


def test_a_receipt_of_a_deleted_event_names_its_organizer_by_id(ann, host, event_id):
    booking = ann.book(event_id)
    ann.cancel(booking)
    assert host.call("DELETE", f"/events/{event_id}").status_code == 200
    text = show(ann, booking)
    assert f"Seller ID {host.id}" in text
    assert "Seller Odeon" not in text


def test_the_export_has_the_receipts_of_the_user(ann, bob, event_id):
    booking = ann.book(event_id, 2)
    bob.book(event_id)
    assert ann.get(f"/users/{ann.id}/export").json["receipts"] == []
    show(ann, booking)
    (receipt,) = ann.get(f"/users/{ann.id}/export").json["receipts"]
    assert receipt["receiptNumber"] == f"{YEAR}-000001"
    assert receipt["bookingReference"] == booking["bookingReference"]
    assert (receipt["totalCents"], receipt["currency"]) == (4000, "EUR")
    assert receipt["buyer"].startswith("Person")
    assert bob.get(f"/users/{bob.id}/export").json["receipts"] == []


def test_an_erased_holder_is_gone_from_the_receipt_and_the_rest_stays(ann, host, db, event_id):
    booking = ann.book(event_id)
    later = ann.book(event_of(db, 5, organizer_id=host.id))
    before = show(host, booking)
    name = db.receipts.find_one()["buyer"]
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    stored = db.receipts.find_one()
    assert (stored["userId"], stored["buyer"], stored["number"]) == (None, None, 1)
    assert name not in str(list(db.receipts.find()))
    assert show(host, booking) == before
    # A receipt that is issued after that never had the name.
    assert f"Receipt {YEAR}-000002" in show(host, later)
    assert db.receipts.find_one({"number": 2})["userId"] is None


def test_both_formats_are_documented(client):
    paths = client.get("/api/openapi.json").json["paths"]
    operation = paths["/api/bookings/{booking_id}/receipt"]["get"]
    content = operation["responses"]["200"]["content"]
    assert content == {
        "text/html": {"schema": {"type": "string"}},
        "application/pdf": {"schema": {"type": "string", "format": "binary"}},
    }
    (parameter,) = [each for each in operation["parameters"] if each["in"] == "query"]
    assert (parameter["name"], parameter["schema"]["enum"]) == ("format", ["html", "pdf"])
