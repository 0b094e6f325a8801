"""Every command that a request about events sends finds its documents by an index."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from bson import ObjectId

from eventapp.core.database import OPEN_DATABASE
from eventapp.events import (
    event_log,
    facet_counts,
    log_lists,
    public_changes,
    public_lists,
    service,
    store,
    store_changes,
    store_log,
    timekeeping,
)
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.index.live_index import LiveIndex
from tests import factories
from tests.bookings_factories import Caller
from tests.conftest import MONGO_URI
from tests.plans import (
    CommandRecorder,
    is_scan,
    plan_of,
    record_commands,
    scans_whole_collection,
    wait_for_plan,
)
from tests.teams import add_member

pytestmark = pytest.mark.skipif(
    not MONGO_URI, reason="the embedded store has no plans to show; set MONGO_URI"
)
EVENTS = 300
COLLECTIONS = ("events", "favorites")
CATEGORIES = ["concert", "movie", "other", "sports"]


@pytest.fixture(scope="module")
def recorded(make_app: Any) -> Any:
    """Return an application with 300 events whose commands are recorded."""
    recorder = CommandRecorder()
    with record_commands(recorder):
        app = make_app()
    db = OPEN_DATABASE.get(app).db
    person = factories.make_user(app, "organizer")
    fill(db, person["id"])
    return app, recorder, db, person["headers"]


def fill(db: Any, organizer_id: Any) -> None:
    days = [date.fromisoformat(factories.day(offset)) for offset in range(-20, 70)]
    for number in range(1, EVENTS + 1):
        body = factories.event_body(
            title=f"Title {number % 97}",
            category=CATEGORIES[number % 4],
            tags=[f"t{number % 50}"],
            schedule=[
                {
                    "date": days[number % 90],
                    "location": f"City {number % 40}",
                    "lat": number % 60 - 30,
                    "lng": number % 300 - 150,
                }
            ],
            ticketTypes=[{"type": "A", "price": number % 60, "availableTickets": number % 7}],
        )
        event = service.make_new_event(body, organizer_id=organizer_id, now=factories.utc_now())
        db.events.insert_one({**event, "eventId": number})
    # A planner may read an empty collection without its index.
    db.memberships.insert_many(
        [{"organizerId": ObjectId(), "userId": ObjectId()} for _ in range(500)]
    )
    store.advance_event_id_counter(db)


def commands_of(recorded: Any, method: str, path: str, body: Any = None) -> list[dict[str, Any]]:
    app, recorder, _db, headers = recorded
    EVENT_CACHE.get(app).reset()
    recorder.commands.clear()
    answer = app.test_client().open(path, method=method, json=body, headers=headers)
    assert answer.status_code < 300, answer.json
    commands = list(recorder.commands)
    assert any(next(iter(command.values())) in COLLECTIONS for command in commands)
    return commands


def assert_indexed(recorded: Any, commands: list[dict[str, Any]]) -> None:
    for command in commands:
        # Once the engine has collected statistics, it reads this whole: it has a row for each event
        # that was deleted lately, and the engine takes a third of them to be newer than any time.
        if command.get("find") != "goneEvents":
            assert not scans_whole_collection(recorded[2], command), command


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["eventId", "title", "date", "price", "popularity"])
def test_each_order_uses_an_index_on_the_first_page_and_beyond(recorded, sort, order):
    path = f"/api/events?sortBy={sort}&order={order}&limit=5"
    assert_indexed(recorded, commands_of(recorded, "GET", f"{path}&page=3"))
    first = recorded[0].test_client().get(path).json
    assert_indexed(
        recorded, commands_of(recorded, "GET", f"/api/events?cursor={first['nextCursor']}")
    )


@pytest.mark.parametrize(
    "query",
    [
        "",
        "category=movie",
        "city=city%203",
        "city=3",
        "tags=t5",
        "tags=t5,t6",
        "search=title",
        "search=title&category=movie&city=city",
        "minPrice=10&maxPrice=20",
        "availableOnly=true",
        "dateFrom={soon}&dateTo={later}",
        "organizerId={someone}",
        "upcoming=false",
        "upcoming=false&sortBy=title",
        "upcoming=false&category=movie&search=title",
        "upcoming=false&search=titl",
        "upcoming=false&search=%22title 3%22 -movie",
        # These are corrected.
        "search=tilte",
        "upcoming=false&search=tilte",
        "mine=true&search=tilte",
        "mine=true",
        "mine=true&upcoming=false&sortBy=date",
        "near=5,5",
        "near=5,5&city=city&dateFrom={soon}",
        "near=5,5&radius=500&upcoming=false",
        "near=5,5&upcoming=false&sortBy=title",
        "near=5,5&mine=true&upcoming=false",
        "bbox=0,0,9,9",
        "bbox=0,0,9,9&upcoming=false",
        "bbox=175,-9,-175,9&upcoming=false&sortBy=date",
        "bbox=-180,-90,180,90&upcoming=false",
    ],
)
def test_each_filter_uses_an_index(recorded, query):
    days = {"soon": factories.day(3), "later": factories.day(9), "someone": "0" * 24}
    path = "/api/events?" + query.format(**days)
    assert_indexed(recorded, commands_of(recorded, "GET", path))


@pytest.mark.parametrize("query", ["upcoming=false", "mine=true&search=title"])
def test_the_counts_of_facets_use_indexes(recorded, monkeypatch, query):
    monkeypatch.setattr(facet_counts, "MAX_READ", 0)
    monkeypatch.setattr(facet_counts, "MAX_COUNT_SECONDS", 1000)
    facets = "category,city,tags,month,price"
    commands = commands_of(recorded, "GET", f"/api/events?facets={facets}&{query}")
    assert len(commands) > 20
    assert_indexed(recorded, commands)


@pytest.mark.parametrize("answered_by", ["index", "database"])
def test_suggestions_use_indexes(recorded, monkeypatch, answered_by):
    if answered_by == "database":
        monkeypatch.setattr(LiveIndex, "suggest", lambda *_: None)
    assert_indexed(recorded, commands_of(recorded, "GET", "/api/events/suggest?q=title"))


@pytest.mark.parametrize("query", ["near=5,5", "near=5,5&radius=500", "bbox=0,0,9,9"])
def test_positions_are_found_by_their_index(recorded, query):
    commands = commands_of(recorded, "GET", f"/api/events?upcoming=false&{query}")
    # Events that were measured are read by their eventIds.
    found = [each for each in commands if "$geoWithin" in str(each) and "$in" not in str(each)]
    assert found
    for command in found:
        plan = wait_for_plan(partial(plan_of, recorded[2], command), lacks_position_index)
        assert "points" in str(plan), command


def lacks_position_index(plan):
    return "points" not in str(plan)


@pytest.mark.parametrize("sort", ["eventId", "title", "date", "price"])
@pytest.mark.parametrize("upcoming", ["true", "false"])
def test_the_list_of_the_events_of_teams_uses_an_index(recorded, sort, upcoming):
    app, recorder, db, _headers = recorded
    member = Caller(app.test_client(), app)
    others = [Caller(app.test_client(), app, "organizer") for _ in range(3)]
    for organizer in others:
        factories.make_event(db, organizer_id=organizer.id)
    add_member(db, others[0], member, "viewer")
    add_member(db, others[1], member, "manager", [1, 301, 302, 303])
    add_member(db, others[2], member, "door")
    path = f"/api/events?mine=true&limit=2&sortBy={sort}&upcoming={upcoming}"
    commands = commands_of((app, recorder, db, member.headers), "GET", path)
    assert_indexed(recorded, commands)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/events/popular", None),
        ("GET", "/api/events/5", None),
        ("GET", "/api/favorites", None),
        ("POST", "/api/favorites", {"eventId": 5}),
        ("DELETE", "/api/favorites/5", None),
        ("POST", "/api/recoms", ["movie", "sports"]),
        ("POST", "/api/recoms", []),
        ("GET", "/android/api/events", None),
        ("GET", "/android/api/favorites", None),
        ("PATCH", "/api/events/5/ticketTypes/0", {"price": 4}),
        ("PATCH", "/api/events/5/schedule/0", {"location": "X"}),
        ("POST", "/api/events", factories.event_body(schedule=factories.FAR_SCHEDULE)),
        ("PUT", "/api/events/6", factories.event_body(schedule=factories.FAR_SCHEDULE)),
        ("DELETE", "/api/events/7", None),
    ],
)
def test_each_other_request_uses_an_index(recorded, method, path, body):
    assert_indexed(recorded, commands_of(recorded, method, path, body))


def test_a_missing_event_is_looked_up_by_an_index(recorded):
    app, recorder, _db, _headers = recorded
    EVENT_CACHE.get(app).reset()
    recorder.commands.clear()
    assert app.test_client().get("/api/events/999999").status_code == 404
    assert_indexed(recorded, list(recorder.commands))


@pytest.mark.parametrize("path", ["", "/events?limit=3"])
def test_the_page_of_an_organizer_uses_indexes(recorded, path):
    organizer_id = recorded[2].events.find_one({"eventId": 1})["organizerId"]
    commands = commands_of(recorded, "GET", f"/api/organizers/{organizer_id}{path}")
    assert_indexed(recorded, commands)
    public = [each for each in commands if "'public': True" in str(each)]
    assert public
    for command in public:
        assert "organizer_public" in str(plan_of(recorded[2], command)), command


def test_the_sitemap_is_read_by_indexes(recorded):
    _, recorder, db, _ = recorded
    recorder.commands.clear()
    assert public_lists.find_public_ranges(db, 50)
    assert public_lists.list_public_range(db, 1, 50)
    assert_indexed(recorded, list(recorder.commands))


def test_the_favorites_are_read_by_an_index(recorded):
    for number in (8, 9):
        commands_of(recorded, "POST", "/api/favorites", {"eventId": number})
    assert_indexed(recorded, commands_of(recorded, "GET", "/api/favorites"))


@pytest.mark.parametrize("equal_times", [False, True])
def test_the_changes_of_public_events_are_read_by_their_indexes(recorded, equal_times):
    app, _recorder, db, _headers = recorded
    if equal_times:
        db.events.update_many({}, {"$currentDate": {"changedAt": True}})
    first = commands_of(recorded, "GET", "/api/events/changes?limit=5")
    assert any("public_eventId" in str(each) for each in first)
    position = public_changes.FeedPosition(
        store_changes.ChangeKey(datetime.now(UTC) - timedelta(days=1), int(equal_times))
    )
    cursor = public_changes.render_position(position)
    commands = [*first, *commands_of(recorded, "GET", f"/api/events/changes?cursor={cursor}")]
    next_cursor = app.test_client().get(f"/api/events/changes?cursor={cursor}&limit=5").json
    commands += commands_of(
        recorded, "GET", f"/api/events/changes?limit=5&cursor={next_cursor['nextCursor']}"
    )
    assert sum("publicUntil" in str(each["filter"]) for each in commands) >= 2
    assert_indexed(recorded, commands)


def test_the_start_of_a_day_uses_indexes(recorded):
    _app, recorder, db, _headers = recorded
    recorder.commands.clear()
    timekeeping.start_day(db, date.fromisoformat(factories.day(3)))
    assert_indexed(recorded, list(recorder.commands))


def test_what_a_bulk_load_has_left_is_found_by_an_index(recorded):
    _app, recorder, db, _headers = recorded
    recorder.commands.clear()
    store_changes.set_missing_times(db)
    assert_indexed(recorded, list(recorder.commands))


def test_the_completion_of_past_events_uses_an_index(recorded):
    _app, recorder, db, _headers = recorded
    recorder.commands.clear()
    # Long ago, no event was over, so none is completed for the other tests.
    assert timekeeping.complete_past_events(db, datetime(2000, 1, 1, tzinfo=UTC)) == 0
    found = [each for each in recorder.commands if each.get("find") == "events"]
    assert len(found) == 1
    assert_indexed(recorded, found)


def test_the_log_is_read_by_indexes(recorded):
    app, recorder, db, headers = recorded
    user_id, now = ObjectId(), factories.utc_now()
    entry = {"at": now, "via": "session", "action": "edited", "changes": []}
    db.eventLog.insert_many(
        [{**entry, "eventId": 1 + n % 50, "userId": ObjectId()} for n in range(EVENTS)]
    )
    recorder.commands.clear()
    first = app.test_client().get("/api/events/5/log?limit=2", headers=headers).json
    app.test_client().get(f"/api/events/5/log?cursor={first['nextCursor']}", headers=headers)
    log_lists.export_user(db, user_id)
    event_log.forget_user(db, user_id)
    store_log.delete_of_event(db, 49)
    in_log = [each for each in recorder.commands if "eventLog" in each.values()]
    assert len(in_log) >= 5
    assert_indexed(recorded, in_log)


def test_the_worker_finds_entries_to_move_by_an_index(recorded):
    """The index holds no other events, so the engine shows no condition for it."""
    _app, recorder, db, _headers = recorded
    recorder.commands.clear()
    assert event_log.move_due_entries(db, factories.utc_now()) == 0
    (found,) = [each for each in recorder.commands if each.get("find") == "events"]
    assert "log_due" in str(wait_for_plan(lambda: plan_of(db, found), lacks_log_index))


def lacks_log_index(plan):
    return "log_due" not in str(plan)


@pytest.mark.parametrize("where", [{"description": "x"}, {}, {"ticketTypes.price": 5}])
def test_the_control_sees_a_scan(recorded, where):
    """The control: the same check sees a scan where there is one, without waiting for it."""
    assert is_scan(plan_of(recorded[2], {"find": "events", "filter": where}))
