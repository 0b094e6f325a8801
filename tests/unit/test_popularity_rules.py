"""Scores: in the order of sums that fade, and far from a number's end."""

import math
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from eventapp.events.rules_popularity import EPOCH, HALF_LIFE, VIEW, scaled, weight_of
from tests.sales import utc

ACTS = st.lists(st.tuples(st.sampled_from([1.0, 5.0, 10.0]), st.floats(0, 365)), max_size=10)


def faded(acts, at):
    return sum(w * 0.5 ** ((at - timedelta(days=day) - EPOCH) / HALF_LIFE) for w, day in acts)


def score(acts):
    return sum(scaled(weight, EPOCH + timedelta(days=day)) for weight, day in acts)


@given(ACTS, ACTS)
def test_the_order_is_that_of_sums_that_fade(one, other):
    at = EPOCH + timedelta(days=365)
    first, second = faded(one, at), faded(other, at)
    if not math.isclose(first, second, rel_tol=1e-9):
        assert (score(one) < score(other)) == (first < second)


def test_a_half_life_halves():
    now = utc(2026, 6, 1)
    assert math.isclose(scaled(VIEW, now + HALF_LIFE), 2 * scaled(VIEW, now))


def test_it_lasts():
    assert math.isfinite(scaled(1e9, utc(2044, 12, 31)))


def test_weights():
    assert weight_of({1.0: 7, 5.0: 2, 10.0: 1}) == 27
