"""Nothing that is stored or mailed comes from the `Host` of a request, which its sender chooses."""

from io import BytesIO

import pytest
from bson import json_util

from eventapp.core.database import OPEN_DATABASE
from eventapp.jobs import service as jobs
from tests import pictures
from tests.bookings_factories import Caller, context_of
from tests.factories import event_body, make_event

EVIL = "evil.example"
PRODUCTION = {
    "APP_ENV": "production",
    "JWT_SECRET": "kV3q-8sZp1_XwTr6Yh0NfLb2JmCe9UoA",
    "PUBLIC_BASE_URL": "https://tickets.example.org/",
}


class EvilClient:
    """A test client whose requests name a foreign host."""

    def __init__(self, client):
        self._client = client

    def open(self, path, **more):
        headers = {**more.pop("headers", {}), "Host": EVIL, "X-Forwarded-Host": EVIL}
        return self._client.open(path, headers=headers, **more)


def upload(caller, method, path):
    form = {"file": (BytesIO(pictures.photo()), "photo.jpg")}
    answer = caller.client.open(f"/api{path}", method=method, data=form, headers=caller.headers)
    assert answer.status_code < 300, answer.json
    return answer.json


def find_in_database(db, text):
    """Return the documents of all collections that contain a text."""
    return [
        (name, document)
        for name in db.list_collection_names()
        for document in db[name].find()
        if text in json_util.dumps(document)
    ]


def test_no_write_stores_the_host_of_its_request(client, app, db):
    evil = EvilClient(client)
    host, ann = Caller(evil, app, "organizer"), Caller(evil, app)
    created = host.call("POST", "/events", event_body()).json
    event_id = created["eventId"]
    shown = upload(host, "PUT", f"/events/{event_id}/image")
    assert shown["image"].startswith(f"http://{EVIL}/images/")
    # A client sends back what it was shown.
    assert host.call("PUT", f"/events/{event_id}", event_body(image=shown["image"])).json
    upload(ann, "POST", f"/users/{ann.id}/gallery")
    user = upload(ann, "PUT", f"/users/{ann.id}/photo")
    assert user["userImg"].startswith(f"http://{EVIL}/images/")
    changed = ann.call("PUT", "/auth/profile", {"userImg": user["userImg"], "about": "me"})
    assert changed.json["userImg"] == user["userImg"]
    person = {"name": "Eve", "email": "eve@example.org", "password": "long enough"}
    assert ann.call("POST", "/auth/register", person).status_code == 201
    ann.book(event_id, 2)
    ann.call("POST", f"/events/{event_id}/messages", {"text": "hello"})
    ann.call("POST", "/favorites", {"eventId": event_id})
    host.call("POST", f"/events/{event_id}/cancel")
    for job in ("close-cancelled", "tell"):
        jobs.run_job(job, context_of(app))
    assert find_in_database(db, EVIL) == []


def test_a_photo_keeps_its_url_on_the_host_of_each_request(client, app, db):
    """Also one whose whole URL an older version stored."""
    ann = Caller(client, app)
    path = upload(ann, "PUT", f"/users/{ann.id}/photo")["userImg"].removeprefix("http://localhost")
    for stored in (path, f"http://{EVIL}{path}"):
        db.users.update_one({"_id": ann.id}, {"$set": {"userImg": stored}})
        assert ann.get("/auth/profile").json["userImg"] == f"http://localhost{path}"
    elsewhere = "https://pictures.example.org/me.jpg"
    assert ann.call("PUT", "/auth/profile", {"userImg": elsewhere}).json["userImg"] == elsewhere


@pytest.fixture(scope="module")
def production(make_app):
    return make_app(**PRODUCTION)


def test_in_production_no_answer_shows_the_host_of_its_request(production):
    db = OPEN_DATABASE.get(production).db
    client = EvilClient(production.test_client())
    host, root = Caller(client, production, "organizer"), Caller(client, production, "admin")
    event_id = make_event(db, organizer_id=host.id)["eventId"]
    shown = upload(host, "PUT", f"/events/{event_id}/image")
    assert shown["image"].startswith("https://tickets.example.org/images/")
    upload(host, "PUT", f"/users/{host.id}/photo")
    upload(host, "POST", f"/users/{host.id}/gallery")
    paths = (
        *(f"/events/{event_id}", "/events", "/events/popular", f"/users/{host.id}", "/users"),
        *(f"/users/{host.id}/gallery", f"/users/{host.id}/export", "/admin/users"),
    )
    for path in paths:
        answer = root.get(path)
        assert answer.status_code == 200, path
        assert EVIL not in answer.text, path
        assert EVIL not in str(answer.headers), path
