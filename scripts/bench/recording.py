"""Run the application in this process, and record the database calls of each kind of request."""

import time
from collections.abc import Iterable, Mapping, Sequence

from flask import Flask
from pymongo import monitoring

from eventapp import create_app
from eventapp.config import Config
from eventapp.core.access import recent_writes
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.events.cache.event_cache import EVENT_CACHE
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
from scripts.bench.wrk import BenchmarkError, Request

BOOKINGS_OF_A_USER = 3
# How long the index of events may take, and how often its state is asked for.
INDEX_SECONDS, POLL_SECONDS = 60.0, 0.1


def record_calls(
    config: Config, data: BenchmarkData, kinds: Iterable[CallKind]
) -> tuple[CallData, Mapping[str, Sequence[Sequence[RecordedCommand]]]]:
    """Return what the requests are made of, and the recorded commands by the name of each kind.

    Some users book and log in for it.

    Raises:
        BenchmarkError: a request was refused, or the index of events was not built in time.
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
        _wait_until_settled(app)
        # Requests of users who have just written send more commands, so reads come first.
        kinds = sorted(kinds, key=lambda kind: len(kind.make(calls, 0)))
        recordings = {
            kind.name: record_exchanges(
                app, recorder, (kind.make(calls, number) for number in range(EXCHANGES))
            )
            for kind in kinds
        }
    finally:
        OPEN_DATABASE.get(app).client.close()
    return calls, recordings


def _wait_until_settled(app: Flask) -> None:
    """Wait until the index is built, by a thread that sends commands, and no user has just written.

    Raises:
        BenchmarkError: it takes longer than INDEX_SECONDS.
    """
    time.sleep(recent_writes.REMEMBERED.total_seconds())
    cache, now = EVENT_CACHE.get(app), utc_now()
    deadline = time.monotonic() + INDEX_SECONDS
    while cache.index.count(cache.get_today(now)) is None:
        if time.monotonic() > deadline:
            raise BenchmarkError("the index of events is not built")
        time.sleep(POLL_SECONDS)
