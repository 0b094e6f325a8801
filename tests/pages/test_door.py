"""The door: pairing, scanning from pictures, without a connection, from two phones, and undo."""

import io
import re
from contextlib import contextmanager
from datetime import date

import pytest
import segno
from PIL import Image

from eventapp.pages import door_files, rendering, static_files
from eventapp.tickets.signing_key import TicketKey
from tests.bookings_factories import Caller, event_of
from tests.browser import Browser
from tests.conftest import needs_no_server
from tests.devices import make_device
from tests.factories import day
from tests.live import eventually
from tests.page_sessions import COOKIE, make_browser, open_page_session

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def host(client, app):
    return Caller(client, app, "organizer")


@pytest.fixture
def event(db, host):
    return event_of(db, 50, organizer_id=host.id, title=f"Jazz {EVIL}")


@pytest.fixture
def codes(client, app, event):
    """The codes of the tickets of Zoë Papadopoúlou, of EVIL, and of somebody without a name."""
    holder = Caller(client, app)
    names = ("Zoë Papadopoúlou", EVIL, "Ανδρέας Ελής")
    attendees = [{"ticketTypeId": 1, "name": name} for name in names]
    booking = holder.book(event, 3, attendees=attendees)
    listed = holder.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    return [ticket["code"] for ticket in listed]


@pytest.fixture
def draw(tmp_path):
    """A function that returns the path of a picture with the QR code of a text."""

    def draw_code(text):
        path = tmp_path / f"{abs(hash(text))}.png"
        segno.make(text, error="m").save(str(path), scale=5, border=4)
        return str(path)

    return draw_code


class Phone:
    """A browser at the door of a site."""

    def __init__(self, browser, site, draw):
        self.browser, self.site, self.draw = browser, site, draw
        browser.resize(390, 800)

    def open(self, path="/door"):
        self.browser.open(self.site + path)

    def pair(self, host, event, name="Main entrance"):
        link = make_device(host, event, name=name)["link"]
        self.open("/door#" + link.partition("#")[2])
        self.browser.wait_for("!document.getElementById('door').hidden")
        self.wait_for_list()
        return link

    def wait_for_list(self):
        self.browser.wait_for("document.getElementById('list-time').textContent.match(/[0-9]:/)")

    def wait_for_worker(self):
        self.browser.wait_for("navigator.serviceWorker.controller !== null")
        self.browser.run("""
          caches.keys().then((names) => caches.open(names[0])).then((cache) => cache.keys())
            .then((keys) => { window.kept = keys.length; })""")
        self.browser.wait_for("window.kept > 10")

    def scan(self, code, answer):
        """Scan a picture of a code, wait for the answer, and return its whole text."""
        self.browser.run("document.querySelector('[data-opens=scan]').click()")
        self.browser.type("#picture", self.draw(code))
        self.browser.wait_for_text(answer, "#answer[open] h2")
        return self.browser.text("#answer")

    def close_answer(self):
        self.browser.press_button("Next", "#answer")
        self.browser.wait_for("!document.querySelector('dialog[open]')")

    def show_list(self):
        self.browser.resize(390, 800)
        self.browser.press_button("List", ".door-nav")

    def wait_until_sent(self):
        self.browser.wait_for("document.getElementById('waiting').textContent === ''")


@pytest.fixture
def phone(browser, site, draw):
    opened = Phone(browser, site, draw)
    yield opened
    # Only a page without unsent scans is left without a question.
    browser.set_online(True)


def check_ins_of(db):
    """Return the check-ins of all bookings, by ticket."""
    return {
        f"{booking['_id']}-{local_id}": each
        for booking in db.bookings.find()
        for local_id, each in booking.get("checkIns", {}).items()
    }


def test_the_page_may_use_the_camera_and_a_worker_and_is_the_same_for_everybody(app, client):
    page = client.get("/door")
    policy = page.headers["Content-Security-Policy"]
    assert "worker-src 'self'" in policy
    assert "script-src 'self';" in policy
    assert "wasm" not in policy
    assert page.headers["Permissions-Policy"] == "camera=(self)"
    assert "Set-Cookie" not in page.headers
    host = Caller(client, app, "organizer")
    signed_in = make_browser(app, {"id": host.id}).get("/door?event=1")
    assert signed_in.text == page.text


def test_the_worker_keeps_the_page_with_all_that_it_loads(client):
    answer = client.get("/door/worker.js")
    assert answer.headers["Service-Worker-Allowed"] == "/door"
    assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.text.startswith("const DOOR = {")
    kept = door_files.ADDRESSES
    for language in ("en", "el"):
        page = client.get(f"/door?lang={language}")
        loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        assert loaded
        assert set(loaded) <= set(kept)
        assert f'"/door?lang={language}"' in answer.text
    for address in kept:
        assert client.get(address).status_code == 200
        assert address in answer.text
    for vendored in ("vendor/qr/index.js", "vendor/noble-ed25519/index.js", "texts/el.js"):
        assert f"/static/{static_files.VERSION}/{vendored}" in kept


def test_the_version_of_the_worker_changes_with_the_template(monkeypatch, tmp_path):
    before = door_files.compute_version()
    (tmp_path / "templates").mkdir()
    for name in door_files.TEMPLATES:
        (tmp_path / "templates" / name).write_text("changed")
    monkeypatch.setattr(static_files, "FOLDER", tmp_path / "static")
    assert door_files.compute_version() != before


def test_the_manifest_is_in_the_language_of_the_page(client):
    page = client.get("/door?lang=el").text
    link = re.search(r'rel="manifest" href="([^"]+)"', page)[1]
    manifest = client.get(link)
    assert manifest.content_type == "application/manifest+json"
    assert (manifest.json["lang"], manifest.json["start_url"]) == ("el", "/door?lang=el")
    assert manifest.json["name"] != client.get("/door/app.webmanifest").json["name"]
    for icon in manifest.json["icons"]:
        assert client.get(icon["src"]).status_code == 200
    assert rendering.POLICY in manifest.headers


def test_a_phone_is_paired_by_a_link_and_scans_from_pictures(
    db, client, app, host, event, codes, phone, check_page
):
    browser = phone.browser
    phone.open()
    browser.wait_for_text("Check tickets at the door")
    check_page("door-pairing")
    browser.fill("#link", "https://example.org/door")
    browser.press_button("Use this phone at the door")
    browser.wait_for_text("This is no link for a phone at the door")

    link = phone.pair(host, event)
    assert browser.run("return location.href") == f"{phone.site}/door"
    assert browser.text("#door-title") == f"Jazz {EVIL}"
    assert browser.text("#count") == "0 of 3 in"
    assert browser.console_errors() == []
    check_page("door-scan")

    browser.resize(390, 800)
    # Good answers close by themselves, which the checks below must not meet.
    browser.run("""
      const original = window.setTimeout;
      window.setTimeout = (run, ms) => (ms === 2500 && !window.isQuick ? 0 : original(run, ms));
    """)
    answer = phone.scan(codes[0], "Come in")
    assert "Zoë Papadopoúlou" in answer
    check_page("door-in")
    phone.close_answer()
    answer = phone.scan(codes[0], "Already in")
    assert re.search(r"Since \d\d:\d\d, by Main entrance\.", answer)
    check_page("door-already")
    phone.close_answer()
    assert len(check_ins_of(db)) == 1

    phone.scan(codes[1], "Come in")
    assert EVIL in browser.text("#answer")
    phone.close_answer()
    other = event_of(db, 5, organizer_id=host.id)
    other_code = codes_of_booking(Caller(client, app), other)[0]
    phone.scan(other_code, "Ticket of another event")
    phone.close_answer()
    forged = TicketKey(b"x" * 32).sign(event, codes[2].split(".")[2].lower())
    phone.scan(forged, "Forged ticket")
    phone.close_answer()
    phone.scan("https://example.org/", "This is no ticket")
    phone.close_answer()
    browser.type("#picture", __file__)
    browser.wait_for_text("This file is no picture", "#camera-message")

    phone.show_list()
    check_page("door-list")
    browser.resize(390, 800)
    browser.fill("#search", "papadopoulou zoe")
    browser.wait_for("document.querySelectorAll('.person').length === 1")
    browser.fill("#search", "ΕΛΗΣ")
    browser.wait_for_text("Expected", "#people")
    browser.click(".person")
    browser.wait_for_text("Ανδρέας Ελής", "#ticket[open]")
    check_page("door-ticket")
    browser.press_button("Check in", "#ticket")
    browser.wait_for_text("Come in", "#answer[open]")
    phone.close_answer()
    browser.wait_for_text("3 of 3 in", "#count")
    assert len(check_ins_of(db)) == 3

    phone.open("/door#" + link.partition("#")[2])
    browser.wait_for_text("This link was used already")
    browser.console_errors()


def codes_of_booking(holder, event):
    booking = holder.book(event, 1)
    listed = holder.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    return [ticket["code"] for ticket in listed]


@contextmanager
def without_api(app):
    """Let the API fail. The emulated loss of the connection may miss a page that is loading."""
    handle = app.wsgi_app

    def fail(environ, start_response):
        if not environ["PATH_INFO"].startswith("/api/"):
            return handle(environ, start_response)
        start_response("503 Service Unavailable", [])
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "wsgi_app", fail)
        yield


def test_without_a_connection_scans_are_kept_and_sent_once(
    db, client, app, host, event, codes, phone, check_page
):
    browser = phone.browser
    phone.pair(host, event)
    phone.wait_for_worker()
    new_code = codes_of_booking(Caller(client, app), event)[0]
    browser.set_online(False)
    browser.wait_for_text("No connection", ".door-head")
    answer = phone.scan(codes[0], "Come in")
    assert "Kept on this phone" in answer
    phone.close_answer()
    phone.scan(codes[0], "Already in")
    phone.close_answer()
    forged = TicketKey(b"x" * 32).sign(event, codes[1].split(".")[2].lower())
    phone.scan(forged, "Forged ticket")
    phone.close_answer()
    phone.scan(new_code, "Not in the list")
    browser.resize(390, 800)
    browser.console_errors()
    check_page("door-unknown")
    browser.resize(390, 800)
    browser.press_button("Let in all the same", "#answer")
    browser.wait_for_text("Come in", "#answer h2")
    phone.close_answer()
    assert browser.text("#waiting") == "2 scans wait to be sent."
    browser.console_errors()
    check_page("door-offline")
    browser.resize(390, 800)

    with without_api(app):
        phone.open()  # The service worker opens the page.
        browser.wait_for_text("2 scans wait to be sent.", "#waiting")
        phone.scan(codes[2], "Come in")
        phone.close_answer()
        assert browser.text("#waiting") == "3 scans wait to be sent."
    assert check_ins_of(db) == {}

    browser.set_online(True)
    phone.wait_until_sent()
    sent = check_ins_of(db)
    assert len(sent) == 3
    browser.wait_for_text("Connected", ".door-head")
    browser.wait_for_text("3 of 4 in", "#count")
    # Sent again, as after an answer that was lost.
    browser.run("""
      const request = indexedDB.open("door");
      request.onsuccess = () => {
        const scans = request.result.transaction("scans", "readwrite").objectStore("scans");
        scans.getAll().onsuccess = ({target}) => {
          for (const {answeredAt, result, ...scan} of target.result) scans.put(scan);
          window.isReset = true;
        };
      };
    """)
    browser.wait_for("window.isReset")
    phone.open()
    phone.wait_for_list()
    phone.wait_until_sent()
    assert check_ins_of(db) == sent
    assert browser.run("return document.getElementById('problems').hidden")
    browser.console_errors()


def test_of_two_phones_without_a_connection_the_later_one_learns_of_the_other(
    db, host, event, codes, phone, site, draw, tmp_path
):
    other = Phone(Browser(tmp_path / "other"), site, draw)
    try:
        for each, name in ((phone, "Phone A"), (other, "Phone B")):
            each.pair(host, event, name=name)
            each.browser.set_online(False)
            each.browser.wait_for_text("No connection", ".door-head")
            each.scan(codes[0], "Come in")
            each.close_answer()
        other.browser.set_online(True)
        other.wait_until_sent()
        phone.browser.set_online(True)
        phone.wait_until_sent()
        # Phone A was first by its clock, but the check-in of phone B was there first.
        assert len(check_ins_of(db)) == 1
        phone.browser.wait_for_text("but was already in at", "#problems")
        text = phone.browser.text("#problems")
        assert "Zoë Papadopoúlou" in text
        assert re.search(r"already in at \d\d:\d\d by Phone B", text)
        assert other.browser.run("return document.getElementById('problems').hidden")
        phone.open()
        phone.browser.press_button("Seen", "#problems")
        phone.browser.wait_for("document.getElementById('problems').hidden")
    finally:
        other.browser.close()


def test_a_manager_undoes_a_check_in_and_a_device_is_ended(
    app, db, host, event, codes, phone, check_page
):
    browser = phone.browser
    phone.pair(host, event)
    phone.scan(codes[0], "Come in")
    phone.close_answer()
    phone.show_list()
    browser.fill("#search", "zoe")
    browser.click(".person")
    browser.press_button("Undo the check-in", "#ticket")
    browser.wait_for_text("Only a manager of the event may undo", "#ticket")
    assert "next=%2Fdoor" in browser.run("return document.querySelector('#ticket a').href")
    sign_in(app, host, phone)
    browser.press_button("Undo the check-in", "#ticket")
    browser.wait_for_text("was undone", "#notice")
    assert check_ins_of(db) == {}
    browser.wait_for_text("0 of 3 in", "#count")
    phone.scan(codes[0], "Come in")
    phone.close_answer()
    browser.delete_cookies()

    device = host.get(f"/events/{event}/devices").json["devices"][0]
    host.call("DELETE", f"/events/{event}/devices/{device['deviceId']}")
    phone.scan(codes[1], "Come in")
    phone.close_answer()
    browser.wait_for_text("The organizer has ended the access of this phone", "#ended")
    assert browser.text("#waiting") == "1 scan waits to be sent."
    browser.console_errors()
    check_page("door-ended")
    assert len(check_ins_of(db)) == 1
    phone.pair(host, event)
    phone.wait_until_sent()
    assert eventually(lambda: len(check_ins_of(db)) == 2)
    browser.console_errors()


def sign_in(app, host, phone):
    secret = open_page_session(app, {"id": host.id})
    phone.browser.run(f"document.cookie = '{COOKIE}={secret}; path=/'")


def test_a_manager_needs_no_link(app, db, host, event, codes, phone):
    browser = phone.browser
    phone.open()
    browser.wait_for_text("Check tickets at the door")
    sign_in(app, host, phone)
    browser.press_button("Choose one of my events")
    browser.press_button(f"Jazz {EVIL}")
    browser.wait_for("!document.getElementById('door')?.hidden")
    phone.wait_for_list()
    phone.scan(codes[0], "Come in")
    phone.close_answer()
    assert [each.get("tokenId") for each in check_ins_of(db).values()] == [None]


def test_a_ticket_of_another_day_is_asked_about(db, client, app, host, phone):
    today = date.today().isoformat()
    place = {"location": "Hall", "lat": 40.0, "lng": 22.0}
    schedule = [{"date": each, **place} for each in (today, day(30))]
    event = event_of(db, 9, organizer_id=host.id, schedule=schedule)
    holder = Caller(client, app)
    booking = holder.book(event, 1, scheduleIndex=1)
    code = holder.get(f"/bookings/{booking['_id']}/tickets").json["tickets"][0]["code"]
    Caller(client, app).book(event, 1, scheduleIndex=0)
    browser = phone.browser
    phone.pair(host, event)
    browser.wait_for_text("0 of 1 in", "#count")
    phone.scan(code, "Ticket of another day")
    phone.close_answer()
    assert check_ins_of(db) == {}
    phone.scan(code, "Ticket of another day")
    browser.press_button("Let in all the same", "#answer")
    browser.wait_for_text("Come in", "#answer h2")
    phone.close_answer()
    assert len(check_ins_of(db)) == 1
    phone.show_list()
    browser.fill("#day", "")
    browser.wait_for_text("1 of 2 in", "#count")


def test_a_phone_is_ended_by_who_holds_it(db, host, event, codes, phone):
    browser = phone.browser
    phone.pair(host, event)
    browser.set_online(False)
    phone.scan(codes[0], "Come in")
    phone.close_answer()
    phone.show_list()
    browser.run("document.getElementById('forget').closest('details').open = true")
    # The driver takes a button below the bar at the bottom for one in view.
    browser.run("document.getElementById('forget').scrollIntoView({block: 'center'})")
    browser.press_button("End the door on this phone")
    browser.wait_for_text("1 scan was not sent yet, and would be deleted.", "#confirm")
    browser.press_button("Keep", "#confirm")
    browser.set_online(True)
    phone.wait_until_sent()
    browser.press_button("End the door on this phone")
    browser.wait_for_text("Check tickets at the door")
    assert len(check_ins_of(db)) == 1
    kept = browser.run_async("""
      const done = arguments[0];
      indexedDB.open("door").onsuccess = ({target}) => {
        const transaction = target.result.transaction(["doors", "lists", "scans"]);
        const found = [];
        for (const name of ["doors", "lists", "scans"]) {
          const request = transaction.objectStore(name).getAll();
          request.onsuccess = () => found.push(request.result);
        }
        transaction.oncomplete = () => done(found);
      };
    """)
    assert [door["secret"] for door in kept[0]] == [None]
    assert kept[1:] == [[], []]


def test_a_busy_server_is_given_time_and_the_page_speaks_greek(host, event, codes, phone):
    browser = phone.browser
    phone.pair(host, event)
    browser.run("""
      const original = window.fetch;
      window.fetch = (address, options) => (String(address).includes("/batch")
        ? Promise.resolve(new Response("{}", {status: 429, headers: {"Retry-After": "3"}}))
        : original(address, options));
    """)
    phone.scan(codes[0], "Come in")
    phone.close_answer()
    browser.wait_for_text("The server asks to wait", "#pause")
    phone.open("/door?lang=el")
    phone.wait_until_sent()
    browser.wait_for_text("1 από 3 μέσα", "#count")


@needs_no_server
def test_the_camera_is_read(host, event, codes, site, draw, tmp_path):
    film = tmp_path / "camera.mjpeg"
    film.write_bytes(draw_film(codes[0]))
    flags = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )
    phone = Phone(Browser(tmp_path / "filming", flags), site, draw)
    try:
        phone.pair(host, event)
        # The flags above allow the camera, so it starts without a touch.
        phone.browser.wait_for_text("Come in", "#answer[open] h2")
        phone.close_answer()
        phone.browser.wait_for_text("Already in", "#answer[open] h2")
        phone.close_answer()
        phone.browser.press_button("Stop the camera")
        phone.browser.wait_for("document.getElementById('video').srcObject === null")
        phone.browser.press_button("Start the camera")
        phone.browser.wait_for_text("Already in", "#answer[open] h2")
    finally:
        phone.browser.close()


def draw_film(code):
    drawn = io.BytesIO()
    segno.make(code, error="m").save(drawn, kind="png", scale=6, border=4)
    frame = Image.new("RGB", (640, 480), "gray")
    picture = Image.open(drawn).convert("RGB")
    frame.paste(picture, ((640 - picture.width) // 2, (480 - picture.height) // 2))
    encoded = io.BytesIO()
    frame.save(encoded, "JPEG", quality=90)
    return encoded.getvalue() * 10


@pytest.mark.parametrize("has_ed25519", [True, False])
def test_signatures_are_verified_without_the_server(host, event, codes, phone, has_ed25519):
    phone.open()
    key = host.get(f"/events/{event}/check-in").json["publicKey"]
    script = """
      const done = arguments[arguments.length - 1];
      const [address, key, codes, hasEd25519] = arguments;
      const refuse = async () => { throw new DOMException("", "NotSupportedError"); };
      if (!hasEd25519) crypto.subtle.importKey = refuse;
      import(address).then(async ({parseCode, isGenuine}) => {
        const verify = (code) => isGenuine(parseCode(code), key);
        const results = await Promise.all(codes.map(verify));
        done([results, parseCode("EVT1.x"), parseCode(codes[0] + "A")]);
      }).catch((error) => done(String(error)));
    """
    payload, _, signature = codes[0].rpartition(".")
    forged = [
        TicketKey(b"x" * 32).sign(event, codes[0].split(".")[2].lower()),
        f"{payload[:-1]}7.{signature}",
        f"{payload}.{'A' * 103}",
    ]
    address = static_files.make_url("js/door/codes.js")
    tried = [codes[0], f" {codes[1].lower()} ", *forged]
    arguments = [address, key, tried, has_ed25519]
    result = phone.browser.run_async(script, *arguments)
    assert result == [[True, True, False, False, False], None, None]
