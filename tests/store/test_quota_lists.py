"""Lists of events that can be booked, against a model that tries every pair of type and entry."""

import random
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.events import list_pages, store, ticket_types
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.rules import get_list_state
from eventapp.events.schemas.queries import EventQuery
from tests.factories import day, make_event

EVENTS = 80
QUERIES = [
    {"availableOnly": "true"},
    {"availableOnly": "true", "maxPrice": "20"},
    {"availableOnly": "true", "minPrice": "20", "maxPrice": "20"},
    {"availableOnly": "true", "upcoming": "false"},
    {"onSale": "true"},
    {"onSale": "true", "availableOnly": "true", "minPrice": "30"},
]


class NoIndex:
    """Stands in for LiveIndex and leaves every query to the database."""

    def find(self, _filters, _search, _today):
        return None

    def count(self, _today):
        return None


class Clock:
    """The clock of the database; `now` is set by the test."""

    def __init__(self):
        self.now = utc_now()

    def __call__(self):
        return self.now


def make_quota(chance, quota_id):
    quota = {"quotaId": quota_id, "name": "Q", "capacity": 9, "waiting": int(chance.random() < 0.1)}
    quota["availableTickets"] = chance.choice([0, 0, 1, 5])
    if chance.random() < 0.7:
        quota["ticketTypeIds"] = chance.sample([1, 2, 3], chance.randint(1, 2))
    if chance.random() < 0.7:
        quota["scheduleIds"] = chance.sample([4, 7, 9], chance.randint(1, 2))
    return quota


@pytest.fixture
def events(db):
    """Events of three types and three entries, of which one may be over, with random quotas."""
    chance, now = random.Random(8), utc_now()
    types = [{"type": n, "price": p, "availableTickets": 5} for n, p in (("A", 10), ("B", 20))]
    types.append({"type": "C", "price": 30, "availableTickets": 5})
    for number in range(EVENTS):
        schedule = [{"date": day(n + 3), "location": "Volos"} for n in range(3)]
        event = make_event(db, ticketTypes=types, schedule=schedule)
        fields = {f"schedule.{n}.scheduleId": id_ for n, id_ in enumerate((4, 7, 9))}
        fields |= {
            f"schedule.{n}.overAt": now + timedelta(hours=chance.randint(-1, 3) + 0.5)
            for n in range(3)
        }
        for n in range(3):
            fields[f"ticketTypes.{n}.availableTickets"] = chance.choice([0, 3, 8])
            fields[f"ticketTypes.{n}.waiting"] = int(chance.random() < 0.2)
            if chance.random() < 0.2:
                fields[f"ticketTypes.{n}.salesFrom"] = now + timedelta(hours=1)
            elif chance.random() < 0.2:
                fields[f"ticketTypes.{n}.salesUntil"] = now + timedelta(hours=1)
        if number % 5:
            fields["quotas"] = [make_quota(chance, n) for n in range(1, chance.randint(2, 5))]
        db.events.update_one({"eventId": event["eventId"]}, {"$set": fields})
    return db


def count_left(event, entry, ticket_type):
    stocks = [ticket_type]
    for quota in event.get("quotas", []):
        names_type = ticket_type["ticketTypeId"] in quota.get("ticketTypeIds", (1, 2, 3))
        if names_type and entry["scheduleId"] in quota.get("scheduleIds", (4, 7, 9)):
            stocks.append(quota)
    return min(0 if stock["waiting"] else stock["availableTickets"] for stock in stocks)


def is_open(ticket_type, now):
    begins, ends = ticket_type.get("salesFrom", now), ticket_type.get("salesUntil")
    return begins <= now and (ends is None or ends > now)


def find_by_loop(db, query, now):
    low, high = float(query.get("minPrice", 0)), float(query.get("maxPrice", 99))
    on_sale, available = "onSale" in query, "availableOnly" in query

    def is_bookable(event, each):
        return any(
            count_left(event, entry, each) for entry in event["schedule"] if entry["overAt"] > now
        )

    def has(event, condition):
        return any(condition(each) for each in event["ticketTypes"])

    return [
        event["eventId"]
        for event in db.events.find().sort("eventId")
        if has(
            event,
            lambda each: (
                low <= each["price"] <= high and (not available or is_bookable(event, each))  # noqa: B023
            ),
        )
        and (
            not on_sale or has(event, lambda each: is_open(each, now) and is_bookable(event, each))  # noqa: B023
        )
    ]


def find_listed(db, query, now, index):
    request = EventQuery().load({**query, "limit": "100"}).at(now)
    return list(list_pages.find_page(db, request, utc_now().date(), index).event_ids)


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_index_and_database_find_the_events_that_can_be_booked_at_each_moment(events, query):
    clock, counts = Clock(), set()
    index = LiveIndex(events, clock)
    for hours in (0, 1, 2, 3, 4):
        # Filters know the time in whole seconds.
        now = clock.now = (utc_now() + timedelta(hours=hours)).replace(microsecond=0)
        expected = find_by_loop(events, query, now)
        assert find_listed(events, query, now, NoIndex()) == expected
        assert find_listed(events, query, now, index) == expected
        counts.add(len(expected))
    assert len(counts) >= 4
    assert max(counts) < EVENTS


def test_the_public_figures_are_those_of_the_model(events):
    now = utc_now()
    for event in events.events.find():
        bookable = [entry for entry in event["schedule"] if entry["overAt"] > now]
        assert ticket_types.count_public(event, now) == [
            max((count_left(event, entry, each) for entry in bookable), default=0)
            for each in event["ticketTypes"]
        ]


def test_a_quota_that_empties_or_fills_is_another_list_state(events):
    index, query = LiveIndex(events), {"availableOnly": "true"}
    event = make_event(events)
    hall = {"quotaId": 1, "name": "hall", "capacity": 5, "availableTickets": 5, "waiting": 0}
    changed = {"eventId": event["eventId"]}
    for places, waiting in ((5, 0), (0, 0), (3, 0), (3, 1)):
        quota = {**hall, "availableTickets": places, "waiting": waiting}
        events.events.update_one(changed, {"$set": {"quotas": [quota]}, "$inc": {"rev": 1}})
        index.mark_stale(event["eventId"], get_list_state(events.events.find_one(changed)))
        is_listed = event["eventId"] in find_listed(events, query, utc_now(), index)
        assert is_listed == (places > 0 and not waiting)


def test_an_event_of_which_an_entry_is_over_is_read_again_once(events, monkeypatch):
    clock, read = Clock(), []
    index, today = LiveIndex(events, clock), utc_now().date()
    count, find = index.count(today), store.find_indexed
    monkeypatch.setattr(
        store, "find_indexed", lambda db, ids, **o: read.append(ids) or find(db, ids, **o)
    )
    assert index.count(today) == count
    assert read == []
    clock.now += timedelta(hours=5)
    assert index.count(today) == index.count(today) == count
    assert len(read) == 1
    assert 0 < len(read[0]) < EVENTS
