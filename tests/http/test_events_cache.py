"""The cache of events and lists never shows anything older than promised."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.database import Document
from eventapp.events import deletions, editing
from eventapp.events import store as events_store
from eventapp.events.cache.change_feed import MAX_AGE_SECONDS
from eventapp.events.cache.event_cache import EVENT_CACHE, EventCache
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.favorites import service as favorites
from tests.factories import day, event_body, make_event, make_user

ADMIN = Actor(role="admin")
# A process shows what another process changed within a second: what the design promises.
SECOND = 1.0


@pytest.fixture
def event(db, organizer):
    return make_event(db, organizer_id=organizer["id"])


def titles(client, query="", headers=None):
    answer = client.get(f"/api/events{query}", headers=headers)
    return [event["title"] for event in answer.json["events"]]


def by_another_process(db, event_id, change):
    """Edit an event without notifying the cache of this process."""
    editing.edit_event(
        db,
        event_id,
        change,
        event_changes=NO_EVENT_CACHE,
        actor=ADMIN,
        now=utc_now(),
        image_base_url="",
    )


def renamed(title):
    def change(_event: Document) -> dict[str, str]:
        return {"title": title}

    return change


def within_a_second(condition):
    until = time.monotonic() + SECOND
    while not condition():
        assert time.monotonic() < until, "not within a second"
        time.sleep(0.02)


def test_an_edit_by_this_process_shows_at_once(client, organizer, event):
    body = event_body(title="First")
    assert titles(client) == ["Sample Event"]
    client.put("/api/events/1", json=body, headers=organizer["headers"])
    assert titles(client) == ["First"] == [client.get("/api/events/1").json["title"]]


def test_events_created_and_deleted_by_this_process_appear_and_go_at_once(client, organizer, event):
    assert len(titles(client)) == 1
    made = client.post("/api/events", json=event_body(), headers=organizer["headers"]).json
    assert len(titles(client)) == 2
    client.delete(f"/api/events/{made['eventId']}", headers=organizer["headers"])
    assert len(titles(client)) == 1
    assert client.get(f"/api/events/{made['eventId']}").status_code == 404


def test_a_sale_by_this_process_shows_at_once_also_in_lists_by_availability(client, app, organizer):
    ticket_type = {"type": "G", "price": 5, "availableTickets": 2}
    body = event_body(ticketTypes=[ticket_type])
    client.post("/api/events", json=body, headers=organizer["headers"])
    buyer = make_user(app)["headers"]
    assert len(titles(client, "?availableOnly=true")) == 1
    assert not client.get("/api/events/1").json["soldOut"]
    order = {"eventId": 1, "ticketTypeId": 1, "quantity": 2}
    booking = client.post("/api/bookings", json=order, headers=buyer).json["data"]["booking"]
    shown = client.get("/api/events/1").json
    assert (shown["soldOut"], shown["ticketTypes"][0]["availableTickets"]) == (True, 0)
    assert client.get("/api/events").json["events"][0]["soldOut"]
    assert titles(client, "?availableOnly=true") == []
    client.put(f"/api/bookings/{booking['_id']}/cancel", headers=buyer)
    assert client.get("/api/events/1").json["ticketTypes"][0]["availableTickets"] == 2
    assert len(titles(client, "?availableOnly=true")) == 1


def test_a_favorite_added_by_this_process_shows_at_once(client, event):
    path = "/api/events/1"
    assert not client.get(path).json["favorited"]
    client.post("/api/favorites", json={"eventId": 1})
    assert client.get(path).json["favorited"]
    assert client.get("/api/events").json["events"][0]["favorited"]
    client.delete("/api/favorites/1")
    assert not client.get(path).json["favorited"]


def test_favorites_changed_by_another_process_show_within_a_second(client, app, db, event):
    """Also those of the shared guest, and of a user about whom no time of a write is stored."""
    ann = make_user(app)
    for owner, headers in (("guest", {}), (f"user:{ann['id']}", ann["headers"])):

        def is_shown(headers=headers):
            return client.get("/api/events/1", headers=headers).json["favorited"]

        assert not is_shown()
        assert favorites.add(db, owner, 1, limit=5, now=utc_now())
        within_a_second(is_shown)
        assert favorites.remove(db, owner, 1)
        within_a_second(lambda shown=is_shown: not shown())


def test_no_caller_gets_the_favorites_of_another_caller(client, event):
    mine, yours = {"X-Device-Id": "device-one"}, {"X-Device-Id": "device-two"}
    client.post("/api/favorites", json={"eventId": 1}, headers=mine)
    for path in ("/api/events/1", "/api/events"):
        answers = [client.get(path, headers=device) for device in (mine, yours, {})]
        assert [b'"favorited":true' in answer.data for answer in answers] == [True, False, False]
        assert len({answer.headers["ETag"] for answer in answers}) == 2


def test_shared_http_caches_may_store_only_anonymous_answers(client, event):
    for path in ("/api/events/1", "/api/events"):
        anonymous = client.get(path)
        personal = client.get(path, headers={"X-Device-Id": "device-one"})
        assert anonymous.headers["Cache-Control"].startswith("public, max-age=0, s-maxage=1")
        assert personal.headers["Cache-Control"] == "private, no-cache"
        assert "X-Device-Id" in anonymous.headers["Vary"]


@pytest.mark.parametrize("path", ["/api/events/1", "/api/events"])
def test_an_edit_by_another_process_shows_within_a_second(client, db, event, path):
    assert "Sample Event" in client.get(path).text
    by_another_process(db, 1, renamed("Another"))
    within_a_second(lambda: "Another" in client.get(path).text)


def test_events_created_and_deleted_by_another_process_show_within_a_second(client, db, event):
    assert len(titles(client)) == 1
    added = make_event(db, title="Second")
    within_a_second(lambda: titles(client) == ["Sample Event", "Second"])
    deletions.delete_event(db, added["eventId"], ADMIN, NO_EVENT_CACHE, utc_now())
    within_a_second(lambda: titles(client) == ["Sample Event"])
    assert client.get("/api/events/2").status_code == 404


@pytest.mark.parametrize("role", ["organizer", "admin"])
def test_lists_of_organizers_and_admins_are_as_fresh_as_others(client, app, db, event, role):
    """They are not cached, but the index that finds their events is."""
    headers = make_user(app, role)["headers"]
    assert titles(client, "?category=other", headers) == ["Sample Event"]
    by_another_process(db, event["eventId"], lambda _event: {"category": "concert"})
    within_a_second(lambda: titles(client, "?category=other", headers) == [])


@pytest.mark.parametrize("role", [None, "attendee", "organizer", "admin"])
def test_a_draft_is_not_listed_although_the_index_has_it(client, app, db, event, role, monkeypatch):
    """The events that the index finds are checked again when they are read."""
    headers = make_user(app, role)["headers"] if role else {}
    assert titles(client, "?category=other", headers) == ["Sample Event"]
    cache = EVENT_CACHE.get(app)
    with monkeypatch.context() as patch:  # No poll tells this process of the draft.
        patch.setattr(cache._change_feed, "poll_if_due", lambda: None)
        draft = {"$set": {"status": "draft"}, "$inc": {"terms": 1, "rev": 1}}
        db.events.update_one({"eventId": event["eventId"]}, draft)
        cache._freshness.reset()
        cache._expire_pages(lists_differ=True)
        for query in ("?category=other", "?search=sample"):
            assert titles(client, query, headers) == []


def test_after_a_pause_the_first_answer_is_fresh(client, db, event):
    assert titles(client) == ["Sample Event"]
    by_another_process(db, 1, renamed("Another"))
    time.sleep(MAX_AGE_SECONDS + 0.05)
    assert titles(client) == ["Another"]


def test_a_change_that_a_rendering_contains_does_not_drop_it(db, event):
    cache = EventCache(db)
    rendered = cache.get_event(1)
    cache._change_feed.poll()
    assert cache.get_event(1) is rendered


def test_lists_follow_a_change_that_was_read_before_it_was_received(client, app, db, event):
    """The organizer's browser opens an event that another process just created or renamed."""
    assert titles(client) == titles(client, "?sortBy=title") == ["Sample Event"]
    EVENT_CACHE.get(app)._freshness._rendered.clear()  # as if the event had been evicted
    by_another_process(db, 1, renamed("Another"))
    made = make_event(db, title="A New One")
    for event_id in (1, made["eventId"]):
        client.get(f"/api/events/{event_id}")
    within_a_second(lambda: titles(client, "?sortBy=title") == ["A New One", "Another"])


def test_a_sale_of_an_event_that_is_not_cached_shows_in_lists_at_once(client, app, organizer):
    ticket_type = {"type": "G", "price": 5, "availableTickets": 1}
    body = event_body(ticketTypes=[ticket_type])
    client.post("/api/events", json=body, headers=organizer["headers"])
    buyer = make_user(app)["headers"]
    assert len(titles(client, "?availableOnly=true")) == 1
    EVENT_CACHE.get(app)._freshness._rendered.clear()
    order = {"eventId": 1, "ticketTypeId": 1, "quantity": 1}
    client.post("/api/bookings", json=order, headers=buyer)
    assert titles(client, "?availableOnly=true") == []


def test_an_event_that_another_process_just_created_is_found(client, db):
    """A client creates an event by one process and asks another for it: no 404 is cached."""
    assert [client.get(f"/api/events/{n}").status_code for n in (1, 2, 99)] == [404] * 3
    make_event(db)
    make_event(db)
    assert [client.get(f"/api/events/{n}").status_code for n in (1, 2, 99)] == [200, 200, 404]


def test_an_event_created_with_an_id_below_the_highest_shows_at_once(client, db, organizer):
    """The eventId was requested, and not found, while its event was being created."""
    make_event(db)
    db.events.update_one({"eventId": 1}, {"$set": {"eventId": 9}})
    db.counters.update_one({"_id": "eventId"}, {"$set": {"value": 4}})
    assert client.get("/api/events/5").status_code == 404
    made = client.post("/api/events", json=event_body(), headers=organizer["headers"]).json
    assert made["eventId"] == 5
    assert client.get("/api/events/5").status_code == 200


def test_simultaneous_misses_of_an_event_read_it_once(db, event, monkeypatch):
    cache, reads, read = EventCache(db), [], events_store.find_events

    def slowly(db, event_ids):
        reads.append(event_ids)
        time.sleep(0.1)
        return read(db, event_ids)

    monkeypatch.setattr(events_store, "find_events", slowly)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: cache.get_event(1).event_id, range(16)))
    assert (found, len(reads)) == ([1] * 16, 1)


def test_image_urls_start_with_the_host_of_the_request(client, organizer, db):
    make_event(db, image="/images/one.webp")
    for host in ("a.example", "b.example:8080"):
        answer = client.get("/api/events/1", headers={"Host": host}).json
        assert answer["image"] == f"http://{host}/images/one.webp"
        listed = client.get("/api/events", headers={"Host": host}).json["events"][0]
        assert listed["image"] == answer["image"]


def test_rendered_parts_make_the_same_answer_as_the_whole(client, organizer, db, app):
    """An attendee's answer is put together from rendered parts; an organizer's is not."""
    make_event(db, schedule=[{"date": day(3), "location": 'A "quoted" \\ place', "lat": 1.0}])
    whole = client.get("/api/events/1", headers=organizer["headers"]).json
    assert client.get("/api/events/1").json == whole
    whole_list = client.get("/api/events", headers=organizer["headers"]).json
    assert client.get("/api/events").json == whole_list
