"""Making, sending, listing and erasing deliveries uses indexes, whatever else is stored."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.webhooks import personal_data, service, transport
from tests.bookings_factories import Caller, context_of, event_of
from tests.conftest import MONGO_URI
from tests.plans import (
    CommandRecorder,
    reads_partial_index,
    record_commands,
    scans_whole_collection,
)
from tests.webhooks import Receivers, create, deliver, make, send, tell

pytestmark = pytest.mark.skipif(
    not MONGO_URI, reason="the embedded store has no plans to show; set MONGO_URI"
)
COLLECTIONS = (
    *("webhooks", "webhookDeliveries", "webhookSequences"),
    *("ledger", "eventLog", "bookings", "events", "users", "apiTokens"),
)
MANY = 400


def fill(db):
    """Store webhooks and deliveries of others, and what happened long ago."""
    now = utc_now()
    old = now - timedelta(days=9)
    webhooks = [
        {"_id": ObjectId(), "ownerId": ObjectId(), "slot": 0, "enabled": True} for _ in range(MANY)
    ]
    db.webhooks.insert_many(webhooks)
    db.webhookDeliveries.insert_many(
        {"webhookId": each["_id"], "deliveryId": f"msg_{n}", "createdAt": old, "status": "failed"}
        for n, each in enumerate(webhooks)
    )
    db.webhookSequences.insert_many(
        {"_id": f"{each['_id']}:1", "webhookId": each["_id"], "last": 1} for each in webhooks
    )
    db.ledger.insert_many(
        {"_id": f"{ObjectId()}-1", "number": n, "at": old, "kind": "fee"}
        for n in range(1, MANY + 1)
    )
    db.eventLog.insert_many(
        {"eventId": 10_000 + n, "at": old, "action": "edited", "changes": [], "userId": None}
        for n in range(MANY)
    )


def test_the_work_for_webhooks_uses_indexes(make_app, monkeypatch):
    receivers, recorder = Receivers(), CommandRecorder()
    monkeypatch.setattr(transport, "send", receivers.send)
    with record_commands(recorder):
        app = make_app()
    db, client = OPEN_DATABASE.get(app).db, app.test_client()
    host, ann = Caller(client, app, "organizer"), Caller(client, app)
    event_id = event_of(db, 20, organizer_id=host.id)
    fill(db)
    webhook = create(host)
    path = f"/webhooks/{webhook['webhookId']}"
    booking = ann.book(event_id)
    host.call("PATCH", f"/events/{event_id}/schedule/0", {"location": "Tent"})
    steps = (
        lambda: make(app),
        lambda: send(app),
        lambda: host.get(f"{path}/deliveries?limit=1"),
        lambda: host.get("/webhooks"),
        lambda: create(host),
        lambda: host.call("POST", f"{path}/test"),
        lambda: host.call("POST", f"{path}/rotate-secret"),
        lambda: host.call("POST", f"{path}/deliveries/{receivers.sent[0].id}/replay"),
        lambda: ann.cancel(booking),
        lambda: deliver(app, minutes=1),
        lambda: tell(app),
        lambda: service.delete_of_ended_tokens(context_of(app).db, utc_now()),
        lambda: personal_data.forget_user(context_of(app).db, ann.id),
        lambda: host.call("DELETE", path),
    )
    for number, step in enumerate(steps):
        recorder.commands.clear()
        step()
        assert recorder.commands, number
        sent = [each for each in recorder.commands if next(iter(each.values())) in COLLECTIONS]
        scanning = [
            each
            for each in sent
            if not reads_partial_index(db, each) and scans_whole_collection(db, each)
        ]
        assert scanning == [], number
