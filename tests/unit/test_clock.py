"""The current time is that of the system, cut to milliseconds as BSON stores it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.core import clock
from eventapp.core.clock import utc_now
from tests.seen_library import replace_seen

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_NS = 10**9 * 86_400 * 365 * 200


@given(st.integers(0, LAST_NS))
def test_the_time_is_cut_to_milliseconds_and_never_rounded_up(nanoseconds):
    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_seen(monkeypatch, clock, "time", time_ns=lambda: nanoseconds)
        shown = utc_now()
    assert shown == EPOCH + timedelta(milliseconds=nanoseconds // 1_000_000)
    assert shown.tzinfo is UTC
