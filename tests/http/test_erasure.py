"""After the erasure of a person, nothing of them is left: in documents, raw files and logs."""

import shutil
from io import BytesIO

import pytest
from bson import json_util

from eventapp.bookings.sales import idempotency
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.http.app_context import CONFIG
from eventapp.jobs import service as jobs
from tests import pictures
from tests.bookings_factories import Caller, context_of, event_of

PERSON = {
    "name": "Zenobia Quillfeather",
    "email": "zenobia.q@example.org",
    "password": "a long password of zenobia",
}
KEY = "zenobias-idempotency-key"
WAITING = {"ticketTypeId": 1, "name": "Young Quillfeather", "email": "young.zenobia@example.org"}
TRACES = ("Zenobia", "zenobia", "Quillfeather", "quillfeather", "about her", KEY)


@pytest.fixture(scope="module")
def own_app(make_app):
    """An application with a directory of its own, which logs what it can."""
    return make_app(LOG_LEVEL="debug", LOG_FORMAT="json")


def live(app):
    """Let a person use what stores something about them; return a client and the login."""
    db, client = OPEN_DATABASE.get(app).db, app.test_client()
    login = client.post("/api/auth/register", json={**PERSON, "role": "organizer"}).json
    headers = {"Authorization": f"Bearer {login['token']}"}
    host = Caller(client, app, "organizer")
    asked = [{"questionId": 1, "label": "Diet", "kind": "text", "required": True}]
    event_id = event_of(db, 5, organizer_id=host.id, questions=asked)
    full_id = event_of(db, 1)
    host.book(full_id)
    user = f"/api/users/{login['user']['_id']}"

    def call(method, path, body=None, **more):
        answer = client.open(path, method=method, json=body, headers={**headers, **more})
        assert answer.status_code < 300, answer.json
        return answer

    call("PUT", "/api/auth/profile", {"about": "about her"})
    call("PUT", "/api/organizers/me", {"name": PERSON["name"], "about": "about her"})
    attendee = {"name": PERSON["name"], "email": PERSON["email"], "answers": {"1": "about her"}}
    order = {"eventId": event_id, "ticketTypeId": 1, "quantity": 1}
    order["attendees"] = [{"ticketTypeId": 1, **attendee}]
    booked = call("POST", "/api/bookings", order, **{"Idempotency-Key": KEY})
    receipt = f"/api/bookings/{booked.json['data']['booking']['_id']}/receipt"
    assert PERSON["name"] in call("GET", receipt).text
    ticket = booked.json["data"]["booking"]["attendees"][0]["ticketId"]
    call("PUT", f"/api/tickets/{ticket}/attendee", attendee)
    rest = {"eventId": full_id, "onShortfall": "waitlist"}
    call("POST", "/api/bookings", {**order, **rest, "attendees": [WAITING]})
    call("POST", f"/api/events/{event_id}/messages", {"text": "hello"})
    call("POST", "/api/favorites", {"eventId": event_id})
    form = {"file": (BytesIO(pictures.photo()), "zenobia.jpg")}
    assert client.put(f"{user}/photo", data=form, headers=headers).status_code == 200
    client.post("/api/auth/login", json={**PERSON, "password": "not zenobias password"})
    for name in ("tell", "mail"):
        jobs.run_job(name, context_of(app))
    return client, user, headers, login


def find_traces(data, hashes):
    return [trace for trace in (*TRACES, *hashes) if trace.encode() in data]


def test_nothing_is_left_of_an_erased_person(own_app, tmp_path, capsys):
    client, user, headers, login = live(own_app)
    opened = OPEN_DATABASE.get(own_app)
    stored = opened.db.users.find_one({"name": PERSON["name"]})
    hashes = (stored["passwordHash"], login["refreshToken"])
    assert client.delete(user, headers=headers).status_code == 200
    # The files are searched as they are at this moment, while the server runs.
    if CONFIG.get(own_app).mongo_uri is None:
        files = list(CONFIG.get(own_app).instance_dir.glob("eventapp.sqlite3*"))
        assert len(files) >= 2
        for path in files:
            copy = tmp_path / path.name
            shutil.copy(path, copy)
            assert find_traces(copy.read_bytes(), hashes) == [], path.name
    for name in opened.db.list_collection_names():
        for document in opened.db[name].find():
            text = json_util.dumps(document)
            assert find_traces(text.encode(), hashes) == [], name
            in_flight = name == "events" and document["inFlight"]  # Recovery clears it soon.
            assert in_flight or login["user"]["_id"] not in text, name
    printed = capsys.readouterr()
    assert '"job"' in printed.err
    assert find_traces((printed.out + printed.err).encode(), hashes) == []


def test_an_in_flight_entry_of_an_older_version_is_understood(client, app, db, ann):
    """It holds the key itself, and was added by a process that still runs the older version."""
    context, event_id = context_of(app), event_of(db, 5)
    purchase = type("Purchase", (), {"idempotency_key": KEY, "event_id": event_id})()
    entry = {"kind": "take", "items": [[1, 2]], "held": False, "at": utc_now()}
    old, new = f"{ann.id} {KEY}", idempotency.build_requester(ann.id, purchase)
    assert KEY not in new
    entries = context.inventory.in_flight_entries
    for requester in (old, new):
        db.events.update_one({}, {"$set": {"inFlight": {"a" * 24: {**entry, "by": requester}}}})
        requesters = idempotency._list_requesters(ann.id, purchase)
        assert entries.has_take(event_id, requesters)
        assert entries.find_taken(event_id, str(ann.id)) == {"a" * 24: {1: 2}}
    db.events.update_one({}, {"$set": {"inFlight": {}}})
