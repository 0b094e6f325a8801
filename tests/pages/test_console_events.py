"""The organizers' console: who sees what, the list of events, an event, and its form."""

import pytest

from tests.bookings_factories import Caller
from tests.factories import day, make_event
from tests.page_sessions import COOKIE, make_browser, open_page_session
from tests.teams import add_member

XSS = "<img src=x onerror=\"document.title='hacked'\"> & 'quoted' \"text\""


@pytest.fixture
def organizer(client, app, db):
    return Caller(client, app, "organizer")


@pytest.fixture
def event_id(db, organizer):
    return make_event(db, organizer_id=organizer.id, title="Jazz by the Sea", image="")["eventId"]


@pytest.fixture
def open_as(app, browser, site):
    """A function that opens a page of the site, signed in as a caller."""

    def open_page(caller, path):
        browser.set_online(True)
        browser.resize(1280, 900)
        browser.open(f"{site}/healthz")
        browser.delete_cookies()
        secret = open_page_session(app, {"id": caller.id})
        browser.run(f"document.cookie = '{COOKIE}={secret}; path=/'")
        browser.open(site + path)

    return open_page


def get_page(app, caller, path):
    return make_browser(app, {"id": caller.id}).get(path)


def test_the_console_leads_to_signing_in(client, db, event_id):
    for path in ("/console", f"/console/events/{event_id}?lang=el"):
        answer = client.get(path)
        assert answer.status_code == 303
        assert answer.location.startswith("/account/sign-in?next=/console")


def test_no_cache_stores_the_console(app, organizer, event_id):
    for path in ("/console", f"/console/events/{event_id}"):
        answer = get_page(app, organizer, path)
        assert answer.status_code == 200
        assert "no-store" in answer.headers["Cache-Control"]


def test_an_attendee_reads_how_to_become_an_organizer(app, client, db):
    page = get_page(app, Caller(client, app), "/console").text
    assert "Make another account as an organizer" in page
    assert "New event" not in page


@pytest.mark.parametrize(
    ("role", "shown", "hidden"),
    [
        ("manager", ["Edit", "Orders", "Door devices", "Log"], []),
        ("viewer", ["Orders", "Attendees", "Log", "Figures"], ["Edit", "Door devices"]),
        ("door", ["Overview"], ["Edit", "Orders", "Door devices", "Log"]),
    ],
)
def test_members_see_what_their_role_allows(
    app, client, db, organizer, event_id, role, shown, hidden
):
    member = Caller(client, app)
    add_member(db, organizer, member, role)
    page = get_page(app, member, f"/console/events/{event_id}").text
    tabs = page.partition('class="tabs"')[2].partition("</nav>")[0]
    assert [text for text in shown if f">{text}</a>" not in tabs] == []
    assert [text for text in hidden if f">{text}</a>" in tabs] == []
    events_page = get_page(app, member, "/console").text
    assert ("New event" in events_page) is (role == "manager")


def test_events_of_others_are_not_found(app, client, db, organizer, event_id):
    stranger = Caller(client, app, "organizer")
    limited = Caller(client, app)
    add_member(db, organizer, limited, "manager", [event_id + 1])
    for caller in (stranger, limited):
        answer = get_page(app, caller, f"/console/events/{event_id}")
        assert answer.status_code == 404
        assert answer.mimetype == "text/html"
    assert "New event" not in get_page(app, limited, "/console").text


def test_a_draft_is_not_for_the_door(app, client, db, organizer):
    draft = make_event(db, organizer_id=organizer.id, status="draft")["eventId"]
    member = Caller(client, app)
    add_member(db, organizer, member, "door")
    assert get_page(app, member, f"/console/events/{draft}").status_code == 404


def test_the_list_of_events(app, db, browser, open_as, check_page, organizer):
    schedule = [{"date": day(offset), "location": XSS} for offset in (40, 20)]
    for number in range(23):
        title = XSS if number == 20 else f"Concert {number}"
        make_event(db, organizer_id=organizer.id, title=title, schedule=schedule)
    make_event(db, organizer_id=organizer.id, title="Draft", status="draft")
    make_event(db, title="Of another organizer")
    open_as(organizer, "/console")
    browser.wait_for_text("20 of 24")
    assert browser.run("return document.querySelectorAll('tbody tr').length") == 20
    browser.press_button("Show more")
    browser.wait_for_text("24 of 24")
    assert XSS in browser.text("tbody")
    assert "0 of 100" in browser.text("tbody")
    check_page("console-events")
    browser.type("#search", "concert 7")
    browser.wait_for_text("Concert 7", "tbody tr:first-child")
    browser.fill("#search", "nothing like that")
    browser.wait_for_text("Nothing matches these filters.")
    browser.run("location.reload()")
    browser.wait_for_text("Nothing matches these filters.")
    assert browser.run("return document.getElementById('search').value") == "nothing like that"


def test_the_list_says_that_it_failed_and_tries_again(
    app, db, browser, open_as, organizer, event_id
):
    open_as(organizer, "/console")
    browser.wait_for_text("Jazz by the Sea")
    browser.set_online(False)
    browser.fill("#search", "jazz")
    browser.wait_for_text("The server cannot be reached.")
    browser.set_online(True)
    browser.press_button("Try again")
    browser.wait_for_text("1 of 1")
    assert "ERR_INTERNET_DISCONNECTED" in browser.console_errors()[0]


def test_an_organizer_without_events_is_told_how_to_begin(browser, open_as, check_page, organizer):
    open_as(organizer, "/console")
    browser.wait_for_text("No events yet")
    check_page("console-empty")


def press(browser, text):
    """Click a button in the middle of the window, where nothing covers it."""
    script = """
    [...document.querySelectorAll("button, summary")]
      .find((each) => each.checkVisibility() && each.innerText.trim() === arguments[0])
      ?.scrollIntoView({block: "center"});
    """
    browser.run(script, text)
    browser.press_button(text)


def choose(browser, name, number):
    """Choose a date or ticket type that a row of the form refers to."""
    script = """
    const [name, number] = arguments;
    document.querySelectorAll(`[data-choices="${name}"] input`)[number].click();
    """
    browser.run(script, name, number)


def fill_date(browser, number, date, place):
    browser.fill(f"[name='schedule.{number}.date']", date)
    browser.fill(f"[name='schedule.{number}.startTime']", "20:30")
    browser.fill(f"[name='schedule.{number}.location']", place)


def fill_type(browser, number, name, price, count):
    browser.fill(f"[name='ticketTypes.{number}.type']", name)
    browser.fill(f"[name='ticketTypes.{number}.price']", price)
    browser.fill(f"[name='ticketTypes.{number}.availableTickets']", count)


def fill_event(browser, title):
    """Fill the form with two dates, three types, a limit for one date, and a code for one type."""
    browser.wait_for("!document.getElementById('event-form').hidden")
    browser.fill("#title", title)
    browser.fill("#description", f"Two sets.\n{XSS}")
    browser.fill("#tags", "jazz, open air, jazz")
    fill_date(browser, 0, day(30), "Old Port, Volos")
    press(browser, "Add a date")
    assert browser.run("return document.getElementById('schedule.1.date').value") == day(31)
    fill_type(browser, 0, XSS, "20", "100")
    for number, (name, price, count) in enumerate(
        (("Early", "12.5", "20"), ("Child", "0", "10")), 1
    ):
        press(browser, "Add a ticket type")
        fill_type(browser, number, name, price, count)


def test_an_organizer_makes_an_event(browser, open_as, check_page, organizer):
    open_as(organizer, "/console/events/new")
    fill_event(browser, XSS)
    press(browser, "Shared limits")
    press(browser, "Add a limit")
    browser.fill("[name='quotas.0.name']", "First evening")
    browser.fill("[name='quotas.0.capacity']", "80")
    choose(browser, "quotas.0.scheduleIds", 0)
    press(browser, "Promo codes")
    press(browser, "Add a code")
    browser.fill("[name='promoCodes.0.code']", "spring-10")
    browser.fill("[name='promoCodes.0.value']", "10")
    choose(browser, "promoCodes.0.ticketTypeIds", 1)
    press(browser, "Questions to attendees")
    press(browser, "Add a question")
    browser.fill("[name='questions.0.label']", XSS)
    browser.fill("[name='questions.0.kind']", "choice")
    browser.fill("[name='questions.0.choices']", "Vegan\nOther")
    choose(browser, "questions.0.ticketTypeIds", 2)
    press(browser, "Point on the map")
    browser.fill("[data-point]", "https://www.openstreetmap.org/#map=16/39.3610/22.9420")
    choose_photo(browser)
    check_page("console-form")
    press(browser, "Save and publish")
    browser.wait_for_text("The event is saved.")
    browser.wait_for_text("0 of 130")
    event = organizer.get("/events/1").json
    assert event["status"] == "published"
    assert [event["title"], event["tags"]] == [XSS, ["jazz", "open air"]]
    assert event["image"]
    dates = [(each["date"], each["startTime"], each.get("lat")) for each in event["schedule"]]
    assert dates == [(day(30), "20:30", 39.361), (day(31), "20:30", None)]
    types = [(each["type"], each["price"], each["capacity"]) for each in event["ticketTypes"]]
    assert types == [(XSS, 20, 100), ("Early", 12.5, 20), ("Child", 0, 10)]
    assert [each["choices"] for each in event["questions"]] == [["Vegan", "Other"]]
    assert event["questions"][0]["ticketTypeIds"] == [3]
    (quota,) = organizer.get("/events/1/quotas").json["quotas"]
    assert (quota["capacity"], quota["scheduleIds"]) == (80, [1])
    (code,) = organizer.get("/events/1/promo-codes").json["promoCodes"]
    assert (code["code"], code["value"], code["ticketTypeIds"]) == ("spring-10", 10, [2])
    assert XSS in browser.text("#types")
    check_page("console-overview")


def choose_photo(browser):
    """Choose a small picture, which the page makes itself."""
    script = """
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 40;
    canvas.getContext("2d").fillRect(0, 0, 20, 20);
    canvas.toBlob((blob) => {
      const files = new DataTransfer(), input = document.getElementById("photo");
      files.items.add(new File([blob], "photo.png", {type: "image/png"}));
      input.files = files.files;
      input.dispatchEvent(new Event("change", {bubbles: true}));
    });
    """
    browser.run(script)
    browser.wait_for("!document.getElementById('photo-preview').hidden")


def test_an_edit_is_kept_when_it_cannot_be_saved(
    client, app, db, browser, open_as, check_page, organizer, event_id
):
    Caller(client, app).book(event_id, 2)
    path = f"/console/events/{event_id}/edit"
    open_as(organizer, path)
    browser.wait_for("!document.getElementById('event-form').hidden")
    browser.fill("#title", "Jazz in the Garden")
    browser.set_online(False)
    press(browser, "Save the changes")
    browser.wait_for_text("The server cannot be reached.", "#form-message")
    assert "ERR_INTERNET_DISCONNECTED" in browser.console_errors()[0]
    browser.set_online(True)
    browser.run("location.reload()")
    browser.wait_for_text("What was typed here before")
    assert browser.run("return document.getElementById('title').value") == "Jazz in the Garden"
    browser.fill("[name='ticketTypes.0.availableTickets']", "1")
    press(browser, "Save the changes")
    browser.wait_for_text("2 are sold or held already.", ".field-error")
    browser.fill("[name='ticketTypes.0.availableTickets']", "50")
    browser.fill("[name='schedule.0.timezone']", "Nowhere/City")
    press(browser, "Save the changes")
    browser.wait_for("document.getElementById('schedule.0.timezone-error')")
    browser.console_errors()  # The refused field is one of them.
    check_page("console-edit")
    browser.fill("[name='schedule.0.timezone']", "Europe/Athens")
    browser.delete_cookies()
    browser.run("location.reload()")
    browser.wait_for("location.pathname === '/account/sign-in'")
    open_as(organizer, path)
    browser.wait_for_text("What was typed here before")
    press(browser, "Save the changes")
    browser.wait_for_text("The event is saved.")
    event = organizer.get(f"/events/{event_id}").json
    assert (event["title"], event["schedule"][0]["timezone"]) == (
        "Jazz in the Garden",
        "Europe/Athens",
    )
    (sold,) = event["ticketTypes"]
    assert (sold["capacity"], sold["soldTickets"], sold["availableTickets"]) == (50, 2, 48)
    browser.console_errors()


def test_a_change_by_somebody_else_is_not_replaced_unasked(browser, open_as, organizer, event_id):
    open_as(organizer, f"/console/events/{event_id}/edit")
    browser.wait_for("!document.getElementById('event-form').hidden")
    organizer.call("PATCH", f"/events/{event_id}/ticket-types/1", {"price": 30})
    browser.fill("#title", "Mine")
    press(browser, "Save the changes")
    browser.wait_for_text("Somebody else has changed this event")
    browser.press_button("Go back", "dialog")
    assert organizer.get(f"/events/{event_id}").json["title"] == "Jazz by the Sea"
    press(browser, "Save the changes")
    browser.press_button("Save mine", "dialog")
    browser.wait_for_text("The event is saved.")
    assert organizer.get(f"/events/{event_id}").json["title"] == "Mine"


def test_an_event_is_duplicated_cancelled_and_deleted(
    client, app, browser, open_as, organizer, event_id
):
    Caller(client, app).book(event_id)
    open_as(organizer, f"/console/events/{event_id}")
    browser.wait_for_text("1 of 100")
    press(browser, "Cancel the event")
    browser.wait_for_text("1 booking is cancelled and refunded", "#question")
    browser.press_button("Cancel the event", "dialog")
    browser.wait_for_text("The event is cancelled.")
    browser.wait_for("document.getElementById('duplicate')?.checkVisibility()")
    press(browser, "Duplicate")
    browser.press_button("Make the draft", "dialog")
    browser.wait_for_text("This is the new draft.")
    copy = organizer.get(f"/events/{event_id + 1}").json
    assert (copy["status"], copy["schedule"][0]["date"]) == ("draft", day(37))
    browser.press_button("Publish")
    browser.wait_for_text("The event is published.")
    browser.wait_for("document.getElementById('delete')?.checkVisibility()")
    press(browser, "Delete")
    browser.press_button("Delete", "dialog")
    browser.wait_for_text("The event is deleted.")
    assert organizer.get(f"/events/{event_id + 1}").status_code == 404


def test_a_viewer_reads_the_overview_and_changes_nothing(
    client, app, db, browser, open_as, organizer, event_id
):
    member = Caller(client, app)
    add_member(db, organizer, member, "viewer")
    open_as(member, f"/console/events/{event_id}")
    browser.wait_for_text("0 of 100")
    assert not browser.run("return document.querySelector('#cancel, #duplicate, #delete')")
    assert get_page(app, member, f"/console/events/{event_id}/edit").status_code == 403


def test_a_manager_makes_an_event_of_the_organizer(client, app, db, browser, open_as, organizer):
    member = Caller(client, app)
    add_member(db, organizer, member, "manager")
    open_as(member, "/console/events/new")
    browser.wait_for("!document.getElementById('event-form').hidden")
    browser.fill("#title", "Of the team")
    fill_date(browser, 0, day(30), "Volos")
    fill_type(browser, 0, "General", "5", "10")
    press(browser, "Save as a draft")
    browser.wait_for_text("The event is saved.")
    event = organizer.get("/events/1").json
    assert (event["organizerId"], event["status"]) == (str(organizer.id), "draft")


def test_a_refused_deletion_is_told_in_words(client, app, browser, open_as, organizer, event_id):
    Caller(client, app).book(event_id)
    open_as(organizer, f"/console/events/{event_id}?lang=el")
    browser.wait_for("document.getElementById('delete')?.checkVisibility()")
    press(browser, "Διαγραφή")
    browser.press_button("Διαγραφή", "dialog")
    browser.wait_for_text("Η εκδήλωση έχει κρατήσεις.", "#more-message")
    browser.console_errors()


def test_a_photo_that_is_none_is_refused_and_the_rest_is_saved(
    browser, open_as, organizer, event_id
):
    open_as(organizer, f"/console/events/{event_id}/edit")
    browser.wait_for("!document.getElementById('event-form').hidden")
    browser.fill("#title", "With a photo")
    script = """
    const files = new DataTransfer();
    files.items.add(new File(["no picture"], "photo.png", {type: "image/png"}));
    document.getElementById("photo").files = files.files;
    """
    browser.run(script)
    press(browser, "Save the changes")
    browser.wait_for_text("but the photo was not accepted", "#form-message")
    assert organizer.get(f"/events/{event_id}").json["title"] == "With a photo"
    browser.run("document.getElementById('photo').value = ''")
    press(browser, "Save the changes")
    browser.wait_for_text("The event is saved.")
    browser.console_errors()


def test_who_signs_up_as_an_organizer_begins_in_the_console(browser, site, db):
    browser.open(f"{site}/healthz")
    browser.delete_cookies()
    browser.open(f"{site}/account/sign-up?role=organizer")
    for name, value in (
        ("name", "Ada"),
        ("email", "ada@example.org"),
        ("password", "correct horse"),
    ):
        browser.fill(f"[name='{name}']", value)
    browser.click("main form button:not([type=button])")
    browser.wait_for_text("No events yet")
    browser.press_button("New event", ".empty")
    browser.wait_for("!document.getElementById('event-form').hidden")
    assert browser.run("return document.getElementById('organizer').value") == "Ada"
