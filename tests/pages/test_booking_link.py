"""A person opens the link of a mail: says who comes, cancels a ticket, pays for a hold."""

import pytest

from tests.booking_links import make_link
from tests.bookings_factories import Caller, event_of
from tests.factories import day

QUESTIONS = [
    {"questionId": 1, "label": "Diet", "kind": "text", "required": True},
    {
        "questionId": 2,
        "label": "Size",
        "kind": "choice",
        "choices": ["S", "M"],
        "required": False,
    },
    {"questionId": 3, "label": "First time?", "kind": "boolean", "required": True},
    {"questionId": 4, "label": "Arrival", "kind": "date", "required": False},
]
SCHEDULE = [{"startTime": "20:30", "endTime": "23:00", "location": "Old Bakery, 1 Long Street"}]


@pytest.fixture
def holder(client, app):
    """Who holds the tickets, and gets the mails."""
    return Caller(client, app)


@pytest.fixture
def bob(client, app):
    return Caller(client, app)


@pytest.fixture
def event_id(db):
    schedule = [{"date": day(30), **SCHEDULE[0]}]
    return event_of(
        db, 10, title="Bakery Nights with brass", questions=QUESTIONS, schedule=schedule
    )


def open_link(browser, app, site, booking):
    """Follow the link that a mail about a booking has."""
    link = make_link(app, booking)
    browser.open(site + link[link.index("/b/") :])


def show(holder, booking):
    return holder.get(f"/bookings/{booking['_id']}").json["data"]["booking"]


def test_the_reader_of_a_mail_names_who_comes_and_cancels_a_ticket(
    browser, app, site, holder, event_id, check_page
):
    booking = holder.book(event_id, 2)
    first, second = holder.ticket_ids(booking)
    open_link(browser, app, site, booking)
    browser.wait_for("!document.querySelector('#cancel').hidden")
    assert browser.run("return location.search") == ""
    check_page("booking")
    # A refused field is named beside it, and nothing that was typed is lost.
    form = f'form[data-ticket="{first}"]'
    browser.run("document.querySelector(arguments[0]).parentElement.open = true", form)
    browser.fill(f'{form} [name="name"]', "Grace Hopper")
    browser.press_button("Save", form)
    browser.wait_for(f"document.querySelectorAll('{form} .field-error').length === 2")
    browser.fill(f'{form} [name="email"]', "grace@example")
    browser.fill(f'{form} [name="answers.1"]', "No nuts")
    browser.fill(f'{form} [name="answers.3"]', "false")
    browser.press_button("Save", form)
    browser.wait_for(f"document.querySelector('{form} .field-error')")
    browser.console_errors()  # The refused field is one of them.
    check_page("booking-refused-field")
    browser.fill(f'{form} [name="email"]', "grace@example.org")
    browser.press_button("Save", form)
    browser.wait_for_text("Saved.", form)
    assert browser.text(f'[data-name-of="{first}"]') == "Grace Hopper"
    (attendee,) = show(holder, booking)["attendees"]
    assert attendee["email"] == "grace@example.org"
    assert {each["questionId"]: each["value"] for each in attendee["answers"]} == {
        1: "No nuts",
        3: False,
    }
    # Nothing is cancelled unless a ticket is chosen and the person agrees.
    browser.press_button("Cancel the chosen tickets")
    browser.wait_for_text("Choose the tickets to cancel.", "#cancel")
    browser.click(f'#cancel [value="{second}"]')
    browser.press_button("Cancel the chosen tickets")
    browser.wait_for("document.querySelector('dialog').open")
    browser.press_button("Keep", "dialog")
    browser.wait_for("!document.querySelector('dialog').open")
    assert show(holder, booking)["quantity"] == 2
    browser.press_button("Cancel the chosen tickets")
    browser.press_button("Yes, cancel", "dialog")
    browser.wait_for_text("1 ticket is cancelled.", "#message")
    assert browser.run("return document.querySelectorAll('.ticket').length") == 1
    assert show(holder, booking)["quantity"] == 1
    assert browser.run("return document.activeElement.id") == "message"
    # Without a connection it says so, and goes on afterwards.
    browser.click(f'#cancel [value="{first}"]')
    browser.set_online(False)
    browser.press_button("Cancel the chosen tickets")
    browser.press_button("Yes, cancel", "dialog")
    browser.wait_for_text("The server cannot be reached.", "#cancel-message")
    browser.set_online(True)
    browser.press_button("Cancel the chosen tickets")
    browser.press_button("Yes, cancel", "dialog")
    browser.wait_for_text("1 ticket is cancelled.", "#message")
    browser.wait_for_text("Cancelled", ".booking-title")
    browser.console_errors()  # The failed connection is one of them.
    check_page("booking-cancelled")


def test_the_reader_of_a_mail_pays_for_a_hold(browser, app, site, holder, event_id, check_page):
    booking = holder.book(event_id, 2, hold=True)
    open_link(browser, app, site, booking)
    browser.wait_for_text("Payments are simulated", "#payment")
    check_page("booking-held")
    browser.press_button("Pay €40")
    browser.wait_for_text("The tickets are yours.", "#message")
    assert show(holder, booking)["status"] == "confirmed"
    assert browser.run("return document.querySelectorAll('.ticket svg').length") == 2


def test_the_reader_of_a_mail_takes_some_of_an_offer_or_gives_it_back(
    browser, app, db, site, holder, bob, check_page
):
    first = event_of(db, 2)
    taken = bob.book(first, 2)
    holder.wait(first, 2)
    bob.cancel(taken)
    (offer,) = holder.offers()
    open_link(browser, app, site, {"_id": offer["bookingId"]})
    browser.wait_for("!document.querySelector('#quantity-form').hidden")
    check_page("booking-offered")
    browser.fill("#quantity", "1")
    browser.press_button("Take them")
    browser.wait_for_text("The tickets are yours.", "#message")
    assert show(holder, {"_id": offer["bookingId"]})["quantity"] == 1
    held = holder.book(event_of(db, 5), hold=True)
    open_link(browser, app, site, held)
    browser.press_button("Give the tickets back")
    browser.press_button("Yes, give them back", "dialog")
    browser.wait_for_text("You have given the tickets back.", "#message")
    assert show(holder, held)["status"] == "cancelled"


def test_the_page_goes_on_in_words_when_the_link_ends(
    browser, app, site, holder, event_id, check_page
):
    booking = holder.book(event_id)
    (ticket,) = holder.ticket_ids(booking)
    browser.set_languages("el")
    open_link(browser, app, site, booking)
    browser.wait_for("!document.querySelector('#cancel').hidden")
    check_page("booking-greek")
    holder.call("POST", f"/bookings/{booking['_id']}/link/rotate")
    browser.click(f'#cancel [value="{ticket}"]')
    browser.press_button("Ακύρωση των επιλεγμένων εισιτηρίων")
    browser.press_button("Ναι, ακύρωση", "dialog")
    browser.wait_for_text("Ο σύνδεσμος αυτής της κράτησης έχει λήξει.", "#cancel-message")
    browser.console_errors()  # The refusal is one of them.
    browser.open(f"{site}/b/{booking['bookingReference']}")
    browser.wait_for_text("Αυτός ο σύνδεσμος δεν ανοίγει κράτηση")
    browser.console_errors()  # The status of the page is one of them.
    check_page("booking-no-link")
    browser.set_languages("en")
