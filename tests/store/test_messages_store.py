"""Every command of the chat and of the streams finds its documents by an index."""

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId
from pymongo import MongoClient

from eventapp.core import database
from eventapp.core.clock import utc_now
from eventapp.core.streams.hub import Hub
from eventapp.messages import event_listener, service, store
from eventapp.messages.service import Asked
from eventapp.notifications import live
from tests import factories
from tests.conftest import MONGO_URI
from tests.plans import scans, settled
from tests.race.kit import person
from tests.store.test_events_explain import Recorder

pytestmark = pytest.mark.skipif(
    not MONGO_URI, reason="the embedded store has no plans to show; set MONGO_URI"
)
ASKED = ("events", "messages", "chats", "notifications")


@pytest.fixture(scope="module")
def recorded(make_app):
    """The database of an application of its own, whose commands are recorded."""
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        client = partial(MongoClient, tz_aware=True, event_listeners=[recorder])
        patch.setattr(database, "connect", client)
        app = make_app()
    return app, app.extensions["database"].db, recorder


def test_no_command_scans_a_collection(recorded):
    app, db, recorder = recorded
    event = factories.make_event(db)
    event_id, reader = event["eventId"], factories.sign_in(app)
    actor, now = person(reader["id"]), utc_now()
    recorder.commands.clear()

    message = service.write(db, event_id, "x", actor=actor, now=now, limited=True)
    service.page(db, event_id, Asked(), actor=actor)
    service.page(db, event_id, Asked(before=3), actor=actor)
    service.catch_up(db, event_id, Asked(after=0), actor=actor, now=now)
    service.delete(db, event_id, message["_id"], actor=actor, now=now)
    store.give_up(db, event_id, 99, now)
    service.export_user(db, reader["id"])
    service.forget_user(db, reader["id"])
    alive = partial(bool, 1)
    hub = Hub()
    topic, listener = event_listener.listen(
        db, hub, event_id, last_event_id="0.0.0", actor=actor, callers=["::1"], alive=alive
    )
    event_listener.EventReader(db, hub).look([topic])
    listener.take()
    told, _ = live.subscribe(
        db, hub, reader["id"], last_event_id=str(ObjectId()), callers=["::1"], alive=alive
    )
    told.read_at -= timedelta(seconds=5)
    live.NotificationReader(db).refresh([told])
    hub.close()
    service.drop_orphans(db)

    seen = set()
    for command in recorder.commands:
        name = command.get("find") or command.get("aggregate")
        if name in ASKED:
            seen.add(name)
            explain = partial(db.command, "explain", command, verbosity="queryPlanner")
            assert not scans(settled(explain, scans)), command
    assert seen == set(ASKED)
