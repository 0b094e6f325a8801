"""Whole ways of a person over several pages, with the mails between them."""

import pytest

from tests.bookings_factories import context_of, event_of
from tests.notifications_factories import notify_holders
from tests.pages.test_booking import choose, sign_up, total
from tests.pages.test_mails import send

pytestmark = pytest.mark.usefixtures("clean_inventory")


def receive_mails(app, db):
    """Do what the worker does after a sale; return the texts of the mails, by their subjects."""
    notify_holders(context_of(app))
    messages = send(app, db)
    return {each["Subject"]: each.get_body(("plain",)).get_content() for each in messages}


def find_path(text, start):
    """Return the path of the link in a mail that begins with `start` after its host."""
    (link,) = (word for word in text.split() if f"{start}" in word and "://" in word)
    return link[link.index(start) :]


def test_a_visitor_finds_books_pays_and_cancels_one_of_two_by_the_mail(browser, app, site, db):
    event_id = event_of(db, 10, title="Rebetiko in the yard", image="")
    browser.open(f"{site}/healthz")
    browser.delete_cookies()
    browser.open(f"{site}/")
    browser.fill("#q", "rebetik")
    browser.press_button("Search")
    browser.wait_for("location.search.includes('q=rebetik')")
    browser.press_button("Rebetiko in the yard", "main")
    browser.wait_for("document.querySelector('#booking form .stepper')")
    assert browser.run("return location.pathname") == f"/e/{event_id}"
    choose(browser, 1, 2)
    total(browser, "€40")
    browser.press_button("Book", "#booking")
    browser.wait_for_text("Sign in to book")
    sign_up(browser)
    total(browser, "€40")
    browser.press_button("Book", "#booking")
    browser.press_button("Pay €40", "#booking")
    browser.wait_for("location.pathname.startsWith('/b/')")
    mails = receive_mails(app, db)
    path = find_path(mails["Booking confirmed: Rebetiko in the yard"], "/b/")
    browser.delete_cookies()  # The mail is read by another browser.
    browser.open(site + path)
    browser.wait_for("!document.querySelector('#cancel').hidden")
    assert browser.run("return document.querySelectorAll('.ticket svg').length") == 2
    (ticket, _kept) = browser.run(
        "return [...document.querySelectorAll('#cancel [type=checkbox]')].map((each) => each.value)"
    )
    browser.click(f'#cancel [value="{ticket}"]')
    browser.press_button("Cancel the chosen tickets")
    browser.press_button("Yes, cancel", "dialog")
    browser.wait_for_text("1 ticket is cancelled.", "#message")
    booking = db.bookings.find_one({"eventId": event_id})
    assert (booking["quantity"], booking["totalCents"]) == (1, 2000)
    assert db.events.find_one({"eventId": event_id})["ticketTypes"][0]["availableTickets"] == 9
    cancelled = receive_mails(app, db)
    assert find_path(cancelled["Ticket cancelled: Rebetiko in the yard"], "/b/")
