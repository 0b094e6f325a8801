"""Run the application in this process, and record the database calls of each kind of request."""

from collections.abc import Iterable, Mapping, Sequence

from pymongo import monitoring

from eventapp import create_app
from eventapp.config import Config
from eventapp.core.database import OPEN_DATABASE
from scripts.bench.call_costs import (
    EXCHANGES,
    CommandRecorder,
    RecordedCommand,
    record_exchanges,
    send,
)
from scripts.bench.calls import BLOCK, CallData, CallKind, open_profiles
from scripts.bench.data import BenchmarkData, make_booking_requests
from scripts.bench.sale_events import store_plain_event
from scripts.bench.wrk import Request

BOOKINGS_OF_A_USER = 3


def record_calls(
    config: Config, data: BenchmarkData, kinds: Iterable[CallKind]
) -> tuple[CallData, Mapping[str, Sequence[Sequence[RecordedCommand]]]]:
    """Return what the requests are made of, and the recorded commands by the name of each kind.

    Some users book and log in for it.
    """
    app_uri = config.mongo_uri or ""
    recorder = CommandRecorder(app_uri.rpartition("/")[2].partition("?")[0])
    # Only the clients that are made from now on report to the recorder.
    monitoring.register(recorder)
    app = create_app(config)
    try:
        client = app.test_client()
        users = data.tokens[:BLOCK]
        # No row books these events, of which a user may have one booking.
        event_ids = [
            store_plain_event(OPEN_DATABASE.get(app).db) for _ in range(BOOKINGS_OF_A_USER)
        ]
        for event_id in event_ids:
            for token, body in make_booking_requests(users, [event_id]):
                send(client, Request("POST", "/api/bookings", token, body))
        calls = open_profiles(app, data)
        recordings = {
            kind.name: record_exchanges(
                app, recorder, (kind.make(calls, number) for number in range(EXCHANGES))
            )
            for kind in kinds
        }
    finally:
        OPEN_DATABASE.get(app).client.close()
    return calls, recordings
