"""Merged guards of quotas hold for exactly the events for which the separate ones hold."""

import random

import pytest

from eventapp.inventory.guards import merge_quota_guards

CONDITIONS = [
    {},
    {"quotas.0.availableTickets": {"$gte": 2}},
    {"quotas.2.availableTickets": {"$gte": 2}, "quotas.2.waiting": 0},
    {"quotas.0.waiting": 0, "quotas.1.waiting": 0, "quotas.2.waiting": {"$gte": 1}},
    {"quotas.0.availableTickets": {"$lt": 2}, "quotas.1.availableTickets": {"$gte": 1}},
    {"quotas.1.availableTickets": 2, "quotas.0.availableTickets": 2, "eventId": {"$lt": 150}},
    {"quotas.1.waiting": {"$ne": 1}, "$expr": {"$lt": ["$eventId", 150]}},
]


@pytest.fixture
def events(db):
    """Store events with three quotas whose counters are 0, 1, 2 or missing."""
    chance = random.Random(7)
    stored = []
    for event_id in range(200):
        quotas = [{"quotaId": id_} for id_ in (4, 9, 2)]
        for quota in quotas:
            counters = {"availableTickets": chance.randrange(4), "waiting": chance.randrange(4)}
            quota |= {name: value for name, value in counters.items() if value < 3}
        stored.append({"_id": event_id, "eventId": event_id, "quotas": quotas})
    db.events.insert_many(stored)
    return stored


@pytest.mark.parametrize("guards", CONDITIONS, ids=str)
def test_merged_guards_find_the_same_events(db, events, guards):
    merged = merge_quota_guards(events[0]["quotas"], guards)
    assert not any(path.startswith("quotas") for path in merged)
    found = [each["_id"] for each in db.events.find(guards).sort("_id", 1)]
    assert [each["_id"] for each in db.events.find(merged).sort("_id", 1)] == found
    assert len(found) > 0
    assert len(found) < len(events) or not guards


def test_quotas_that_must_meet_one_condition_share_it():
    quotas = [{"quotaId": id_} for id_ in range(1, 51)]
    guards = {f"quotas.{n}.waiting": 0 for n in range(50)}
    guards |= {f"quotas.{n}.availableTickets": {"$gte": 1 + n % 2} for n in range(50)}
    assert len(merge_quota_guards(quotas, guards)["$nor"]) == 3
