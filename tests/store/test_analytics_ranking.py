"""Lists of events sorted by a figure, from stored ranks and from later changes."""

import random
from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId
from pymongo import UpdateOne

from eventapp.analytics import ranking, service, store_ranking, store_sums
from eventapp.analytics.ranking import RankedEvents, refresh_ranks
from eventapp.analytics.types import RankKey
from eventapp.core.clock import utc_now
from eventapp.core.paging import PageRequest
from eventapp.events import store as events_store
from eventapp.events import store_deletions
from tests import sales
from tests.conftest import MONGO_URI
from tests.plans import plan_of, postgres_plan, wait_for_plan

ORGANIZERS = [ObjectId(), ObjectId()]
LATER = timedelta(minutes=5)


@pytest.fixture
def rng():
    return random.Random(7)


@pytest.fixture
def events(db, rng):
    """Store 30 events of two organizers, most of them with tickets sold and people waiting."""
    made = sales.events_of(db, [rng.choice(ORGANIZERS) for _ in range(30)])
    change_events(db, rng, [event["eventId"] for event in made])
    return made


def change_events(db, rng, event_ids):
    """Give events other figures, as sales and joins do."""
    updates, sold, entries = [], {}, []
    for event_id in event_ids:
        sold[event_id] = rng.randrange(4)
        fields = {
            "ticketTypes.0.soldTickets": sold[event_id],
            "ticketTypes.0.capacity": 1000 * rng.randint(1, 2),
            "status": rng.choice(["published", "draft"]),
        }
        update = {"$set": fields, **events_store.SET_CHANGED_AT}
        updates.append(UpdateOne({"eventId": event_id}, update))
        for number in range(rng.randrange(3)):
            entries.append(
                {"eventId": event_id, "userId": ObjectId(), "ticketTypeId": 1, "active": True}
                | {"sequence": number, "quantity": rng.randint(1, 3), "joinedAt": utc_now()}
            )
    db.events.bulk_write(updates)
    bookings = [
        sales.booking(event, status="confirmed", at=utc_now(), taken={1: sold[event["eventId"]]})
        for event in db.events.find({"eventId": {"$in": event_ids}})
        if sold[event["eventId"]]
    ]
    for collection, documents in ((db.bookings, bookings), (db.waitlist, entries)):
        if documents:
            collection.insert_many(documents)


def let_changes_grow_old(db):
    """Move all changes of events back in time, before the checkpoint of the next run."""
    old = utc_now() - timedelta(hours=1)
    for collection in (db.events, db.goneEvents):
        collection.update_many({}, {"$set": {"changedAt": old}})


def store_ranks(db):
    let_changes_grow_old(db)
    refresh_ranks(db, utc_now())


def never_stored(_db, _rng, _events):
    """Let the lists be sorted before the first run of the job."""


def all_stored(db, _rng, _events):
    store_ranks(db)


def delete_event(db, event_id):
    """Delete an event as its organizer does, whether it has bookings or not."""
    event = db.events.find_one({"eventId": event_id})
    store_deletions.record_deletion(db, event_id, event["rev"] + 1, was_public=True)
    assert store_deletions.delete_if_unchanged(db, event, now=utc_now())
    store_deletions.record_deletion(db, event_id, event["rev"] + 2, was_public=True)


def some_changed(db, rng, events):
    store_ranks(db)
    change_events(db, rng, [event["eventId"] for event in rng.sample(events, 8)])
    for event in rng.sample(events, 3):
        delete_event(db, event["eventId"])


def stored_again(db, rng, events):
    some_changed(db, rng, events)
    refresh_ranks(db, utc_now() + LATER)
    let_changes_grow_old(db)


STATES = [never_stored, all_stored, some_changed, stored_again]


@pytest.fixture(params=STATES, ids=lambda state: state.__name__)
def state(request, db, rng, events):
    request.param(db, rng, events)


def sort_all(db, figure, organizer_id=None, status=None):
    """Return the eventIds of a list, sorted in the simplest way."""
    computed = ranking.compute_figures(db, None, organizer_id=organizer_id, status=status)
    listed = [each for each in computed if figure != "wanted" or each["wanted"]]
    return [
        each["eventId"]
        for each in sorted(listed, key=lambda each: (-each[figure], each["eventId"]))
    ]


def walk(db, figure, organizer_id=None, status=None, limit=4):
    """Return the eventIds of all pages of a list, by its cursors."""
    request, walked = PageRequest(limit=limit), []
    while True:
        page = RankedEvents(db, figure, organizer_id, status).find_page(request)
        walked += page.event_ids
        if page.next_position is None:
            return walked
        request = PageRequest(limit=limit, list_position=page.next_position)


@pytest.mark.parametrize("figure", store_ranking.FIGURES)
@pytest.mark.usefixtures("state")
def test_each_list_is_in_the_order_of_its_figure(db, figure):
    for organizer_id in (None, *ORGANIZERS):
        for status in (None, "published", "cancelled"):
            ranked = RankedEvents(db, figure, organizer_id, status)
            expected = sort_all(db, figure, organizer_id, status)
            assert ranked.count() == len(expected)
            assert walk(db, figure, organizer_id, status) == expected
            for page in range(1, 12):
                found = ranked.find_page(PageRequest(page=page, limit=3)).event_ids
                assert found == expected[3 * (page - 1) : 3 * page]


@pytest.mark.usefixtures("state")
def test_waitlists_are_summed(db):
    computed = ranking.compute_figures(db, None)
    assert service.list_waitlists(db, None, PageRequest(limit=2)).body["tickets"] == sum(
        each["wanted"] for each in computed
    )
    first = service.list_waitlists(db, None, PageRequest(limit=2))
    second = service.list_waitlists(
        db, None, PageRequest(limit=2, list_position=first.next_position)
    )
    for name in ("entries", "tickets", "total"):
        assert second.body[name] == first.body[name]


def test_a_page_without_changes_reads_only_its_own_events(db, events, monkeypatch):
    store_ranks(db)
    read = []
    find_stock = service.store_figures.find_stock
    monkeypatch.setattr(
        service.store_figures,
        "find_stock",
        lambda *args, **kwargs: read.append(find_stock(*args, **kwargs)) or read[-1],
    )
    service.list_events(db, None, PageRequest(limit=5))
    assert [len(rows) for rows in read] == [5]


def test_an_event_whose_figure_changes_does_not_disturb_the_others(db, events):
    store_ranks(db)
    first = RankedEvents(db, "sold", None).find_page(PageRequest(limit=10))
    listed = first.event_ids
    moved = sort_all(db, "sold")[20]
    top = {"$set": {"ticketTypes.0.soldTickets": 99}, **events_store.SET_CHANGED_AT}
    db.events.update_one({"eventId": moved}, top)
    request = PageRequest(limit=100, list_position=first.next_position)
    rest = RankedEvents(db, "sold", None).find_page(request).event_ids
    assert sorted([*listed, *rest]) == sorted({each["eventId"] for each in events} - {moved})


def test_too_many_changes_are_listed_by_their_stored_figures(db, rng, events, monkeypatch):
    store_ranks(db)
    before = walk(db, "sold")
    monkeypatch.setattr(ranking, "MAX_CHANGED", 3)
    for event in events[:8]:
        change_events(db, rng, [event["eventId"]])
    assert walk(db, "sold") == before


def test_a_run_that_was_suspended_overwrites_no_later_one(db, rng, events):
    store_ranks(db)
    old_run = db.salesMarker.find_one({"_id": ranking.JOB_STATE_ID})["run"]
    old = ranking.compute_figures(db, [1, 2])
    change_events(db, rng, [1])
    delete_event(db, 2)
    refresh_ranks(db, utc_now() + LATER)
    ranks = list(db.eventRanks.find().sort("_id", 1))
    store_ranking.save_ranks(db, old_run, [1, 2], old, utc_now())
    assert list(db.eventRanks.find().sort("_id", 1)) == ranks
    let_changes_grow_old(db)
    assert 2 not in walk(db, "sold")


def test_only_one_run_works_at_a_time(db, events):
    now = utc_now()
    assert store_sums.begin_run(db, now, ranking.LEASE, ranking.JOB_STATE_ID)
    assert refresh_ranks(db, now) == 0
    assert refresh_ranks(db, now + ranking.LEASE) == len(events)


@pytest.mark.skipif(not MONGO_URI, reason="the embedded store has no plans to show")
@pytest.mark.parametrize("figure", store_ranking.FIGURES)
def test_a_page_is_one_range_of_an_index(db, figure):
    with store_sums.allow_job_timeout():
        db.eventRanks.insert_many(
            {
                "_id": n,
                "organizerId": ORGANIZERS[n % 2],
                "status": ["draft", "published"][n // 2 % 2],
            }
            | dict.fromkeys(store_ranking.FIGURES, n % 50)
            for n in range(2000)
        )
    recorded = Recorded(db)
    for organizer_id, status in ((None, None), (ORGANIZERS[0], None), (None, "draft")):
        if status is None or figure != store_ranking.WANTED:
            listed = store_ranking.RankList(figure, organizer_id, status)
            store_ranking.find_ranks(recorded, listed, [], skip=0, limit=20)
            after = RankKey(10, 100)
            store_ranking.find_ranks_after(recorded, listed, [], after=after, limit=60)
    assert len(recorded.commands) >= 6
    for command in recorded.commands:
        plan = wait_for_plan(partial(plan_of, db, command), sorts_or_scans)
        assert not sorts_or_scans(plan), (command, plan)


class Recorded:
    """A database whose ordered reads of ranks are recorded as commands that can be explained."""

    def __init__(self, db):
        self.eventRanks, self._ranks, self.commands = self, db.eventRanks, []

    def find(self, where, fields):
        self.commands.append({"find": "eventRanks", "filter": where, "projection": fields})
        self._found = self._ranks.find(where, fields)
        return self

    def sort(self, keys):
        self.commands[-1]["sort"] = dict(keys)
        self._found = self._found.sort(keys)
        return self

    def skip(self, count):
        self._found = self._found.skip(count)
        return self

    def limit(self, count):
        self.commands[-1]["limit"] = count
        return self._found.limit(count)


def sorts_or_scans(plan):
    """Return whether a plan sorts what it finds, or reads the whole collection."""
    lines = postgres_plan(plan)
    text = str(plan) if lines is None else "\n".join(lines)
    return any(word in text for word in ("Sort Key", "Seq Scan", "COLLSCAN", "'SORT'"))
