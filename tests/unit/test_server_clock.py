"""A process corrects its clock by the measured difference from the database's clock."""

from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import AutoReconnect

from eventapp.core.clock import utc_now
from eventapp.core.database import ServerClock, server_clock

NOON = datetime(2030, 5, 20, 12, tzinfo=UTC)
TOLERANCE = timedelta(milliseconds=500)


class Server:
    """A database whose clock is ahead of that of the process.

    Attributes:
        calls: how often it was asked.
        seconds_taken: what the answers take, one after the other; 0 for the rest.
        error: raised in place of an answer.
    """

    def __init__(self, ahead, time):
        self.ahead, self.calls, self.seconds_taken, self.error = ahead, 0, [], None
        self._time = time

    def command(self, name, codec_options):
        assert codec_options.tz_aware
        assert name == "hello"
        self.calls += 1
        if self.error:
            raise self.error
        self._time.value += self.seconds_taken.pop(0) if self.seconds_taken else 0
        return {"localTime": utc_now() + self.ahead}


class Time:
    """Stands in for the module `time`."""

    value = 1000.0

    def monotonic(self):
        return self.value


@pytest.fixture
def time(monkeypatch):
    fake = Time()
    monkeypatch.setattr(server_clock, "time", fake)
    return fake


@pytest.mark.parametrize("seconds", [0, 90, -90, 0.25])
def test_the_difference_is_added(time, seconds):
    ahead = timedelta(seconds=seconds)
    clock = ServerClock(Server(ahead, time))
    assert abs(clock.correct(NOON) - (NOON + ahead)) < TOLERANCE
    assert abs(clock.now() - (utc_now() + ahead)) < TOLERANCE
    assert clock.now().microsecond % 1000 == 0


def test_it_is_measured_again_each_minute(time):
    server = Server(timedelta(0), time)
    clock = ServerClock(server)
    for _ in range(3):
        clock.correct(NOON)
    assert server.calls == 1
    server.ahead = timedelta(seconds=5)
    time.value += 59
    assert abs(clock.correct(NOON) - NOON) < TOLERANCE
    time.value += 1.1
    assert abs(clock.correct(NOON) - NOON - timedelta(seconds=5)) < TOLERANCE
    assert server.calls == 2


def test_of_slow_answers_the_fastest_counts(time):
    server = Server(timedelta(0), time)
    server.seconds_taken = [2.0, 0.4, 1.0]
    assert abs(ServerClock(server).correct(NOON) - (NOON - timedelta(seconds=0.2))) < TOLERANCE
    assert server.calls == server_clock.MAX_MEASUREMENTS


def test_a_failed_measurement_is_an_error_and_is_tried_again(time):
    server = Server(timedelta(seconds=5), time)
    server.error = AutoReconnect("away")
    clock = ServerClock(server)
    with pytest.raises(AutoReconnect):
        clock.correct(NOON)
    server.error = None
    assert abs(clock.correct(NOON) - NOON - timedelta(seconds=5)) < TOLERANCE
