"""Rules of chats: stream positions, gaps, bursts, and what a stream sends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.messages import rules
from eventapp.messages.rules import StreamPosition

NUMBERS = st.integers(0, 10**18 - 1)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_position_is_parsed_from_its_text(edit_count, revision, seq):
    position = StreamPosition(edit_count, revision, seq)
    assert rules.parse_stream_position(str(position)) == position


@given(st.none() | st.text())
def test_any_other_text_is_no_position(text):
    position = rules.parse_stream_position(text)
    assert position is None or str(position) == text or text.count(".") == 2


@pytest.mark.parametrize("text", ["1.2", "1.2.3.4", "-1.2.3", "1.2.3\n", " 1.2.3", "1.2.x"])
def test_a_position_has_three_numbers(text):
    assert rules.parse_stream_position(text) is None


@given(st.sets(st.integers(1, 30)), st.integers(0, 30))
def test_entries_are_taken_until_the_first_gap(seqs, after):
    entries = [{"seq": seq} for seq in sorted(seqs) if seq > after]
    complete, missing = rules.take_until_gap(entries, after)
    assert [entry["seq"] for entry in complete] == list(range(after + 1, after + 1 + len(complete)))
    assert (missing is None) == (len(complete) == len(entries))
    if missing is not None:
        assert missing not in seqs
        assert missing == after + len(complete) + 1


@pytest.mark.parametrize(("seconds_ago", "retry_after"), [(0, 31), (29.5, 1), (30, 1), (99, 1)])
def test_a_burst_ends_when_its_oldest_message_no_longer_counts(seconds_ago, retry_after):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    oldest = now - timedelta(seconds=seconds_ago)
    assert rules.compute_burst_wait(oldest, now) == retry_after


def test_a_stream_sends_messages_and_deletions_but_no_fillers():
    assert rules.render_streamed({"seq": 1, "eventId": 2, "shown": False}) is None
    deletion = {"seq": 2, "eventId": 2, "shown": False, "removes": "x"}
    assert rules.render_streamed(deletion) == {"_id": "x", "eventId": 2, "deleted": True}
    message = {"_id": 1, "eventId": 2, "seq": 3, "text": "t", "createdAt": 4, "shown": True}
    assert rules.render_streamed(message) == {**_shown(message), "author": None}
    named = {**message, "authorId": 5, "authorName": "Ann", "email": "never"}
    assert rules.render_streamed(named) == {**_shown(message), "author": {"_id": 5, "name": "Ann"}}


def _shown(message):
    return {name: message[name] for name in ("_id", "eventId", "seq", "text", "createdAt")}
