"""Scores: in the order of sums that fade, for as long as there are dates."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from eventapp.events.popularity_score import EPOCH, HALF_LIFE, VIEW, raised, scaled

ACTS = st.lists(st.tuples(st.sampled_from([1.0, 5.0, 10.0]), st.floats(0, 365)), max_size=10)


def faded(acts, at):
    return sum(w * 0.5 ** ((at - timedelta(days=day) - EPOCH) / HALF_LIFE) for w, day in acts)


def score(acts, begin=EPOCH):
    total = 0.0
    for weight, day in acts:
        total = raised(total, scaled(weight, begin + timedelta(days=day)))
    return total


@given(ACTS, ACTS)
def test_the_order_is_that_of_sums_that_fade(one, other):
    at = EPOCH + timedelta(days=365)
    first, second = faded(one, at), faded(other, at)
    if not math.isclose(first, second, rel_tol=1e-9):
        assert (score(one) < score(other)) == (first < second)


@given(ACTS)
def test_in_any_order_of_doing(acts):
    assert math.isclose(score(acts), score(acts[::-1]), rel_tol=1e-9, abs_tol=1e-9)


def test_after_a_half_life_half_the_weight_counts_as_much():
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert math.isclose(scaled(VIEW, now + HALF_LIFE), scaled(2 * VIEW, now))


@given(st.integers(2026, 9000))
def test_it_lasts(year):
    late = datetime(year, 1, 1, tzinfo=UTC)
    assert score([(1e9, 0)], late) > score([(1.0, 0), (5.0, 1)], late) > score([(1.0, 0)], late)
    week = [(1.0, 7)]
    assert score(week, late) > score([(1.5, 0)], late)
    assert math.isfinite(score([(1e9, 0), *week], late))
    assert raised(score(week, late), scaled(1e9, EPOCH - HALF_LIFE * 5000)) >= score(week, late)
