"""Edits of quotas show at once in this process, and within a second in others."""

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.events import rules
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.quota_management import QuotaEditor
from eventapp.events.schedules import UTC_ZONE
from tests.bookings_factories import Caller, event_of
from tests.http.test_events_cache import within_a_second

EMPTY = {"name": "Hall", "capacity": 0}


@pytest.fixture
def olga(client, app, db):
    return Caller(client, app, "organizer")


@pytest.fixture
def event_id(db, olga):
    return event_of(db, 500, organizer_id=olga.id)


@pytest.fixture
def elsewhere(db):
    """Edit quotas in another process, of which the cache of this one is not notified."""
    actor = Actor(role="admin")
    return QuotaEditor(
        db, actor, event_changes=NO_EVENT_CACHE, now=utc_now(), default_zone=UTC_ZONE
    )


def find_figures(client, event_id):
    """Return the available tickets of the event alone and in a list, and how many lists have it."""
    shown = [client.get(f"/api/events/{event_id}").json, *client.get("/api/events").json["events"]]
    figures = [each["ticketTypes"][0]["availableTickets"] for each in shown]
    queries = ("availableOnly=true", "onSale=true", 'availableOnly=true&search="sample event"')
    return figures, sum(len(find(client, query)) for query in queries)


def find(client, query):
    return [each["eventId"] for each in client.get(f"/api/events?{query}").json["events"]]


def test_an_edit_by_this_process_shows_at_once(client, olga, event_id):
    path = f"/events/{event_id}/quotas"
    tag = client.get(f"/api/events/{event_id}").headers["ETag"]
    assert find_figures(client, event_id) == ([500, 500], 3)
    olga.call("POST", path, EMPTY)
    assert find_figures(client, event_id) == ([0, 0], 0)
    olga.call("PATCH", f"{path}/1", {"capacity": 7})
    assert find_figures(client, event_id) == ([7, 7], 3)
    olga.call("DELETE", f"{path}/1")
    assert find_figures(client, event_id) == ([500, 500], 3)
    again = client.get(f"/api/events/{event_id}", headers={"If-None-Match": tag})
    assert again.status_code == 304


def test_an_edit_by_another_process_shows_within_a_second(client, event_id, elsewhere):
    assert find_figures(client, event_id) == ([500, 500], 3)
    elsewhere.create(event_id, EMPTY)
    within_a_second(lambda: find_figures(client, event_id) == ([0, 0], 0))
    elsewhere.patch(event_id, 1, {"capacity": 7})
    within_a_second(lambda: find_figures(client, event_id) == ([7, 7], 3))
    elsewhere.delete(event_id, 1)
    within_a_second(lambda: find_figures(client, event_id) == ([500, 500], 3))


def find_after_two_unseen_edits(client, app, monkeypatch, event_id, elsewhere):
    """Return what a list finds that was found between two edits which this process sees as one."""
    query, cache = 'availableOnly=true&search="sample event"', EVENT_CACHE.get(app)
    elsewhere.create(event_id, {**EMPTY, "capacity": 400})
    within_a_second(lambda: find_figures(client, event_id) == ([400, 400], 3))
    elsewhere.patch(event_id, 1, {"capacity": 0})
    with monkeypatch.context() as patch:
        patch.setattr(cache._change_feed, "poll_if_due", lambda: None)
        cache._pages.clear()
        assert find(client, query) == []
        elsewhere.patch(event_id, 1, {"capacity": 400})
    cache._change_feed.force_poll()
    return find(client, query)


def test_a_list_that_was_found_between_two_edits_is_found_again(
    client, app, monkeypatch, event_id, elsewhere
):
    found = find_after_two_unseen_edits(client, app, monkeypatch, event_id, elsewhere)
    assert found == [event_id]


def test_control_by_a_counter_that_edits_of_quotas_do_not_raise_it_is_not(
    client, app, monkeypatch, event_id, elsewhere
):
    monkeypatch.setattr(rules, "get_terms", lambda _event: 0)
    found = find_after_two_unseen_edits(client, app, monkeypatch, event_id, elsewhere)
    assert found == []
