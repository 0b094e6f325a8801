"""The console's pages about what happens at an event: orders, people, announcements, figures."""

import pytest

from eventapp.bookings.notifications import notify_holders
from eventapp.core.clock import utc_now
from tests import announcements
from tests.bookings_factories import Caller, context_of
from tests.factories import day, event_body
from tests.http.test_promo_codes import add
from tests.page_sessions import COOKIE, make_browser, open_page_session
from tests.teams import add_member

pytestmark = pytest.mark.usefixtures("clean_inventory")
XSS = "<img src=x onerror=\"document.title='hacked'\"> & 'it'"
READ_TABS = ["orders", "attendees", "waitlist", "announcements", "log", "figures"]


@pytest.fixture
def organizer(client, app, db):
    return Caller(client, app, "organizer")


@pytest.fixture
def visitors(client, app, db):
    """Two people, whose names are markup."""
    found = [Caller(client, app) for _ in range(2)]
    for visitor in found:
        db.users.update_one({"_id": visitor.id}, {"$set": {"name": f"{XSS} holder"}})
    return found


@pytest.fixture
def event_id(organizer, db):
    """An event with markup in all of its texts, and one ticket type of few tickets."""
    ticket_types = [
        {"type": f"{XSS} adult", "price": 20, "availableTickets": 50},
        {"type": "Balcony", "price": 8.5, "availableTickets": 1},
    ]
    questions = [{"label": f"{XSS} meal?", "kind": "text"}]
    schedule = [{"date": day(number), "location": f"{XSS} place"} for number in (20, 21)]
    body = event_body(
        title=f"{XSS} title", ticketTypes=ticket_types, questions=questions, schedule=schedule
    )
    return organizer.call("POST", "/events", body).json["eventId"]


@pytest.fixture
def open_page(app, browser, site):
    """A function that opens a page, signed in as a caller."""

    def open_as(caller, path):
        browser.open(f"{site}/healthz")
        browser.delete_cookies()
        secret = open_page_session(app, {"id": caller.id})
        browser.run(f"document.cookie = '{COOKIE}={secret}; path=/'")
        browser.open(site + path)

    return open_as


def sell(visitors, event_id):
    """Sell three tickets to the first person and one to the second, who then waits for another."""
    attendees = [
        {"ticketTypeId": 1, "name": f"{XSS} guest", "answers": {"1": f"{XSS} answer"}},
        {"ticketTypeId": 1, "name": "Second Guest", "answers": {}},
    ]
    booking = visitors[0].book(event_id, 3, attendees=attendees, scheduleId=1)
    visitors[1].book(event_id, 1, type_id=2, scheduleId=1)
    visitors[0].wait(event_id, 2, type_id=2, scheduleId=1)
    return booking


def show_is_safe(browser):
    """Return whether nothing that a person typed became markup."""
    script = "return document.querySelectorAll('img[src=x]').length"
    return browser.run(script) == 0 and browser.run("return document.title") != "hacked"


def test_an_organizer_refunds_one_ticket_of_an_order(
    app, browser, open_page, check_page, db, organizer, visitors, event_id
):
    booking = sell(visitors, event_id)
    open_page(organizer, f"/console/events/{event_id}/orders")
    browser.wait_for_text("2 of 2")
    assert f"3 × {XSS} adult" in browser.text("#orders")
    check_page("console-orders")
    browser.fill("#status", "cancelled")
    browser.wait_for_text("Nothing matches these filters.")
    browser.fill("#reference", "EVT-ZZZZZZ")
    browser.press_button("Open the order")
    browser.wait_for_text("There is no such booking.")
    browser.fill("#reference", booking["bookingReference"].lower())
    browser.press_button("Open the order")
    browser.wait_for_text("Tickets and who comes")
    shown = browser.text("#order")
    for text in (f"{XSS} holder", f"{XSS} guest", f"{XSS} answer", f"{XSS} meal?", "€60"):
        assert text in shown
    assert show_is_safe(browser)
    browser.press_button("Cancel and refund the chosen tickets")
    browser.wait_for_text("Choose at least one ticket.")
    assert [each for each in browser.console_errors() if "404" not in each] == []
    browser.click("fieldset label:last-of-type input")
    browser.press_button("Cancel and refund the chosen tickets")
    browser.press_button("Go back", "dialog")
    browser.press_button("Cancel and refund the chosen tickets")
    browser.press_button("Cancel and refund", "dialog")
    browser.wait_for_text("Cancelled. €20 are refunded.")
    browser.wait_for_text("Refunds", "#order")
    assert db.bookings.find_one({"bookingReference": booking["bookingReference"]})["quantity"] == 2
    check_page("console-order")
    notify_holders(context_of(app), utc_now())
    browser.press_button("Send the tickets again")
    browser.wait_for_text("The tickets are sent to the holder again.")
    browser.press_button("Send the tickets again")
    browser.wait_for_text("This mail was sent a short time ago.")
    assert db.mails.count_documents({"key": {"$regex": ":again:"}}) == 1
    browser.press_button("Receipt (PDF)")
    browser.wait_for("!document.querySelector('#order [aria-busy]')")
    assert browser.text("#message") == ""
    browser.press_button("Cancel and refund the whole order")
    browser.press_button("Cancel and refund", "dialog")
    browser.wait_for_text("The order is cancelled.")
    browser.press_button("All orders")
    browser.wait_for_text("1 of 1", "#orders")  # the filter for cancelled orders is kept
    browser.press_button("Orders as CSV")
    browser.wait_for("!document.querySelector('[aria-busy=true]')")
    assert browser.text("#find-message") == ""
    browser.console_errors()  # of the mail that was refused


def test_an_organizer_sees_who_comes_and_who_waits(
    browser, open_page, check_page, organizer, visitors, event_id
):
    sell(visitors, event_id)
    open_page(organizer, f"/console/events/{event_id}/attendees")
    browser.wait_for_text("4 rows")
    shown = browser.text("#attendees")
    for text in (f"{XSS} guest", f"{XSS} answer", "Second Guest"):
        assert text in shown
    check_page("console-attendees")
    browser.type("#search", "second gu")
    browser.wait_for_text("1 row", "#attendees")
    browser.fill("#search", "")
    browser.fill("#type", "2")
    browser.wait_for("document.querySelectorAll('#attendees tbody tr').length === 1")
    browser.fill("#checked-in", "true")
    browser.wait_for_text("Nothing matches these filters.")
    assert show_is_safe(browser)
    open_page(organizer, f"/console/events/{event_id}/waitlist")
    browser.wait_for_text(f"{XSS} holder", "#waitlist")
    browser.wait_for_text("No offer is open.")
    visitors[1].cancel({"_id": visitors[1].get("/bookings").json["bookings"][0]["_id"]})
    open_page(organizer, f"/console/events/{event_id}/waitlist")
    browser.wait_for_text(f"{XSS} holder", "#offers")
    check_page("console-waitlist")
    assert show_is_safe(browser)


def test_an_organizer_writes_to_all_holders(
    app, browser, open_page, check_page, db, organizer, visitors, event_id
):
    sell(visitors, event_id)
    open_page(organizer, f"/console/events/{event_id}/announcements")
    browser.wait_for_text("Nothing was announced yet.")
    browser.press_button("Send")
    browser.wait_for("document.querySelector('#subject[aria-invalid]')")
    browser.fill("#subject", f"{XSS} subject")
    browser.fill("#text", f"{XSS} first line\nsecond line")
    browser.press_button("Send")
    browser.press_button("Go on writing", "dialog")
    browser.press_button("Send")
    browser.press_button("Send", "dialog")
    browser.wait_for_text("It goes to 2 people.")
    assert announcements.send(app) == 2
    open_page(organizer, f"/console/events/{event_id}/announcements")
    browser.wait_for_text("Sent", "#announcements")
    browser.press_button("Only some of them, or later")
    browser.fill("#subject", "Balcony only")
    browser.fill("#text", "To one of them")
    browser.press_button("Balcony", "#types")
    browser.fill("#send-at", f"{day(3)}T10:00")
    check_page("console-announcements")
    browser.press_button("Send")
    browser.press_button("Send", "dialog")
    browser.wait_for_text("It goes to 1 person.")
    stored = db.announcements.find_one({"subject": "Balcony only"})
    assert stored["to"]["ticketTypeIds"] == [2]
    browser.wait_for_text("Scheduled", "#announcements")
    browser.press_button("Delete")
    browser.wait_for_text("It is deleted and will not be sent.")
    assert f"{XSS} subject" in browser.text("#announcements")
    assert show_is_safe(browser)
    assert len(announcements.list_recipients(app)[0]) == 2


def test_a_failed_announcement_keeps_what_was_typed(browser, open_page, organizer, event_id):
    open_page(organizer, f"/console/events/{event_id}/announcements")
    browser.wait_for_text("Nothing was announced yet.")
    browser.fill("#subject", "Hello")
    browser.fill("#text", "Long text")
    browser.set_online(False)
    browser.press_button("Send")
    browser.press_button("Send", "dialog")
    browser.wait_for_text("The server cannot be reached.")
    assert browser.run("return document.getElementById('text').value") == "Long text"
    browser.set_online(True)
    browser.press_button("Send")
    browser.press_button("Send", "dialog")
    browser.wait_for_text("It goes to 0 people.")
    browser.console_errors()


def test_an_organizer_makes_a_door_device(
    browser, open_page, check_page, client, organizer, event_id
):
    open_page(organizer, f"/console/events/{event_id}/devices")
    browser.wait_for_text("There is no device yet.")
    browser.type("#name", f"{XSS} device")
    browser.press_button("Make a link")
    browser.wait_for_text(f"Link for {XSS} device")
    link = browser.run("return document.getElementById('secret').value")
    browser.wait_for("document.querySelector('.qr').naturalWidth > 100")
    check_page("console-devices")
    browser.press_button("New link")
    browser.wait_for(f"document.getElementById('secret').value !== '{link}'")
    link = browser.run("return document.getElementById('secret').value")
    paired = client.post("/api/devices/pair", json={"code": link.partition("#")[2]})
    assert paired.status_code == 200, paired.json
    browser.press_button("Done")
    browser.run("location.reload()")
    browser.wait_for_text("Paired")
    assert link not in browser.run("return document.documentElement.outerHTML")
    browser.press_button("End")
    browser.press_button("End the device", "dialog")
    browser.wait_for_text("The device is ended.")
    browser.wait_for_text("There is no device yet.")
    assert show_is_safe(browser)


def test_an_organizer_switches_a_promo_code_off(
    browser, open_page, check_page, organizer, event_id
):
    add(organizer, event_id, code="HALF", kind="percent", value=50, maxUses=10, ticketTypeIds=[1])
    add(organizer, event_id, code="FIVE", kind="amount", value=5, validUntil=f"{day(9)}T10:00:00Z")
    open_page(organizer, f"/console/events/{event_id}/codes")
    browser.wait_for_text("50% off")
    browser.wait_for_text("€5 off each ticket")
    browser.wait_for_text("0 of 10")
    check_page("console-codes")
    browser.press_button("Switch off")
    browser.wait_for_text("The code is switched off.")
    codes = organizer.get(f"/events/{event_id}/promo-codes").json["promoCodes"]
    assert [each["active"] for each in codes] == [False, True]
    assert show_is_safe(browser)


def test_an_organizer_looks_at_the_log_and_the_figures(
    browser, open_page, check_page, organizer, visitors, event_id
):
    sell(visitors, event_id)
    event = organizer.get(f"/events/{event_id}").json
    organizer.call("PUT", f"/events/{event_id}", {**event, "description": f"{XSS} text"})
    open_page(organizer, f"/console/events/{event_id}/log")
    browser.wait_for_text(f"{XSS} text", "#log")
    check_page("console-log")
    assert show_is_safe(browser)
    open_page(organizer, f"/console/events/{event_id}/figures")
    browser.wait_for_text("€68.50", "#overview")
    assert browser.run("return document.querySelectorAll('#revenue circle').length") == 1
    assert f"{XSS} adult" in browser.text("#types")
    assert "68.50 in all" in browser.run(
        "return document.querySelector('#revenue svg').getAttribute('aria-label')"
    )
    check_page("console-event-figures")
    assert show_is_safe(browser)


def test_a_viewer_sees_no_actions(
    app, client, browser, open_page, db, organizer, visitors, event_id
):
    booking = sell(visitors, event_id)
    announcements.write(organizer, event_id, sendAt=f"{day(3)}T10:00:00Z")
    viewer = Caller(client, app)
    add_member(db, organizer, viewer, "viewer")
    page = make_browser(app, {"id": viewer.id}).get(f"/console/events/{event_id}/announcements")
    assert 'id="write"' not in page.text
    open_page(viewer, f"/console/events/{event_id}/orders#{booking['bookingReference']}")
    browser.wait_for_text("Tickets and who comes")
    assert "Receipt" in browser.text("#order")
    assert "refund" not in browser.text("#order").lower()
    assert browser.run("return document.querySelectorAll('#order input').length") == 0
    open_page(viewer, f"/console/events/{event_id}/announcements")
    browser.wait_for_text("Scheduled")
    assert "Delete" not in browser.text("#announcements")


@pytest.mark.parametrize(
    ("role", "is_shown"),
    [("manager", True), ("viewer", True), ("door", False)],
)
def test_the_role_decides_which_pages_open(app, client, db, organizer, event_id, role, is_shown):
    member = Caller(client, app)
    add_member(db, organizer, member, role)
    signed_in = make_browser(app, {"id": member.id})
    for tab in READ_TABS:
        answer = signed_in.get(f"/console/events/{event_id}/{tab}")
        assert answer.status_code == (200 if is_shown else 403), tab
    devices = signed_in.get(f"/console/events/{event_id}/devices")
    assert devices.status_code == (200 if role == "manager" else 403)


def test_pages_of_the_events_of_others_are_not_found(app, client, db, event_id):
    stranger = make_browser(app, {"id": Caller(client, app, "organizer").id})
    for tab in (*READ_TABS, "devices"):
        assert stranger.get(f"/console/events/{event_id}/{tab}").status_code == 404
        answer = client.get(f"/console/events/{event_id}/{tab}")
        assert answer.location.startswith("/account/sign-in?next=/console/events/")
