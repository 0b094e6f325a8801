"""Limits of open streams: in all, for each address and user, and the reserved ones."""

from contextlib import ExitStack

import pytest

from eventapp.core.database import OPEN_DATABASE
from eventapp.core.streams import connection_limits
from eventapp.core.streams.hub import HUB
from eventapp.core.streams.shared_counts import SharedCounts
from tests import factories
from tests.bookings_factories import refused
from tests.streaming import ClientStream

HOME, CAFE, SCHOOL = "198.51.100.1", "198.51.100.2", "2001:db8:0:7::1"


@pytest.fixture
def event(db):
    return factories.make_event(db)


@pytest.fixture
def hub(app, monkeypatch):
    """The hub with at most 8 streams, of which 3 are reserved for callers with fewer than 2."""
    hub = HUB.get(app)
    monkeypatch.setattr(hub.limits, "_max_open", 8)
    monkeypatch.setattr(connection_limits, "RESERVED_STREAMS", 3)
    monkeypatch.setattr(connection_limits, "FEW_STREAMS", 2)
    return hub


@pytest.fixture
def open_streams(client, event, hub):
    """A function that opens streams, and returns the response of the last one."""
    with ExitStack() as stack:

        def open_many(count, address=HOME, path=None, **headers):
            for _ in range(count):
                options = {"headers": headers, "environ_base": {"REMOTE_ADDR": address}}
                path = path or f"/api/events/{event['eventId']}/stream"
                stream = stack.enter_context(ClientStream(client, path, **options))
            return stream.response

        yield open_many
    assert hub.limits.open_count == 0
    assert not hub.limits._open_by_key
    assert hub._topics == {}


def test_one_address_may_open_all_but_the_reserved_streams(open_streams):
    assert open_streams(5).status_code == 200
    for _ in range(2):
        response = open_streams(1)
        refused(response, 429, "too_many_own_streams")
        assert int(response.headers["Retry-After"]) > 0


def test_the_reserved_streams_are_for_others_until_none_is_free(open_streams):
    open_streams(5)
    assert open_streams(2, CAFE).status_code == 200
    refused(open_streams(1, CAFE), 429, "too_many_own_streams")
    assert open_streams(1, SCHOOL).status_code == 200
    response = open_streams(1, SCHOOL)
    refused(response, 503, "too_many_streams")
    assert int(response.headers["Retry-After"]) > 0


def test_the_ipv6_addresses_of_one_network_count_as_one(open_streams):
    open_streams(5, SCHOOL)
    refused(open_streams(1, "2001:db8:0:7:ffff::9"), 429, "too_many_own_streams")
    assert open_streams(1, "2001:db8:0:8::1").status_code == 200


def test_behind_a_trusted_proxy_the_forwarded_address_counts(make_app, monkeypatch):
    app = make_app(TRUSTED_PROXIES="1")
    monkeypatch.setattr(HUB.get(app).limits, "_max_open", 100)
    monkeypatch.setattr(connection_limits, "FEW_STREAMS", 1)
    event = factories.make_event(OPEN_DATABASE.get(app).db)
    path, client = f"/api/events/{event['eventId']}/stream", app.test_client()
    with ExitStack() as stack:
        for address, status in ((HOME, 200), (CAFE, 200), (HOME, 429)):
            headers = {"X-Forwarded-For": address}
            stream = stack.enter_context(ClientStream(client, path, headers=headers))
            assert stream.response.status_code == status


def test_a_user_counts_across_addresses(open_streams, attendee):
    open_streams(3, HOME, **attendee["headers"])
    open_streams(2, CAFE, path="/api/notifications/stream", **attendee["headers"])
    refused(open_streams(1, SCHOOL, **attendee["headers"]), 429, "too_many_own_streams")
    assert open_streams(1, SCHOOL).status_code == 200


def test_a_closed_stream_may_be_replaced_by_another(client, open_streams, event, hub):
    path = f"/api/events/{event['eventId']}/stream"
    open_streams(4)
    for _ in range(3):
        with ClientStream(client, path) as stream:
            assert stream.next()
    client.head(path).close()
    assert hub.limits.open_count == 4


def test_a_refused_request_counts_no_stream(open_streams, hub):
    refused(open_streams(1, path="/api/events/999/stream"), 404, "event_not_found")
    assert hub.limits.open_count == 0


def test_one_address_may_open_a_thousand_streams():
    limits = connection_limits.ConnectionLimits()
    for _ in range(1_100):
        limits.acquire(["address:127.0.0.1"])
    with pytest.raises(connection_limits.TooManyOwnStreams):
        limits.acquire(["address:127.0.0.1"])


def test_the_streams_of_an_address_are_counted_in_all_processes():
    counts = SharedCounts(processes=2)
    first, second = (
        connection_limits.ConnectionLimits(max_per_address=3, max_open=200) for _ in range(2)
    )
    for limits in (first, second):
        limits.share(counts)
    first.acquire(["address:127.0.0.1", "user:1"])
    counts.use_row(1)
    for _ in range(2):
        second.acquire(["address:127.0.0.1"])
    with pytest.raises(connection_limits.TooManyOwnStreams):
        second.acquire(["address:127.0.0.1"])
    second.acquire(["address:127.0.0.2", "user:1"])
    second.release(["address:127.0.0.1"])
    second.acquire(["address:127.0.0.1"])
    counts.use_row(1)  # A process that replaces another one begins at zero.
    assert counts.total("address:127.0.0.1") == 1
