"""Scores in the store: raised together, found in order by the index."""

import pytest

from eventapp.events import store_list, store_popularity
from tests.bookings_factories import event_of
from tests.conftest import MONGO_URI
from tests.plans import scans, settled


def test_many_at_once_and_one_that_is_gone(db, monkeypatch):
    monkeypatch.setattr(store_popularity, "WRITES_AT_ONCE", 3)
    ids = [event_of(db, 5) for _ in range(8)]
    raises = {event_id: (float(event_id), event_id * 2) for event_id in [*ids, 99]}
    assert sorted(store_popularity.raise_scores(db, raises)) == [*ids, 99]
    store_popularity.raise_scores(db, {1: (100.0, 0)})
    stored = {event["eventId"]: event for event in db.events.find()}
    assert set(stored) == set(ids)
    assert [stored[id_]["views"] for id_ in ids] == [id_ * 2 for id_ in ids]
    assert stored[1]["popularity"] == 101.0
    where = store_list.public_filter(upcoming=True)
    rows = store_list.rows(db, where, ("popularity", -1), limit=3)
    assert [row["eventId"] for row in rows] == [1, 8, 7]


@pytest.mark.skipif(not MONGO_URI, reason="the embedded store has no plans to explain")
def test_no_scan_of_all_events(db):
    event_of(db, 5)
    order = [("popularity", -1), ("eventId", -1)]
    plan = settled(lambda: db.events.find({"listed": True}).sort(order).explain(), scans)
    assert not scans(plan)
