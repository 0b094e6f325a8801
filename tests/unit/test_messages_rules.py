"""Places in a stream, and logs with gaps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.messages import rules
from eventapp.messages.rules import Place

NUMBERS = st.integers(0, 10**18 - 1)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_place_comes_back_as_it_was(version, rev, seq):
    place = Place(version, rev, seq)
    assert rules.place_of(str(place)) == place


@given(st.none() | st.text())
def test_what_is_no_place_is_none(text):
    place = rules.place_of(text)
    assert place is None or str(place) == text or text.count(".") == 2


@pytest.mark.parametrize("text", ["1.2", "1.2.3.4", "-1.2.3", "1.2.3\n", " 1.2.3", "1.2.x"])
def test_a_place_has_three_numbers(text):
    assert rules.place_of(text) is None


@given(st.sets(st.integers(1, 30)), st.integers(0, 30))
def test_what_is_whole_ends_before_the_first_gap(seqs, after):
    entries = [{"seq": seq} for seq in sorted(seqs) if seq > after]
    whole, missing = rules.up_to_gap(entries, after)
    assert [entry["seq"] for entry in whole] == list(range(after + 1, after + 1 + len(whole)))
    assert (missing is None) == (len(whole) == len(entries))
    if missing is not None:
        assert missing not in seqs
        assert missing == after + len(whole) + 1


@pytest.mark.parametrize(("ago", "left"), [(0, 31), (29.5, 1), (30, 1), (99, 1)])
def test_a_burst_ends_with_its_oldest(ago, left):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert rules.retry_after(now - timedelta(seconds=ago), now) == left


def test_what_is_streamed_of_an_entry():
    assert rules.as_streamed({"seq": 1, "eventId": 2, "shown": False}) is None
    removal = {"seq": 2, "eventId": 2, "shown": False, "removes": "x"}
    assert rules.as_streamed(removal) == {"_id": "x", "eventId": 2, "deleted": True}
    message = {"_id": 1, "eventId": 2, "seq": 3, "text": "t", "createdAt": 4, "shown": True}
    assert rules.as_streamed(message) == {**_shown(message), "author": None}
    named = {**message, "authorId": 5, "authorName": "Ann", "email": "never"}
    assert rules.as_streamed(named) == {**_shown(message), "author": {"_id": 5, "name": "Ann"}}


def _shown(message):
    return {name: message[name] for name in ("_id", "eventId", "seq", "text", "createdAt")}
