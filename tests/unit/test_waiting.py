"""Waits of requests are limited in all, however many pauses they have."""

from types import SimpleNamespace

import pytest

from eventapp.core import waiting
from eventapp.core.waiting import BoundedWait


@pytest.fixture
def slept(monkeypatch):
    """The pauses in seconds, by a clock that only they move."""
    pauses = []
    clock = SimpleNamespace(monotonic=lambda: 100 + sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(waiting, "time", clock)
    return pauses


def test_a_wait_ends_with_its_error_when_its_time_is_over(slept):
    wait = BoundedWait(max_seconds=2, pause_seconds=0.5, error=KeyError)
    for _ in range(4):
        wait.pause()
    with pytest.raises(KeyError):
        wait.pause()
    assert slept == [0.5] * 4


def test_the_time_counts_from_the_first_pause(slept):
    wait = BoundedWait(max_seconds=1, pause_seconds=0.5, error=KeyError)
    slept.append(10)
    wait.pause()
    wait.pause()
    with pytest.raises(KeyError):
        wait.pause()
