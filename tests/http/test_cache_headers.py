"""Which answers a cache may store: of every route, for callers of every kind.

An answer that depends on its caller must forbid caches or vary by all that identifies the caller.
"""

from io import BytesIO

import pytest

from eventapp.pages import static_files
from tests import pictures
from tests.bookings_factories import Caller, event_of
from tests.page_sessions import COOKIE, open_page_session
from tests.webhooks import create

DEVICE = {"X-Device-Id": "cache-device-1"}
IDENTITY = {"authorization", "x-device-id"}
PRIVATE = "private, no-store"
# These lead to another page, or do so whoever is signed in.
LEAD_ON = {
    ("account.show_start", "GET"),
    ("console_account.redirect_dashboard", "GET"),
}
# The answers that a cache may store: those that set a Cache-Control of their own.
CACHEABLE = {
    "page_files.show_file",
    "page_files.show_texts",
    "public_pages.show_event",
    "public_pages.show_organizer",
    "sitemaps.show_robots",
    "sitemaps.show_sitemap",
    "sitemaps.show_part",
    "events.list_events",
    "events.popular_events",
    "events.suggest_texts",
    "events.show_event",
    "availability.show_availability",
    "feeds.event_feed",
    "feeds.list_feed",
    "feeds.organizer_feed",
    "organizer_profiles.show_profile",
    "organizer_events.list_events",
    "android.list_events",
    "media.image",
    "swagger_ui.show",
}
# The parameters without which a route answers 400.
REQUIRED_QUERIES = {"events.suggest_texts": "?q=sample"}
# The answers that never end.
STREAMS = {"streams.stream_event", "live_notifications.stream_notifications"}


def vary_of(answer):
    return {each.strip().lower() for each in ",".join(answer.headers.getlist("Vary")).split(",")}


@pytest.fixture
def world(client, app, db):
    """An event with a booking, a message and a photo.

    It holds the values of path parameters, the headers of each caller, and the secrets of the page
    sessions that callers have.
    """
    host, ann = Caller(client, app, "organizer"), Caller(client, app)
    root = Caller(client, app, "admin")
    event_id = event_of(db, 5, organizer_id=host.id)
    booking = ann.book(event_id)
    ticket = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"][0]
    message = ann.call("POST", f"/events/{event_id}/messages", {"text": "hello"}).json
    form = {"file": (BytesIO(pictures.photo()), "photo.jpg")}
    photo = client.post(f"/api/users/{ann.id}/gallery", data=form, headers=ann.headers).json
    values = {
        "event_id": event_id,
        "booking_id": booking["_id"],
        "reference": booking["bookingReference"],
        "ticket_id": ticket["ticketId"],
        "ticket_type_id": 1,
        "code_id": 1,
        "quota_id": 1,
        "ticket_type_index": 0,
        "schedule_index": 0,
        "message_id": message["data"]["message"]["_id"],
        "notification_id": "0" * 24,
        "image_id": photo["image"]["imageId"],
        "user_id": str(ann.id),
        "capability": "none",
        "provider": "mock",
        "session_id": "0" * 24,
        "token_id": "0" * 24,
        "announcement_id": "0" * 24,
        "device_id": "0" * 24,
        "webhook_id": create(host)["webhookId"],
        "delivery_id": "msg_0",
        "member_id": "0" * 24,
        "invitation_id": "0" * 24,
        "organizer_id": str(host.id),
        "payment_id": "0" * 24,
        "path": "swagger-ui.css",
        "file": "midnight-bakery.webp",
        "version": static_files.VERSION,
        "language": "el",
        "number": 0,
    }
    callers = {"nobody": {}, "device": DEVICE}
    callers |= {"attendee": ann.headers, "organizer": host.headers, "admin": root.headers}
    people = {"attendee": ann, "organizer": host}
    sessions = {name: open_page_session(app, {"id": each.id}) for name, each in people.items()}
    return values, callers, sessions


def iter_requests(app, values):
    """Yield the rule, path and method of every route, the reading ones first."""
    adapter = app.url_map.bind("localhost")
    routes = [
        (rule, build_path(adapter, rule, values, method), method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"OPTIONS"}
    ]
    yield from sorted(routes, key=lambda route: route[2] not in ("GET", "HEAD"))


def build_path(adapter, rule, values, method):
    path = adapter.build(rule.endpoint, choose_values(rule, values), method)
    return path + REQUIRED_QUERIES.get(rule.endpoint, "")


def choose_values(rule, values):
    if rule.endpoint == "page_files.show_file":
        return {"version": static_files.VERSION, "file": "css/base.css"}
    return {name: values[name] for name in rule.arguments}


def send_to_all(client, app, world):
    """Send every request as every caller; yield the rule, a description and the answer.

    They are sent with the cookie of the caller's page session, which the API ignores.
    """
    values, callers, sessions = world
    for rule, path, method in iter_requests(app, values):
        for name, headers in callers.items():
            client.delete_cookie(COOKIE)
            if name in sessions:
                client.set_cookie(COOKIE, sessions[name])
            answer = client.open(path, method=method, headers=headers)
            yield rule, f"{method} {path} as {name}: {answer.status_code}", answer
            answer.close()


def find_fault(app, rule, answer, *, is_identified):
    """Return what is wrong about the headers for caches of an answer, or None."""
    control, vary = answer.headers.get("Cache-Control", ""), vary_of(answer)
    if "accept-encoding" not in vary:
        return "does not vary by Accept-Encoding"
    if rule.endpoint in STREAMS and answer.status_code == 200:
        return None if control == f"no-cache, {PRIVATE}, no-transform" else "may be stored"
    if control == PRIVATE:
        return None
    if rule.endpoint not in CACHEABLE or answer.status_code != 200 or not control:
        return "may be stored"
    if not app.view_functions[rule.endpoint].security:
        return None
    if is_identified and "public" in control:
        return "may be stored by caches that ignore Vary"
    return None if vary >= IDENTITY else "does not vary by its caller"


def test_every_answer_forbids_caches_or_varies_by_its_caller(client, app, world):
    succeeded, stored, faults = set(), set(), []
    for rule, description, answer in send_to_all(client, app, world):
        if answer.status_code == 200:
            succeeded.add((rule.endpoint, description.split()[0]))
        if "no-store" not in answer.headers.get("Cache-Control", ""):
            stored.add(rule.endpoint)
        if fault := find_fault(app, rule, answer, is_identified=" as nobody" not in description):
            faults.append(f"{description} {fault}")
    assert faults == []
    assert stored == CACHEABLE
    reads = {(rule.endpoint, "GET") for rule in app.url_map.iter_rules() if "GET" in rule.methods}
    assert reads - succeeded == LEAD_ON


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/events/999", "/api/events?limit=0"])
def test_no_cache_may_store_an_error(client, path):
    assert client.get(path).headers["Cache-Control"] == PRIVATE


def test_a_new_route_is_not_stored_unless_it_says_so(make_app):
    app = make_app()
    app.add_url_rule("/new", view_func=lambda: "mine", endpoint="new")
    assert app.test_client().get("/new").headers["Cache-Control"] == PRIVATE
