"""Every command of chats and streams uses an index."""

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.streams.hub import Hub
from eventapp.messages import event_stream, service, store
from eventapp.messages.service import ChatQuery
from eventapp.notifications import live
from tests import factories
from tests.conftest import MONGO_URI
from tests.plans import CommandRecorder, has_collscan, record_commands, wait_for_plan
from tests.race.kit import attendee

pytestmark = pytest.mark.skipif(
    not MONGO_URI, reason="the embedded store has no plans to show; set MONGO_URI"
)
COLLECTIONS = ("events", "messages", "chats", "notifications")


@pytest.fixture(scope="module")
def recorded(make_app):
    """An application of its own, its database, and a recorder of the commands sent to it."""
    recorder = CommandRecorder()
    with record_commands(recorder):
        app = make_app()
    return app, OPEN_DATABASE.get(app).db, recorder


def test_no_command_scans_a_collection(recorded):
    app, db, recorder = recorded
    event = factories.make_event(db)
    event_id, reader = event["eventId"], factories.make_user(app)
    actor, now = attendee(reader["id"]), utc_now()
    recorder.commands.clear()

    message = service.write_message(db, event_id, "x", actor=actor, now=now, limit_bursts=True)
    service.list_messages(db, event_id, ChatQuery(), actor=actor)
    service.list_messages(db, event_id, ChatQuery(before=3), actor=actor)
    service.list_messages_after(db, event_id, ChatQuery(after=0), actor=actor, now=now)
    service.delete_message(db, event_id, message["_id"], actor=actor, now=now)
    store.fill_gap(db, event_id, 99, now)
    service.export_user(db, reader["id"])
    service.forget_user(db, reader["id"])
    caller = {"caller_keys": ["::1"], "load_actor": lambda: actor}
    hub = Hub()
    event_topic, listener = event_stream.subscribe(
        db, hub, event_id, last_event_id="0.0.0", actor=actor, now=now, **caller
    )
    event_stream.EventPoller(db, hub).refresh([event_topic])
    listener.read_new()
    notification_topic, _ = live.subscribe(
        db, hub, reader["id"], last_event_id=str(ObjectId()), **caller
    )
    notification_topic.read_at -= timedelta(seconds=5)
    live.NotificationPoller(db).refresh([notification_topic])
    hub.close()
    service.delete_orphaned_chats(db, utc_now())

    seen = set()
    for command in recorder.commands:
        name = command.get("find") or command.get("aggregate")
        if name in COLLECTIONS:
            seen.add(name)
            explain = partial(db.command, "explain", command, verbosity="queryPlanner")
            assert not has_collscan(wait_for_plan(explain, has_collscan)), command
    assert seen == set(COLLECTIONS)
