"""Nothing tells of a secret ticket type, and no list of types shows a hidden one.

The types of the event have an unmistakable name, price and id. They are searched for in every
answer, the headers included.
"""

import re

import pytest

from eventapp.pages import static_files
from tests import webhooks
from tests.bookings_factories import Caller, context_of, event_of, refused, types
from tests.factories import event_body
from tests.streaming import ClientStream

SECRET_ID, HIDDEN_ID = 7_770_001, 7_770_002
SECRET = {"type": "Xyzzyzz", "price": 31337.25, "availableTickets": 9, "visibility": "secret"}
HIDDEN = {"type": "Plughzz", "price": 27182.75, "availableTickets": 9, "visibility": "hidden"}
# What an answer that tells of one of the types would contain: a name, an id, or a price, which the
# Android app gets rounded up. Measured times, such as those of /metrics, contain digits by chance.
MARKS = re.compile(
    rb"xyzzyzz|plughzz|(?<![\d.])(31337\.25|31338|7770001|27182\.75|27183|7770002)(?!\d)", re.I
)
# Routes that show holders their own bookings and tickets.
OF_HOLDER = {
    "/api/bookings",
    "/api/bookings/<oid:booking_id>",
    "/api/bookings/reference/<reference>",
    "/api/bookings/<oid:booking_id>/tickets",
    "/api/bookings/<oid:booking_id>/receipt",
    "/api/bookings/<oid:booking_id>/calendar.ics",
    "/api/users/<oid:user_id>/bookings",
    "/api/users/<oid:user_id>/export",
    "/api/notifications",
}
# Further queries of routes: filters and orders by what the types could change.
QUERIES = {
    "/api/events": [
        *("search=xyzzyzz", "search=plughzz", "minPrice=20000", "maxPrice=40000&minPrice=25000"),
        *("availableOnly=true", "onSale=true", "sortBy=price", "sortBy=price&order=desc"),
        *("upcoming=false", "upcoming=false&search=xyzzyzz", "limit=1"),
        *("facets=price,tags&limit=1", "upcoming=false&facets=price&limit=1"),
    ],
    "/api/events/popular": ["limit=5"],
    "/api/events/suggest": ["q=xyzzyzz", "q=plughzz"],
}
STREAMS = {"/api/events/<whole:event_id>/stream", "/api/notifications/stream"}


@pytest.fixture
def event_id(host, db):
    """An event of the host with a public, a secret and a hidden type."""
    made = host.call("POST", "/events", event_body(ticketTypes=types(5))).json
    for type_id, body in ((SECRET_ID, SECRET), (HIDDEN_ID, HIDDEN)):
        db.events.update_one({"eventId": made["eventId"]}, {"$set": {"nextTypeId": type_id}})
        added = host.call("POST", f"/events/{made['eventId']}/ticket-types", body)
        assert added.status_code == 201, added.json
    return made["eventId"]


def set_visibility(host, event_id, type_id, visibility):
    path = f"/events/{event_id}/ticket-types/{type_id}"
    answer = host.call("PATCH", path, {"visibility": visibility})
    assert answer.status_code == 200, answer.json


@pytest.fixture
def booking(host, holder, event_id):
    """A booking of the secret type, from when it was public."""
    set_visibility(host, event_id, SECRET_ID, None)
    booked = holder.book(event_id, 2, type_id=SECRET_ID)
    set_visibility(host, event_id, SECRET_ID, "secret")
    return booked


def collect(answer):
    """Return the status line, the headers and the body of an answer as bytes."""
    return str(answer.status).encode() + str(answer.headers).encode() + answer.data


def walk(app, client, headers, samples):
    """Yield the rule, the path and the answer of every GET route but streams."""
    for rule in sorted(app.url_map.iter_rules(), key=str):
        if "GET" not in rule.methods or rule.rule in STREAMS:
            continue
        path = re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", lambda m: samples[m[1]], rule.rule)
        for query in ["", *QUERIES.get(rule.rule, [])]:
            yield rule.rule, f"{path}?{query}", client.get(f"{path}?{query}", headers=headers)


@pytest.fixture
def samples(event_id, booking, holder, host):
    ticket_id = holder.ticket_ids(booking)[0]
    return {
        "event_id": str(event_id),
        "booking_id": booking["_id"],
        "user_id": str(holder.id),
        "organizer_id": str(host.id),
        "reference": booking["bookingReference"],
        "ticket_id": ticket_id,
        "webhook_id": webhooks.create(host)["webhookId"],
        "path": "index.css",
        "file": "x.jpg",
        "version": static_files.VERSION,
        "language": "el",
        "number": "1",
    }


def test_no_answer_of_any_get_route_tells_of_the_types(app, client, db, samples, host, holder, ann):
    other, root = Caller(client, app, "organizer"), Caller(client, app, "admin")
    ann.call("POST", "/favorites", {"eventId": int(samples["event_id"])})
    client.post("/android/api/favorites", json={"eventId": int(samples["event_id"])})
    found, shown = {}, {}
    callers = {"anyone": None, "ann": ann, "other": other, "holder": holder}
    callers |= {"host": host, "root": root}
    for name, caller in callers.items():
        headers = caller.headers if caller else {}
        for rule, path, answer in walk(app, client, headers, samples):
            told = collect(answer)
            assert answer.status_code < 500, (name, path)
            if MARKS.search(told):
                found.setdefault(name, set()).add(rule)
            if answer.status_code == 200:
                shown.setdefault(name, set()).add(rule)
    assert not found.keys() - {"host", "root", "holder"}
    assert found["holder"] <= OF_HOLDER
    # The search for the marks works: callers who may see the types do see them.
    assert {"/api/events/<whole:event_id>", "/api/events"} <= found["host"] & found["root"]
    assert {"/api/bookings", "/api/users/<oid:user_id>/export"} <= found["holder"]
    listed = {"/api/events", "/api/events/popular", "/android/api/events", "/api/favorites"}
    for name in ("anyone", "ann", "other", "holder"):
        assert listed <= shown[name]


def test_streams_and_mails_of_others_do_not_tell(client, db, host, ann, event_id):
    with ClientStream(client, f"/api/events/{event_id}/stream") as stream:
        sent = [stream.next("availability").data]
        ann.book(event_id, 1)
        sent.append(stream.next("availability").data)
        set_visibility(host, event_id, HIDDEN_ID, "secret")
        set_visibility(host, event_id, 1, "hidden")
        sent += [stream.next().data, stream.next().data]
    assert [len(each.get("ticketTypes", ())) for each in sent] == [1, 1, 0, 0]
    told = repr(sent).encode() + repr(list(db.mails.find())).encode()
    assert not MARKS.search(told)


def bytes_of(answer):
    names = {"Date", "X-Request-Id", "X-RateLimit-Reset", "Content-Length"}
    headers = [(name, value) for name, value in answer.headers if name not in names]
    return answer.status_code, headers, answer.data


@pytest.mark.parametrize("sold_out", [False, True])
@pytest.mark.parametrize("quantity", [1, 3, 50])
def test_a_secret_type_is_refused_as_an_unknown_one(client, db, ann, host, quantity, sold_out):
    limits = {"minPerBooking": 2, "maxPerBooking": 4, "maxPerUser": 4}
    secret = {**SECRET, **limits, "availableTickets": 0 if sold_out else 9}
    event_id = event_of(db, ticketTypes=[*types(0 if sold_out else 5), secret])
    for path, body in [
        ("/bookings", {"eventId": event_id, "ticketTypeId": ..., "quantity": quantity}),
        ("/bookings", {"eventId": event_id, "type": ..., "quantity": quantity}),
        ("/bookings", {"eventId": event_id, "items": [{"ticketTypeId": ..., "quantity": 1}]}),
        ("/waitlist", {"eventId": event_id, "ticketTypeId": ..., "quantity": quantity}),
        (f"/events/{event_id}/quote", {"items": [{"ticketTypeId": ..., "quantity": quantity}]}),
        (f"/events/{event_id}/quote", {"items": [{"type": ..., "quantity": quantity}]}),
    ]:
        answers = [
            ann.call("POST", path, fill(body, *named)) for named in ((2, "Xyzzyzz"), (3, "Unknown"))
        ]
        assert bytes_of(answers[0]) == bytes_of(answers[1]), path
        if quantity <= 10:
            refused(answers[0], 404, "ticket_type_not_found")
        assert not MARKS.search(collect(answers[0]))


def fill(body, type_id, name):
    """Return the body with this id or name of a type in the place of `...`."""
    if isinstance(body, list):
        return [fill(each, type_id, name) for each in body]
    if not isinstance(body, dict):
        return body
    named = {"ticketTypeId": type_id, "type": name}
    return {k: named[k] if v is ... else fill(v, type_id, name) for k, v in body.items()}


def test_a_bare_quantity_is_of_the_only_public_type(db, ann, bob):
    event_id = event_of(db, ticketTypes=[SECRET, *types(1), HIDDEN])
    booked = ann.order(event_id, quantity=1).json["data"]["booking"]
    assert booked["items"][0]["ticketTypeId"] == 2
    assert bob.order(event_id, quantity=1).json["data"]["waitlistEntry"]["ticketTypeId"] == 2
    without = event_of(db, ticketTypes=[SECRET])
    refused(bob.order(without, quantity=1), 400, "ticket_type_required")


def test_a_hidden_type_is_sold_to_who_names_its_id(db, ann, bob, event_id):
    assert ann.book(event_id, 9, type_id=HIDDEN_ID)["items"][0]["type"] == "Plughzz"
    answer = bob.order(event_id, type="Plughzz", quantity=1)
    refused(answer, 404, "ticket_type_not_found")
    assert bob.join(event_id, type_id=HIDDEN_ID).status_code == 201


def test_facts_of_the_public_are_those_of_public_types(client, db, host, event_id):
    set_visibility(host, event_id, HIDDEN_ID, "secret")
    path = f"/events/{event_id}"
    host.call("PATCH", f"{path}/ticket-types/1", {"availableTickets": 0})
    shown = client.get(f"/api{path}").json
    assert shown["soldOut"] is True
    assert [each["ticketTypeId"] for each in shown["ticketTypes"]] == [1]
    assert "visibility" not in shown["ticketTypes"][0]
    managed = host.get(path).json
    assert managed["soldOut"] is True
    assert [each["visibility"] for each in managed["ticketTypes"]] == ["public", "secret", "secret"]
    for query in ("minPrice=21", "availableOnly=true", "onSale=true", "search=xyzzyzz"):
        assert client.get(f"/api/events?{query}").json["events"] == [], query
        assert client.get(f"/api/events?upcoming=false&{query}").json["events"] == [], query
        if not query.startswith("search"):
            # An organizer's lists contain the same events.
            assert host.get(f"/events?mine=true&{query}").json["events"] == [], query
    cheap = event_of(db, ticketTypes=[{**SECRET, "price": 1}, *types(5, price=50)])
    dear = event_of(db, ticketTypes=types(5, price=40))
    by_price = client.get("/api/events?sortBy=price").json["events"]
    assert [each["eventId"] for each in by_price] == [event_id, dear, cheap]


@pytest.mark.parametrize("query", ["", "search=sample", "upcoming=false", "category=other"])
def test_an_event_without_a_public_type_is_in_no_list(client, db, ann, host, query):
    made = host.call("POST", "/events", event_body(ticketTypes=types(5))).json
    path = f"/events/{made['eventId']}"
    ann.call("POST", "/favorites", {"eventId": made["eventId"]})
    client.post("/android/api/favorites", json={"eventId": made["eventId"]})

    def find_lists():
        answers = [
            client.get(f"/api/events?{query}").json["events"],
            host.get(f"/events?mine=true&{query}").json["events"],
            client.get("/api/events/popular").json["events"],
            client.post("/api/recoms", json=["other"]).json,
            ann.get("/favorites").json["events"],
            client.get("/android/api/events").json,
            client.get("/android/api/favorites").json,
            client.post("/android/api/recoms", json=["other"]).json,
        ]
        return [len(answer) for answer in answers]

    assert find_lists() == [1] * 8
    set_visibility(host, made["eventId"], 1, "hidden")
    assert find_lists() == [0, 1, 0, 0, 0, 0, 0, 0]
    shown = client.get(f"/api{path}")
    assert (shown.status_code, shown.json["ticketTypes"], shown.json["soldOut"]) == (200, [], True)
    set_visibility(host, made["eventId"], 1, "public")
    assert find_lists() == [1] * 8


# Edits that change nothing but a secret type, and edits that change what everybody sees.
SECRET_EDITS = [
    ("PATCH", "/ticket-types/{secret}", {"price": 5, "availableTickets": 7}),
    (
        "PATCH",
        "/ticket-types/{secret}",
        {"type": "Xyzzyzz II", "salesUntil": "2030-01-01T00:00:00Z"},
    ),
    ("PATCH", "/ticketTypes/1", {"price": 6}),
    ("POST", "/ticket-types", {**SECRET, "type": "Xyzzyzz III"}),
    ("DELETE", "/ticket-types/{secret}", None),
    ("POST", "/quotas", {"name": "Xyzzyzz", "capacity": 3, "ticketTypeIds": [SECRET_ID]}),
]
TOLD_EDITS = [
    ("PATCH", "/ticket-types/{secret}", {"visibility": None}),
    ("PATCH", "/ticket-types/1", {"price": 5}),
    ("PATCH", "/schedule/0", {"location": "Athens"}),
    ("POST", "/ticket-types", {"type": "New", "price": 5, "availableTickets": 7}),
]


def edit(host, event_id, method, path, body):
    answer = host.call(method, f"/events/{event_id}{path.format(secret=SECRET_ID)}", body)
    assert answer.status_code in (200, 201), answer.json


def read_as_anyone(client, event_id):
    paths = (f"/events/{event_id}", "/events", "/events?sortBy=price", "/events?search=sample")
    answers = [client.get(f"/api{path}") for path in paths]
    return [(each.data, each.headers["ETag"]) for each in answers]


@pytest.mark.parametrize(("method", "path", "body"), SECRET_EDITS)
def test_nobody_is_told_of_an_edit_of_a_secret_type(client, db, host, event_id, method, path, body):
    before, stored = read_as_anyone(client, event_id), db.events.find_one({})
    edit(host, event_id, method, path, body)
    assert read_as_anyone(client, event_id) == before
    assert db.events.find_one({})["terms"] == stored["terms"] + 1


def test_nobody_is_told_of_a_replacement_that_changes_a_secret_type(client, host, event_id):
    before = read_as_anyone(client, event_id)
    seen = host.get(f"/events/{event_id}").json
    seen["ticketTypes"][1]["price"] = 4
    edit(host, event_id, "PUT", "", seen)
    assert read_as_anyone(client, event_id) == before
    assert host.get(f"/events/{event_id}").json["ticketTypes"][1]["price"] == 4
    edit(host, event_id, "PUT", "", {**seen, "title": "Another"})
    assert client.get(f"/api/events/{event_id}").json["title"] == "Another"


@pytest.mark.parametrize(("method", "path", "body"), TOLD_EDITS)
def test_everybody_is_told_of_an_edit_of_what_they_see(client, host, event_id, method, path, body):
    before = client.get(f"/api/events/{event_id}").json
    edit(host, event_id, method, path, body)
    after = client.get(f"/api/events/{event_id}").json
    assert after["__v"] == before["__v"] + 1
    assert after["updatedAt"] > before["updatedAt"]


def test_an_organizer_can_send_back_the_whole_event(host, event_id, db):
    before = host.get(f"/events/{event_id}").json
    stored = db.events.find_one({"eventId": event_id})["ticketTypes"]
    after = host.call("PUT", f"/events/{event_id}", before).json
    assert after["ticketTypes"] == before["ticketTypes"]
    assert db.events.find_one({"eventId": event_id})["ticketTypes"] == stored
    assert "visibility" not in stored[0]
    without = [
        {name: value for name, value in each.items() if name != "visibility"}
        for each in before["ticketTypes"]
    ]
    kept = host.call("PUT", f"/events/{event_id}", {**before, "ticketTypes": without}).json
    assert kept["ticketTypes"] == before["ticketTypes"]
    nulls = [{**each, "visibility": None} for each in without]
    public = host.call("PUT", f"/events/{event_id}", {**before, "ticketTypes": nulls}).json
    assert {each["visibility"] for each in public["ticketTypes"]} == {"public"}


@pytest.mark.parametrize("visibility", ["", "private", 1, True, []])
def test_other_visibilities_are_refused(host, event_id, visibility):
    path = f"/events/{event_id}/ticket-types/1"
    refused(host.call("PATCH", path, {"visibility": visibility}), 400, "validation_error")


# Headers of an answer that differ between two equal requests.
CHANGING_HEADERS = {"Date", "X-Request-Id"}
# What begins with a time in a cursor: base64 of `{"at":`, as in the cursors of changes.
CURSOR_WITH_TIME = re.compile(rb"eyJhdCI6[\w-]+")
# Each page has another token for its form.
FORM_TOKEN = re.compile(rb'(?<=name="csrfToken" value=")[^"]*')
# Routes that tell of the server and not of events.
OF_SERVER = {"/metrics", "/readyz", "/api/docs/<path:path>"}


@pytest.fixture
def look(app, client, ann, host, event_id):
    """A function that returns the bytes of all public answers, their headers included, by path."""
    samples = {"event_id": str(event_id), "path": "x", "file": "x", "reference": "EVT-XXXXXX"}
    samples |= {"version": static_files.VERSION, "language": "el", "number": "1"}
    samples |= {"user_id": str(ann.id), "booking_id": "0" * 24, "ticket_id": "x"}
    samples |= {"organizer_id": str(host.id), "webhook_id": "0" * 24}

    def look():
        shown = {}
        for name, headers in (("anyone", {}), ("ann", ann.headers)):
            for rule, path, answer in walk(app, client, headers, samples):
                if rule not in OF_SERVER:
                    kept = [pair for pair in answer.headers if pair[0] not in CHANGING_HEADERS]
                    data = FORM_TOKEN.sub(b"", CURSOR_WITH_TIME.sub(b"", answer.data))
                    shown[name, path] = answer.status_code, kept, data
        return shown

    return look


def edits_of_secret_types(host, holder, bob, event_id, db):
    """Yield the name of each change of secret types, after making it."""
    path = f"/events/{event_id}"
    for change in ({"price": 99.5}, {"availableTickets": 3}, {"type": "Other"}, {"maxPerUser": 9}):
        assert host.call("PATCH", f"{path}/ticket-types/{SECRET_ID}", change).status_code == 200
        yield str(change)
    host.call("PATCH", f"{path}/ticketTypes/1", {"price": 5})
    yield "a patch by index"
    added = host.call("POST", f"{path}/ticket-types", {**SECRET, "type": "Third"}).json
    yield "a new type"
    whole = host.get(path).json
    whole["ticketTypes"].sort(key=lambda each: each["visibility"] != "secret")
    assert whole["ticketTypes"][0]["ticketTypeId"] != 1
    whole["ticketTypes"][0]["price"] = 3
    assert host.call("PUT", path, whole).status_code == 200
    yield "a whole event, with the secret types in other places"
    last = added["ticketTypes"][-1]["ticketTypeId"]
    assert host.call("DELETE", f"{path}/ticket-types/{last}").status_code == 200
    yield "a type less"
    code = {"code": "Band", "kind": "percent", "value": 5, "unlocks": [SECRET_ID]}
    assert host.call("POST", f"{path}/promo-codes", code).status_code == 201
    yield "a promo code"
    ordered = {"ticketTypeId": SECRET_ID, "promoCode": "band"}
    booking = holder.order(event_id, quantity=3, **ordered).json["data"]["booking"]
    yield "the last tickets"
    assert bob.order(event_id, quantity=1, **ordered, onShortfall="waitlist").status_code == 202
    yield "somebody waits"
    holder.cancel(booking)
    yield "tickets come back"


def test_no_change_of_secret_types_changes_a_byte_of_public_answers(
    host, holder, bob, event_id, look, db
):
    before = look()
    assert before == look()
    for change in edits_of_secret_types(host, holder, bob, event_id, db):
        assert look() == before, change
    # The look finds what the public may see.
    host.call("PATCH", f"/events/{event_id}/ticket-types/1", {"price": 21})
    assert look() != before


def test_sales_of_secret_types_make_no_event_popular(app, host, holder, ann, event_id, monkeypatch):
    counted = []
    monkeypatch.setattr(context_of(app), "on_booked", counted.append)
    holder.book(event_id, type_id=HIDDEN_ID)
    assert counted == []
    ann.book(event_id, type_id=1)
    assert counted == [event_id]


def test_an_organizer_sees_an_edit_of_a_secret_type_by_the_etag(host, event_id):
    before = host.get(f"/events/{event_id}")
    path = f"/events/{event_id}/ticket-types/{SECRET_ID}"
    assert host.call("PATCH", path, {"price": 5}).json["__v"] == before.json["__v"]
    answer = host.call("GET", f"/events/{event_id}", If_None_Match=before.headers["ETag"])
    assert answer.status_code == 200
    assert answer.headers["ETag"] != before.headers["ETag"]
