"""How many streams a process has, and that nobody takes them all."""

from contextlib import ExitStack

import pytest

from eventapp.core.streams import connection_limits
from tests import factories
from tests.bookings_factories import refused
from tests.streaming import Opened

HOME, CAFE, SCHOOL = "198.51.100.1", "198.51.100.2", "2001:db8:0:7::1"


@pytest.fixture
def event(db):
    return factories.make_event(db)


@pytest.fixture
def hub(app, monkeypatch):
    """The application's streams: eight at most, the last three for who has fewer than two."""
    found = app.extensions["streams"]
    monkeypatch.setattr(found.seats, "_most", 8)
    monkeypatch.setattr(connection_limits, "LAST", 3)
    monkeypatch.setattr(connection_limits, "FEW", 2)
    return found


@pytest.fixture
def opened(client, event, hub):
    """Opens streams that are closed when the test ends; gives the answer of the last."""
    with ExitStack() as stack:

        def open_(count, address=HOME, path=None, **headers):
            for _ in range(count):
                asked = {"headers": headers, "environ_base": {"REMOTE_ADDR": address}}
                path = path or f"/api/events/{event['eventId']}/stream"
                stream = stack.enter_context(Opened(client, path, **asked))
            return stream.answer

        yield open_
    assert hub.seats.taken == 0
    assert not hub.seats._of
    assert hub._topics == {}


def test_one_address_may_have_all_but_the_last(opened):
    assert opened(5).status_code == 200
    for _ in range(2):
        answer = opened(1)
        refused(answer, 429, "too_many_own_streams")
        assert int(answer.headers["Retry-After"]) > 0


def test_the_last_are_for_others_until_none_is_left(opened):
    opened(5)
    assert opened(2, CAFE).status_code == 200
    refused(opened(1, CAFE), 429, "too_many_own_streams")
    assert opened(1, SCHOOL).status_code == 200
    answer = opened(1, SCHOOL)
    refused(answer, 503, "too_many_streams")
    assert int(answer.headers["Retry-After"]) > 0


def test_the_addresses_of_one_network_are_one(opened):
    opened(5, SCHOOL)
    refused(opened(1, "2001:db8:0:7:ffff::9"), 429, "too_many_own_streams")
    assert opened(1, "2001:db8:0:8::1").status_code == 200


def test_behind_a_trusted_proxy_it_is_the_address_that_the_proxy_tells(make_app, monkeypatch):
    app = make_app(TRUSTED_PROXIES="1")
    monkeypatch.setattr(app.extensions["streams"].seats, "_most", 100)
    monkeypatch.setattr(connection_limits, "FEW", 1)
    event = factories.make_event(app.extensions["database"].db)
    path, client = f"/api/events/{event['eventId']}/stream", app.test_client()
    with ExitStack() as stack:
        for address, status in ((HOME, 200), (CAFE, 200), (HOME, 429)):
            headers = {"X-Forwarded-For": address}
            stream = stack.enter_context(Opened(client, path, headers=headers))
            assert stream.answer.status_code == status


def test_a_user_counts_at_every_address(opened, attendee):
    opened(3, HOME, **attendee["headers"])
    opened(2, CAFE, path="/api/notifications/stream", **attendee["headers"])
    refused(opened(1, SCHOOL, **attendee["headers"]), 429, "too_many_own_streams")
    assert opened(1, SCHOOL).status_code == 200


def test_who_closes_some_may_open_some(client, opened, event, hub):
    path = f"/api/events/{event['eventId']}/stream"
    opened(4)
    for _ in range(3):
        with Opened(client, path) as stream:
            assert stream.next()
    client.head(path).close()
    assert hub.seats.taken == 4


def test_what_is_refused_takes_no_seat(opened, hub):
    refused(opened(1, path="/api/events/999/stream"), 404, "event_not_found")
    assert hub.seats.taken == 0


def test_a_thousand_of_one_address_are_no_problem():
    seats = connection_limits.Seats()
    for _ in range(1_100):
        seats.take(["address:127.0.0.1"])
    with pytest.raises(connection_limits.TooManyOwnStreams):
        seats.take(["address:127.0.0.1"])
