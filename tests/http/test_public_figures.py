"""What the public sees of an event with quotas: the most that one date still offers."""

from datetime import timedelta

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.database import ServerClock
from eventapp.events import editing, live_states, quota_editing
from eventapp.events.alerts import alert_low_tickets
from eventapp.jobs.service import NEVER_RUN
from tests.bookings_factories import context_of, event_of, later, types
from tests.factories import day
from tests.store.test_migration import make_old_event
from tests.streaming import ClientStream

HOUR = timedelta(hours=1)
FRIDAY, SATURDAY = 1, 2


def add_quota(db, app, event_id, capacity, **lists):
    """Add a quota as the organizer does."""
    editing.edit_event(
        db,
        event_id,
        quota_editing.make_quota_addition({"name": "Q", "capacity": capacity, **lists}),
        event_changes=context_of(app).event_changes,
        actor=Actor(role="admin"),
        now=utc_now(),
        image_base_url="",
    )


def make_dated(db, host, *quantities, **changes):
    """Return the id of an event on two days."""
    schedule = [{"date": day(n), "location": "Volos"} for n in (30, 31)]
    return event_of(
        db, ticketTypes=types(*quantities), schedule=schedule, organizer_id=host.id, **changes
    )


def find_shown(caller, event_id):
    """Return what each answer with events shows: the available tickets of the types, `soldOut`."""
    caller.call("POST", "/favorites", {"eventId": event_id})
    paths = ("/events", "/events?search=sample", "/events?minPrice=1", "/events/popular")
    shown = {path: caller.get(path).json["events"][0] for path in (*paths, "/favorites")}
    shown["show"] = caller.get(f"/events/{event_id}").json
    shown["recoms"] = caller.call("POST", "/recoms", ["other"]).json[0]
    return {name: read_figures(each) for name, each in shown.items()}


def read_figures(event):
    figures = tuple(each["availableTickets"] for each in event["ticketTypes"])
    return figures, event["soldOut"]


def read_states(caller, event_id):
    return [each["saleState"] for each in caller.get(f"/events/{event_id}").json["ticketTypes"]]


@pytest.mark.parametrize(
    ("rows", "figures"),
    [
        ([(4, {})], (4, 4)),
        ([(9, {})], (9, 5)),
        ([(0, {})], (0, 0)),
        ([(4, {"scheduleIds": [FRIDAY]})], (10, 5)),
        ([(4, {"scheduleIds": [FRIDAY]}), (3, {"scheduleIds": [SATURDAY]})], (4, 4)),
        ([(2, {"ticketTypeIds": [2]})], (10, 2)),
        ([(2, {"ticketTypeIds": [1], "scheduleIds": [FRIDAY]}), (6, {})], (6, 5)),
    ],
)
def test_every_answer_shows_the_most_that_one_date_offers(
    db, app, ann, host, root, client, rows, figures
):
    event_id = make_dated(db, host, 10, 5)
    for capacity, lists in rows:
        add_quota(db, app, event_id, capacity, **lists)
    expected = (figures, not any(figures))
    assert set(find_shown(ann, event_id).values()) == {expected}
    assert read_figures(client.get("/android/api/events").json[0]) == expected
    listed = ann.get(f"/events/{event_id}/ticket-types").json["ticketTypes"]
    assert tuple(each["availableTickets"] for each in listed) == figures
    assert read_states(ann, event_id) == ["on_sale" if n else "sold_out" for n in figures]
    live = live_states.find_live_states(db, [event_id], utc_now())[event_id].availability
    assert read_figures(live) == expected
    for organizer in (host, root):
        shown = find_shown(organizer, event_id)
        assert set(shown.values()) == {((10, 5), not any(figures))}
        assert read_states(organizer, event_id) == read_states(ann, event_id)


def test_a_patch_sets_the_stored_figure(db, app, host, ann):
    event_id = make_dated(db, host, 10)
    add_quota(db, app, event_id, 4)
    patched = host.call("PATCH", f"/events/{event_id}/ticket-types/1", {"availableTickets": 7})
    assert patched.json["ticketTypes"][0]["availableTickets"] == 7
    assert find_shown(ann, event_id)["show"] == ((4,), False)
    host.call("PATCH", f"/events/{event_id}/ticket-types/1", {"availableTickets": 3})
    assert find_shown(ann, event_id)["show"] == ((3,), False)


def test_a_list_follows_a_quota_that_empties_and_gets_places_back(db, app, host, ann, bob):
    event_id = make_dated(db, host, 10)
    add_quota(db, app, event_id, 2)
    lists = (
        "/events?availableOnly=true",
        "/events?onSale=true",
        "/events?availableOnly=true&minPrice=1&search=sample",
    )

    def count_listed():
        return [bob.get(path).json["total"] for path in lists]

    assert count_listed() == [1, 1, 1]
    booking = ann.book(event_id, 2)
    assert (count_listed(), find_shown(bob, event_id)["/events"]) == ([0, 0, 0], ((0,), True))
    ann.cancel(booking)
    assert (count_listed(), find_shown(bob, event_id)["/events"]) == ([1, 1, 1], ((2,), False))


def test_a_change_by_another_process_shows_too(db, app, host, ann):
    event_id = make_dated(db, host, 10)
    add_quota(db, app, event_id, 2)
    assert find_shown(ann, event_id)["/events"] == ((2,), False)
    assert ann.get("/events?availableOnly=true").json["total"] == 1
    change = {"$set": {"quotas.0.availableTickets": 0}, "$inc": {"rev": 1}}
    db.events.update_one({}, {**change, "$currentDate": {"changedAt": True}})
    stop = later(seconds=5)
    while ann.get("/events?availableOnly=true").json["total"] and utc_now() < stop:
        pass
    assert ann.get("/events?availableOnly=true").json["total"] == 0
    assert find_shown(ann, event_id)["show"] == ((0,), True)


class DatabaseTime:
    """The clock of the database, which is `ahead` of the real time."""

    def __init__(self):
        self.ahead = timedelta(0)


@pytest.fixture
def time(monkeypatch):
    clock = DatabaseTime()
    monkeypatch.setattr(ServerClock, "correct", lambda _self, moment: moment + clock.ahead)
    return clock


def set_ends(db, event_id, *ends):
    fields = {f"schedule.{index}.overAt": end for index, end in enumerate(ends)}
    db.events.update_one({"eventId": event_id}, {"$set": {**fields, "overAt": max(ends)}})


def test_the_end_of_a_date_changes_cached_answers_though_nothing_was_written(
    db, app, host, client, time
):
    event_id = make_dated(db, host, 10)
    add_quota(db, app, event_id, 0, scheduleIds=[SATURDAY])
    set_ends(db, event_id, utc_now() + HOUR, utc_now() + 2 * HOUR)
    path = f"/api/events/{event_id}"
    lists = ("/api/events?availableOnly=true", "/api/events?onSale=true")
    # Lists know the time in whole seconds.
    for ahead, figure in ((timedelta(0), 10), (HOUR + timedelta(seconds=1), 0)):
        time.ahead = ahead
        for _ in range(3):
            shown = client.get(path).json
            assert read_figures(shown) == ((figure,), not figure)
            assert read_figures(client.get("/api/events").json["events"][0]) == read_figures(shown)
            totals = [client.get(each).json["total"] for each in lists]
            assert totals == [int(figure > 0)] * 2


def test_a_stream_tells_of_the_end_of_a_date_though_nothing_was_written(
    db, app, host, client, time
):
    event_id = make_dated(db, host, 10)
    add_quota(db, app, event_id, 3, scheduleIds=[SATURDAY])
    set_ends(db, event_id, utc_now() + HOUR, utc_now() + 2 * HOUR)
    path = f"/api/events/{event_id}/stream"
    with ClientStream(client, path) as stream, ClientStream(client, path) as other:
        assert read_figures(stream.next().data) == ((10,), False)
        last = other.next().id
        time.ahead = HOUR
        assert read_figures(stream.next().data) == ((3,), False)
    with ClientStream(client, path, last) as stream:  # which was away meanwhile
        assert read_figures(stream.next().data) == ((3,), False)
        time.ahead = 2 * HOUR
        assert read_figures(stream.next().data) == ((0,), True)


def test_an_etag_of_one_caller_says_nothing_about_the_answer_of_another(db, app, host, client):
    event_id = make_dated(db, host, 10)
    add_quota(db, app, event_id, 4)
    path = f"/api/events/{event_id}"
    public, own = client.get(path), client.get(path, headers=host.headers)
    assert public.headers["ETag"] != own.headers["ETag"]
    assert "public" not in own.headers["Cache-Control"]
    again = client.get(path, headers={**host.headers, "If-None-Match": public.headers["ETag"]})
    assert again.status_code == 200
    again = client.get(path, headers={"If-None-Match": own.headers["ETag"]})
    assert again.status_code == 200
    for query in ("", "?availableOnly=true"):
        answers = [client.get(f"/api/events{query}", headers=h) for h in ({}, host.headers)]
        figures = [read_figures(each.json["events"][0]) for each in answers]
        assert figures == [((4,), False), ((10,), False)]


@pytest.mark.parametrize(
    ("rows", "quantity"),
    [
        ([(9, {})], 9),
        ([(9, {"scheduleIds": [FRIDAY]}), (4, {"scheduleIds": [SATURDAY]})], 9),
        # Two types share four places.
        ([(4, {"ticketTypeIds": [1, 2]})], 4),
        ([(6, {"ticketTypeIds": [1]}), (3, {"ticketTypeIds": [2]})], 9),
        ([(11, {})], None),
        ([(0, {})], None),
    ],
)
def test_an_alert_of_few_tickets_counts_what_one_date_offers(db, app, host, ann, rows, quantity):
    event_id = make_dated(db, host, 100, 100)
    for capacity, lists in rows:
        add_quota(db, app, event_id, capacity, **lists)
    ann.call("POST", "/favorites", {"eventId": event_id})
    written = alert_low_tickets(db, "https://x.example", NEVER_RUN, later())
    told = [each["data"]["quantity"] for each in db.notifications.find({"kind": "low_tickets"})]
    assert (written, told) == ((0, []) if quantity is None else (1, [quantity]))


def test_no_alert_of_few_tickets_of_an_event_that_is_not_migrated_yet(db, ann):
    event_id = make_old_event(db, ticketTypes=types(100))
    db.events.update_one({}, {"$set": {"ticketTypes.0.availableTickets": 2, "available": 2}})
    ann.call("POST", "/favorites", {"eventId": event_id})
    assert alert_low_tickets(db, "https://x.example", NEVER_RUN, later()) == 0
    assert db.failedWork.count_documents({}) == 0
