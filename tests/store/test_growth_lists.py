"""The benchmark of growth calls every list as the services expect it."""

import random

from scripts.bench.growth_lists import add_events, make_event_lists


def test_every_list_of_events_can_be_called(db):
    add_events(db, 40)
    lists = make_event_lists(db, 40)
    assert {"events", "by city", "search", "suggestions"} <= lists.keys()
    rng = random.Random(1)
    for call in lists.values():
        assert call(rng)
