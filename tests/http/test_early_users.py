"""An answer before Flask to an attendee equals that of Flask, and nobody else gets one."""

from datetime import timedelta

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from eventapp.accounts import store_sessions
from eventapp.core.access import rate_limits, tokens
from eventapp.core.clock import utc_now
from eventapp.core.http.app_context import CONFIG
from eventapp.core.http.database_doubt import DATABASE_DOUBT
from eventapp.core.http.early_answers import EARLY_ANSWERS
from eventapp.favorites import store as favorites_store
from tests.api_tokens import store_token
from tests.booking_links import LinkCaller
from tests.bookings_factories import Caller, event_of
from tests.early_answers import EVENT, LIST, SETTINGS, check, prepare, send
from tests.factories import bearer, make_user
from tests.http.test_early_answers import EARLY_PATHS, HEADERS, OTHER_PATHS, OTHER_SETTINGS
from tests.teams import add_member

PATHS = [path for path in EARLY_PATHS if path.startswith(LIST)]
FAVORITED = b'"favorited":true'


@pytest.fixture
def reads(monkeypatch):
    """The number of sessions in each read of sessions."""
    counts, find = [], store_sessions.find_active_many

    def find_and_count(db, keys, now):
        counts.append(len(keys))
        return find(db, keys, now)

    monkeypatch.setattr(store_sessions, "find_active_many", find_and_count)
    return counts


@pytest.mark.parametrize("path", PATHS)
def test_these_paths_are_answered_early_and_as_by_flask(ask_both, early, attendee, path):
    for method in ("GET", "HEAD"):
        answer = check(ask_both, path, headers=attendee["headers"], method=method)
        assert answer["status"] == "200 OK"
        assert early[-1] == "database"


def test_other_paths_methods_and_headers_are_as_by_flask(ask_both, attendee):
    for path in (*OTHER_PATHS, "/healthz"):
        check(ask_both, path, headers=attendee["headers"])
    for method in ("HEAD", "OPTIONS", "POST", "PUT", "DELETE"):
        for path in (EVENT, LIST):
            check(ask_both, path, method=method, headers=attendee["headers"])
    for headers in HEADERS:
        for path in (EVENT, LIST):
            check(ask_both, path, headers=attendee["headers"] | headers)


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_all_is_as_by_flask_under_other_settings(make_app, capsys, monkeypatch, name, early):
    app = make_app(**{**SETTINGS, **OTHER_SETTINGS[name]})
    ask_both, headers = prepare(app, capsys, monkeypatch), make_user(app)["headers"]
    for path in (EVENT, *PATHS, *OTHER_PATHS):
        check(ask_both, path, headers=headers)
    for scheme in ("http", "https"):
        check(ask_both, EVENT, base_url=f"{scheme}://localhost", headers=headers)
        assert early[-1] == "database"
    for others in HEADERS:
        check(ask_both, EVENT, headers=headers | others)


def test_attendees_see_their_own_favorites(ask_both, db, app, early):
    ann, bob = make_user(app), make_user(app)
    for user, event_id in ((ann, 1), (bob, 2)):
        favorites_store.add(db, f"user:{user['id']}", event_id, limit=9, now=utc_now())
    for user, count in ((ann, 1), (bob, 0), (ann, 1)):
        assert check(ask_both, EVENT, headers=user["headers"])["body"].count(FAVORITED) == count
        assert check(ask_both, LIST, headers=user["headers"])["body"].count(FAVORITED) == 1
        assert early[-1] == "database"
    assert FAVORITED not in check(ask_both, LIST)["body"]


def test_attendees_see_at_once_what_they_wrote(ask_both, client, attendee, early):
    check(ask_both, EVENT, headers=attendee["headers"])
    assert early[-1] == "database"
    written = client.post("/api/favorites", json={"eventId": 1}, headers=attendee["headers"])
    assert written.status_code in (200, 201)
    assert FAVORITED in check(ask_both, EVENT, headers=attendee["headers"])["body"]
    assert early[-1] == "database"


def test_the_session_is_read_once_whoever_answers(app, ask_both, reads, early, attendee, organizer):
    for user, way in ((attendee, "database"), (organizer, None)):
        check(ask_both, EVENT, headers=user["headers"])
        del reads[:]
        assert send(app, EVENT, headers=user["headers"])[1] == "200 OK"
        assert (early[-1], reads) == (way, [1])


def test_only_attendees_without_a_team_are_answered_early(app, client, db, ask_both, early):
    host, member = Caller(client, app, "organizer"), Caller(client, app)
    add_member(db, host, member, "viewer")
    refreshed, holder = make_user(app), Caller(client, app)
    db.sessions.update_one({"userId": refreshed["id"]}, {"$set": {"previousId": "r", "gen": 1}})
    link = LinkCaller(client, app, holder.book(event_of(db, 5)))
    expired = make_user(app)
    callers = {
        "organizer": host.headers,
        "admin": Caller(client, app, "admin").headers,
        "member": member.headers,
        "refreshed": refreshed["headers"],
        "API token": bearer(store_token(db, holder)[0]),
        "link": link.headers,
        "no token": {"Authorization": "Bearer null"},
        "no bearer": {"Authorization": "Basic YTpi"},
        "forged": bearer("x" + expired["headers"]["Authorization"][8:]),
    }
    for name, headers in callers.items():
        for path in (EVENT, LIST):
            check(ask_both, path, headers=headers)
            assert early[-1] is None, name


def test_tokens_that_ended_are_refused_at_once(app, db, ask_both, early, monkeypatch):
    """Neither the token nor what its user saw is trusted longer than by Flask."""
    ended, expired = make_user(app), make_user(app)
    for user in (ended, expired):
        check(ask_both, EVENT, headers=user["headers"])
        assert early[-1] == "database"
    db.sessions.delete_one({"userId": ended["id"]})
    assert b"token_revoked" in check(ask_both, EVENT, headers=ended["headers"])["body"]
    assert early[-1] is None
    late = utc_now() + timedelta(days=2)
    monkeypatch.setattr(tokens, "utc_now", lambda: late)
    assert b"token_expired" in check(ask_both, EVENT, headers=expired["headers"])["body"]
    assert early[-1] is None


def test_refresh_tokens_are_refused(app, ask_both, attendee, early, db):
    with app.app_context():
        session = db.sessions.find_one({"userId": attendee["id"]})
        token = tokens.create_refresh_token(attendee["id"], session["_id"], "r")
        tokens.verify_token(token, "refresh")
    assert check(ask_both, EVENT, headers=bearer(token))["status"] == "401 UNAUTHORIZED"
    assert early[-1] is None


def test_a_request_counts_once_towards_the_limit_of_its_user(make_app, capsys, monkeypatch, early):
    app = make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="20")
    prepare(app, capsys, monkeypatch)
    rate_limits.RATE_LIMITER.set(app, rate_limits.RateLimiter(CONFIG.get(app)))
    user, organizer = make_user(app), make_user(app, "organizer")
    for each in (user, organizer):
        answers = [send(app, LIST, headers=each["headers"]) for _ in range(22)]
        remaining = [dict(headers)["RateLimit-Remaining"] for _, _, headers in answers]
        assert remaining == [*map(str, range(19, -1, -1)), "0", "0"]
        assert [status[:3] for _, status, _ in answers] == ["200"] * 20 + ["429"] * 2
        assert ("database" in early) == (each is user)
        del early[:]
    assert send(app, LIST)[1] == "200 OK"


def test_a_database_that_fails_is_answered_by_flask(app, ask_both, attendee, monkeypatch, early):
    check(ask_both, EVENT, headers=attendee["headers"])
    monkeypatch.setattr(DATABASE_DOUBT.get(app), "_failed_at", float("-inf"))

    def fail(*_):
        raise ServerSelectionTimeoutError("the database was asked")

    monkeypatch.setattr(store_sessions, "find_active_many", fail)
    assert send(app, EVENT, headers=attendee["headers"])[1] == "503 SERVICE UNAVAILABLE"
    assert early[-1] is None
    assert DATABASE_DOUBT.get(app).exists()
    assert send(app, EVENT)[1] == "200 OK"


def test_the_use_of_a_session_is_recorded(app, db, ask_both, attendee, early):
    check(ask_both, EVENT, headers=attendee["headers"])
    long_ago = utc_now() - timedelta(days=1)
    db.sessions.update_one({"userId": attendee["id"]}, {"$set": {"lastUsedAt": long_ago}})
    send(app, EVENT, headers=attendee["headers"])
    assert early[-1] == "database"
    assert db.sessions.find_one({"userId": attendee["id"]})["lastUsedAt"] > long_ago


def test_answers_to_users_take_a_permit(ask_both, app, attendee, monkeypatch):
    """They wait for the database, so a server limits how many are made at once."""
    check(ask_both, EVENT, headers=attendee["headers"])
    monkeypatch.setattr(EARLY_ANSWERS.get(app), "handle", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        send(app, EVENT, headers=attendee["headers"])
