"""Popularity scores order events as decaying sums would, for as long as there are dates."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from eventapp.events.popularity import HALF_LIFE, SCORE_EPOCH, VIEW, increase_score, scale_weight

INTERACTIONS = st.lists(
    st.tuples(st.sampled_from([1.0, 5.0, 10.0]), st.floats(0, 365)), max_size=10
)


def decayed_sum(interactions, at):
    ages = ((at - timedelta(days=day) - SCORE_EPOCH, weight) for weight, day in interactions)
    return sum(weight * 0.5 ** (age / HALF_LIFE) for age, weight in ages)


def score(interactions, begin=SCORE_EPOCH):
    total = 0.0
    for weight, day in interactions:
        total = increase_score(total, scale_weight(weight, begin + timedelta(days=day)))
    return total


@given(INTERACTIONS, INTERACTIONS)
def test_scores_order_events_as_decaying_sums_do(one, other):
    at = SCORE_EPOCH + timedelta(days=365)
    first, second = decayed_sum(one, at), decayed_sum(other, at)
    if not math.isclose(first, second, rel_tol=1e-9):
        assert (score(one) < score(other)) == (first < second)


@given(INTERACTIONS)
def test_the_order_of_interactions_does_not_matter(interactions):
    assert math.isclose(score(interactions), score(interactions[::-1]), rel_tol=1e-9, abs_tol=1e-9)


def test_an_interaction_one_half_life_later_counts_double():
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert math.isclose(scale_weight(VIEW, now + HALF_LIFE), scale_weight(2 * VIEW, now))


@given(st.integers(2026, 9000))
def test_scores_stay_finite_and_in_order_for_millennia(year):
    late = datetime(year, 1, 1, tzinfo=UTC)
    assert score([(1e9, 0)], late) > score([(1.0, 0), (5.0, 1)], late) > score([(1.0, 0)], late)
    week = [(1.0, 7)]
    assert score(week, late) > score([(1.5, 0)], late)
    assert math.isfinite(score([(1e9, 0), *week], late))
    assert increase_score(
        score(week, late), scale_weight(1e9, SCORE_EPOCH - HALF_LIFE * 5000)
    ) >= score(week, late)
