"""Scores in the store: increased in bulk, and sorted by an index."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from eventapp.events import store, store_listing
from eventapp.events.popularity import increase_score, scale_weight
from tests.bookings_factories import event_of
from tests.conftest import MONGO_URI
from tests.plans import has_collscan, wait_for_plan


def test_increases_many_scores_and_passes_over_a_missing_event(db):
    ids = [event_of(db, 5) for _ in range(8)]
    increases = {event_id: (float(event_id), event_id * 2) for event_id in [*ids, 99]}
    assert sorted(store.increase_scores(db, increases)) == [*ids, 99]
    store.increase_scores(db, {1: (8.0, 0)})
    stored = {event["eventId"]: event for event in db.events.find()}
    assert set(stored) == set(ids)
    assert [stored[id_]["views"] for id_ in ids] == [id_ * 2 for id_ in ids]
    for id_ in ids[1:]:
        assert stored[id_]["popularity"] == pytest.approx(increase_score(0.0, id_))
    assert stored[1]["popularity"] == pytest.approx(increase_score(increase_score(0.0, 1.0), 8.0))
    where = store_listing.make_public_filter(upcoming=True)
    rows = store_listing.find_in_order(db, where, ("popularity", -1), limit=3)
    assert [row["eventId"] for row in rows] == [1, 8, 7]


def test_scores_stay_finite_and_in_order_for_centuries(db):
    for _ in range(5):
        event_of(db, 5)
    for year, weights in ((2026, (1, 9, 1, 1)), (2046, (1, 5, 2, 1)), (2400, (3, 1, 2, 3))):
        for later, score in enumerate(weights):
            now = datetime(year, 12, 1 + later, tzinfo=UTC)
            store.increase_scores(db, {later + 1: (scale_weight(score, now), 1)})
    store.increase_scores(db, {2: (-9000.0, 1)})
    where = store_listing.make_public_filter(upcoming=True)
    rows = store_listing.find_in_order(db, where, ("popularity", -1), limit=5)
    assert [row["eventId"] for row in rows] == [4, 1, 3, 2, 5]
    assert all(math.isfinite(row["popularity"]) for row in rows)


def test_concurrent_increases_lose_nothing(db):
    event_of(db, 5)
    increase_once = lambda: store.increase_scores(db, {1: (3.0, 1)})  # noqa: E731
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(increase_once) for _ in range(64)]:
            done.result()
    event = db.events.find_one({"eventId": 1})
    assert event["views"] == 64
    assert event["popularity"] == pytest.approx(math.log2(1 + 64 * 8))


@pytest.mark.skipif(not MONGO_URI, reason="the embedded store has no plans to explain")
def test_sorting_by_popularity_uses_an_index(db):
    event_of(db, 5)
    order = [("popularity", -1), ("eventId", -1)]
    plan = wait_for_plan(
        lambda: db.events.find({"listed": True}).sort(order).explain(), has_collscan
    )
    assert not has_collscan(plan)
