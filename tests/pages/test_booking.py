"""Booking on the page of an event: choose, sign up on the way, pay, and what can go wrong."""

import pytest

from tests import bookings_factories as kit
from tests.factories import day
from tests.http.test_promo_codes import add
from tests.page_sessions import COOKIE, open_page_session

XSS = "<img src=x onerror=window.hacked=1>'\"&"
TYPES = [
    {"type": "Standing", "price": 20, "availableTickets": 50, "description": XSS},
    {"type": f"Seat {XSS}", "price": 35.5, "availableTickets": 3, "minPerBooking": 2},
    {"type": "Child", "price": 0, "availableTickets": 50, "maxPerBooking": 2},
    {"type": "Backstage", "price": 80, "availableTickets": 5, "visibility": "secret"},
]
QUESTIONS = [
    {"label": f"Diet {XSS}", "kind": "choice", "required": True, "choices": ["None", XSS]},
    {"label": "Birthday", "kind": "date", "required": False},
    {"label": "Newsletter", "kind": "boolean", "required": False},
    {"label": "Allergies", "kind": "text", "required": False, "ticketTypeIds": [3]},
]

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def ann(app, db, client):
    return kit.Caller(client, app)


@pytest.fixture
def host(app, db, client):
    return kit.Caller(client, app, "organizer")


@pytest.fixture(autouse=True)
def _fresh_browser(browser):
    yield
    browser.set_online(True)
    browser.run("sessionStorage.clear()")
    browser.delete_cookies()
    browser.console_errors()


def sign_in(browser, app, site, caller):
    """Give the browser the cookie of a page session of a caller."""
    browser.open(f"{site}/")
    secret = open_page_session(app, {"id": caller.id})
    browser.run(f"document.cookie = '{COOKIE}={secret}; path=/'")


def open_form(browser, site, event_id, query=""):
    browser.open(f"{site}/e/{event_id}{query}")
    browser.wait_for("document.querySelector('#booking form .stepper, #booking form .waiting')")


def open_page(browser, site, event_id):
    browser.open(f"{site}/e/{event_id}")


def make_simple_event(db, quantity, **changes):
    """Store an event with one ticket type, and without a picture from another site."""
    return kit.event_of(db, quantity, image="", **changes)


def choose(browser, type_id, quantity):
    browser.fill(f"#quantity-{type_id}", str(quantity))


def total(browser, text):
    browser.wait_for_text(text, "#booking .sums .total")


def bookings_of(db, event_id):
    return list(db.bookings.find({"eventId": event_id}))


@pytest.fixture
def gala(db, host):
    """An event with two dates, three public types, a secret one, questions and codes."""
    schedule = [
        {"date": day(30), "location": f"Hall {XSS}", "startTime": "20:00"},
        {"date": day(31), "location": "Garden"},
    ]
    created = host.call(
        "POST",
        "/events",
        {
            "title": f"Gala {XSS}",
            "organizer": "Gala Club",
            "category": "concert",
            "schedule": schedule,
            "ticketTypes": TYPES,
            "questions": QUESTIONS,
            "status": "published",
        },
    )
    assert created.status_code == 201, created.json
    event_id = created.json["eventId"]
    add(host, event_id, code="HALF", kind="percent", value=50, ticketTypeIds=[1, 2])
    add(host, event_id, code="BAND", kind="fixed_price", value=100, unlocks=[4])
    return event_id


def answer(browser, field, text):
    """Choose an answer in a select."""
    script = """
    const [id, text] = arguments, select = document.getElementById(id);
    select.value = text;
    select.dispatchEvent(new Event("input", {bubbles: true}));
    """
    browser.run(script, field, text)


def choose_tickets_and_code(browser):
    choose(browser, 1, 2)
    choose(browser, 2, 1)
    choose(browser, 3, 1)
    browser.press_button("Book", "#booking")
    browser.wait_for_text("Book at least 2 tickets of this type.")
    choose(browser, 2, 2)
    total(browser, "€111")
    browser.fill("#promo-code", "nothing")
    browser.press_button("Apply", "#booking")
    browser.wait_for_text("There is no such code.")
    browser.console_errors()  # The browser reports every refused call.
    browser.fill("#promo-code", "half")
    browser.press_button("Apply", "#booking")
    browser.wait_for_text("The code saves you €55.50.")
    total(browser, "€55.50")
    browser.run("document.querySelectorAll('[name=date]')[1].click()")


def name_guests(browser):
    browser.press_button("Book", "#booking")
    browser.wait_for("document.querySelectorAll('#booking .field-error').length")
    for number, key in enumerate(("1-0", "1-1", "2-0", "2-1", "3-0")):
        browser.fill(f"#person-{key}-name", f"Guest {number} {XSS}")
        answer(browser, f"person-{key}-1", "None" if number else XSS)
    browser.fill("#person-1-0-2", "2000-02-29")
    answer(browser, "person-1-0-3", "false")
    browser.fill("#person-3-0-4", "Nuts")


def sign_up(browser):
    browser.press_button("Make an account", "#booking")
    browser.wait_for("document.querySelector('[name=password]')")
    browser.fill("[name=name]", "Gwen")
    browser.fill("[name=email]", "gwen@example.org")
    browser.fill("[name=password]", "correct horse battery")
    browser.press_button("Make the account")
    browser.wait_for_text("You are signed in as Gwen. What you have chosen is still here.")


def test_a_visitor_finds_books_signs_up_and_pays(browser, site, check_page, db, gala):
    browser.open(f"{site}/")
    browser.run("document.querySelector('.cards a').click()")
    browser.wait_for("document.querySelector('#booking form .stepper')")
    check_page("booking-choose")
    choose_tickets_and_code(browser)
    name_guests(browser)
    check_page("booking-people")
    browser.press_button("Book", "#booking")
    browser.wait_for_text("Sign in to book")
    browser.console_errors()  # The call for a token was refused: nobody is signed in.
    check_page("booking-sign-in")
    sign_up(browser)
    total(browser, "€55.50")
    assert browser.run("return document.querySelector('#person-1-0-name').value")[:7] == "Guest 0"
    browser.press_button("Book", "#booking")
    browser.wait_for_text("Pay to get your tickets")
    browser.wait_for_text("Your tickets are held for")
    assert [each["status"] for each in bookings_of(db, gala)] == ["held"]
    open_page(browser, site, gala)  # It is loaded again.
    browser.wait_for_text("Pay to get your tickets")
    check_page("booking-pay")
    browser.press_button("Pay €55.50", "#booking")
    browser.wait_for("location.pathname.startsWith('/b/')")
    (booking,) = bookings_of(db, gala)
    found = [booking[name] for name in ("status", "scheduleId", "totalCents", "promoCode")]
    assert found == ["confirmed", 2, 5550, "HALF"]
    assert db.users.find_one({"_id": booking["userId"]})["email"] == "gwen@example.org"
    people = list(booking["attendees"].values())
    assert len(people) == 5
    first = next(each for each in people if each["name"].startswith("Guest 0"))
    assert [each["value"] for each in first["answers"]] == [XSS, "2000-02-29", False]
    assert not browser.run("return window.hacked")


def test_a_code_shows_tickets_that_are_secret(browser, app, site, check_page, db, ann, gala):
    sign_in(browser, app, site, ann)
    open_form(browser, site, gala, "?lang=el")
    browser.fill("#promo-code", "band")
    browser.wait_for_text("Backstage", "#booking")
    check_page("booking-greek")
    choose(browser, 4, 1)
    browser.fill("#person-4-0-name", "Ann")
    answer(browser, "person-4-0-1", "None")
    total(browser, "80")
    browser.press_button("Κράτηση", "#booking")
    browser.wait_for_text("Πληρώστε για να λάβετε τα εισιτήριά σας")
    browser.press_button("Επιστροφή αυτών των εισιτηρίων και νέα επιλογή", "#booking")
    browser.wait_for("document.activeElement?.textContent === 'Κράτηση'")
    assert [each["status"] for each in bookings_of(db, gala)] == ["cancelled"]
    browser.press_button("Κράτηση", "#booking")
    browser.wait_for_text("Πληρώστε για να λάβετε τα εισιτήριά σας")
    kit.expire_holds(app, hours=1)
    browser.press_button("Πληρωμή 80\u00a0€", "#booking")
    browser.wait_for_text("Οι επιλογές σας έχουν διατηρηθεί.")
    assert browser.run("return document.querySelector('#quantity-4').value") == "1"
    statuses = sorted(each["status"] for each in bookings_of(db, gala))
    assert statuses == ["cancelled", "expired"]


def test_others_are_faster_and_an_answer_is_lost(browser, app, site, check_page, db, client, ann):
    event_id = make_simple_event(db, 3)
    sign_in(browser, app, site, ann)
    open_form(browser, site, event_id)
    choose(browser, 1, 3)
    total(browser, "€60")
    kit.Caller(client, app).book(event_id, 2)
    browser.press_button("Book", "#booking")
    browser.wait_for_text("In the meantime others have bought tickets. A: 1 left")
    browser.console_errors()
    check_page("booking-sold-out")
    browser.press_button("Take what is left", "#booking")
    total(browser, "€20")
    lose = """
    const send = window.fetch;
    window.fetch = async (...given) => {
      const answer = await send(...given);
      if (!String(given[0]).endsWith("/api/bookings")) return answer;
      window.fetch = send;
      throw new TypeError("lost");
    };
    """
    browser.run(lose)
    browser.press_button("Book", "#booking")
    browser.wait_for_text("The server cannot be reached.")
    browser.set_online(False)
    browser.press_button("Book", "#booking")
    browser.wait_for("!document.querySelector('#booking form').dataset.busy")
    browser.wait_for_text("The server cannot be reached.")
    browser.set_online(True)
    open_page(browser, site, event_id)
    browser.press_button("Book", "#booking")
    browser.wait_for_text("Pay to get your tickets")
    browser.press_button("Pay €20", "#booking")
    browser.wait_for("location.pathname.startsWith('/b/')")
    (booking,) = db.bookings.find({"userId": ann.id}).to_list()
    assert (booking["status"], booking["quantity"]) == ("confirmed", 1)
    open_page(browser, site, event_id)
    browser.wait_for_text("Sold out", "#booking")


def test_somebody_waits_for_tickets(browser, app, site, check_page, db, client, ann):
    event_id = make_simple_event(db, 2)
    holder = kit.Caller(client, app)
    booking = holder.book(event_id, 2)
    sign_in(browser, app, site, ann)
    open_form(browser, site, event_id)
    browser.press_button("Join the waitlist", "#booking")
    browser.wait_for_text("You wait for 1 ticket, at position 1.")
    check_page("booking-waiting")
    assert db.waitlist.count_documents({"userId": ann.id, "active": True}) == 1
    browser.press_button("Leave the waitlist", "#booking")
    browser.wait_for_text("You have left the waitlist.")
    browser.press_button("Join the waitlist", "#booking")
    browser.wait_for_text("You wait for 1 ticket, at position 1.")
    holder.cancel_some(booking, 1)
    open_page(browser, site, event_id)
    browser.wait_for_text("You are offered 1 ticket until", "#booking")
    browser.press_button("See the offer", "#booking")
    browser.wait_for("location.pathname.startsWith('/b/')")


def test_who_wants_more_than_is_left_waits_for_the_rest(browser, app, site, db, client, ann):
    event_id = make_simple_event(db, 3)
    sign_in(browser, app, site, ann)
    open_form(browser, site, event_id)
    choose(browser, 1, 3)
    total(browser, "€60")
    kit.Caller(client, app).book(event_id, 2)
    browser.press_button("Book", "#booking")
    browser.press_button("Take it, and wait for the rest", "#booking")
    browser.wait_for_text("You are on the waitlist for the rest.")
    browser.press_button("Pay €20", "#booking")
    browser.wait_for_text("You have your tickets")
    (entry,) = db.waitlist.find({"userId": ann.id})
    assert entry["quantity"] == 2
    browser.press_button("Show the tickets", "#booking")
    browser.wait_for("location.pathname.startsWith('/b/')")


def test_who_has_booked_is_led_to_the_booking(browser, app, site, check_page, db, ann):
    event_id = make_simple_event(db, 5, ticketTypes=kit.types(5, price=0))
    sign_in(browser, app, site, ann)
    open_form(browser, site, event_id)
    browser.press_button("Book", "#booking")
    browser.wait_for_text("Choose at least one ticket.")
    choose(browser, 1, 1)
    total(browser, "€0")
    booking = ann.book(event_id)
    browser.press_button("Book", "#booking")
    browser.wait_for_text("You have already booked tickets of this event.")
    href = browser.run("return document.querySelector('#booking .message a').pathname")
    assert href == f"/b/{booking['bookingReference']}"
    ann.cancel(booking)
    browser.press_button("Book", "#booking")  # A free booking is confirmed at once.
    browser.wait_for("location.pathname.startsWith('/b/')")
