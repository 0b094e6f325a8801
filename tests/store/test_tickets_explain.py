"""Every command of requests about tickets or photos uses an index."""

from functools import partial
from io import BytesIO

import pytest
from bson import ObjectId

from eventapp.core.database import OPEN_DATABASE
from eventapp.media import store as photos
from tests import pictures
from tests.bookings_factories import Caller, event_of
from tests.conftest import MONGO_URI
from tests.plans import (
    CommandRecorder,
    reads_partial_index,
    record_commands,
    scans_whole_collection,
)

pytestmark = pytest.mark.skipif(
    not MONGO_URI, reason="the embedded store has no plans to show; set MONGO_URI"
)
COLLECTIONS = ("events", "bookings", "photos.files", "photos.chunks", "keys", "users", "sessions")
MANY = 300


class CrowdedApp:
    """An application whose database has many bookings and photos of other users."""

    def __init__(self, app, recorder):
        self.db, self.recorder = OPEN_DATABASE.get(app).db, recorder
        client = app.test_client()
        self.host, self.ann = Caller(client, app, "organizer"), Caller(client, app)
        self.event = event_of(self.db, 20, organizer_id=self.host.id)
        self.booking = self.ann.book(self.event, 2)
        template = self.db.bookings.find_one({}, {"_id": 0})
        others = [{"userId": ObjectId(), "eventId": 1000 + n} for n in range(MANY)]
        self.db.bookings.insert_many(
            [{**template, **ids, "bookingReference": f"EVT-{n}"} for n, ids in enumerate(others)]
        )
        owners = [f"user/{n}" for n in range(MANY)]
        for owner in owners:
            photo = {"_id": ObjectId(), "owner": owner, "sha": owner}
            photos.insert(self.db, photo, b"bytes")

    def scanned(self, act):
        """Return the commands of `act` that scan a whole collection."""
        self.recorder.commands.clear()
        answer = act()
        assert answer.status_code < 300, answer.data
        assert self.recorder.commands
        sent = [c for c in self.recorder.commands if next(iter(c.values())) in COLLECTIONS]
        return [
            c
            for c in sent
            if not looks_for_any(c)
            and not reads_partial_index(self.db, c)
            and scans_whole_collection(self.db, c)
        ]


def looks_for_any(command):
    """Return whether a command reads any one document, as GridFS does before it writes."""
    return command.get("limit") == 1 and command.get("filter") == {}


@pytest.fixture(scope="module")
def crowded_app(make_app):
    recorder = CommandRecorder()
    with record_commands(recorder):
        app = make_app()
    return CrowdedApp(app, recorder)


def test_requests_about_tickets_use_indexes(crowded_app):
    ann, host, booking = crowded_app.ann, crowded_app.host, crowded_app.booking
    listed = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    path = f"/events/{crowded_app.event}/check-in"
    scan = {"code": listed[1]["code"], "scannedAt": "2026-01-01T00:00:00Z"}
    for act in (
        partial(ann.get, f"/bookings/{booking['_id']}/tickets"),
        partial(ann.get, f"/tickets/{listed[0]['ticketId']}/qr.png"),
        partial(ann.get, f"/bookings/{booking['_id']}/calendar.ics"),
        partial(ann.call, "PUT", f"/tickets/{listed[1]['ticketId']}/attendee", {"name": "Ada"}),
        partial(host.call, "POST", path, {"code": listed[0]["code"]}),
        partial(host.call, "POST", f"{path}/batch", {"scans": [scan]}),
        partial(host.get, path),
        partial(host.get, f"/events/{crowded_app.event}/attendees"),
        partial(host.get, f"/events/{crowded_app.event}/attendees?search=a&checkedIn=true"),
        partial(host.get, f"/events/{crowded_app.event}/attendees?scheduleId=1&ticketTypeId=1"),
        partial(host.get, f"/events/{crowded_app.event}/attendees.csv"),
        partial(ann.get, f"/users/{ann.id}/export"),
    ):
        assert crowded_app.scanned(act) == []


def test_requests_about_photos_use_indexes(crowded_app):
    ann, host = crowded_app.ann, crowded_app.host

    def send(caller, method, path):
        form = {"file": (BytesIO(pictures.photo()), "a.jpg")}
        return caller.client.open(f"/api{path}", method=method, data=form, headers=caller.headers)

    url = send(ann, "PUT", f"/users/{ann.id}/photo").json["userImg"]
    image = send(ann, "POST", f"/users/{ann.id}/gallery").json["image"]["imageId"]
    for act in (
        partial(send, ann, "PUT", f"/users/{ann.id}/photo"),
        partial(send, ann, "POST", f"/users/{ann.id}/gallery"),
        partial(send, host, "PUT", f"/events/{crowded_app.event}/image"),
        partial(ann.client.get, url.removeprefix("http://localhost")),
        partial(ann.get, f"/users/{ann.id}/gallery"),
        partial(ann.call, "DELETE", f"/users/{ann.id}/gallery/{image}"),
        partial(ann.call, "DELETE", f"/users/{ann.id}"),
    ):
        assert crowded_app.scanned(act) == []
