"""When an item that failed is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from eventapp.due_work import rules

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "pause", "is_set_aside"),
    [
        (1, timedelta(seconds=5), False),
        (2, timedelta(seconds=10), False),
        (4, timedelta(seconds=40), False),
        (7, timedelta(seconds=320), False),
        (8, timedelta(hours=1), True),
        (5000, timedelta(hours=1), True),
    ],
)
def test_the_pause_doubles_until_the_item_is_set_aside(attempts, pause, is_set_aside):
    assert rules.schedule_next_attempt(attempts, NOW) == NOW + pause
    assert rules.is_set_aside(attempts) is is_set_aside


def test_an_error_is_described_in_one_bounded_line():
    assert rules.describe_error(ValueError("a\n  b")) == "ValueError: a b"
    assert rules.describe_error(ValueError("to <ann@example.org>")) == "ValueError: to <[address]>"
    assert len(rules.describe_error(ValueError("x" * 9999))) == rules.MAX_ERROR_LENGTH
