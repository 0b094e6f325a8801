"""Queries on accounts, sessions and failed attempts return the right rows and use an index."""

import os
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from eventapp import prepare_database
from eventapp.accounts import editing, service, store, store_attempts, store_sessions
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from tests.plans import has_collscan, wait_for_plan

MONGO_URI = os.environ.get("MONGO_URI")
NOW = utc_now()
QUERIES = ("find", "findAndModify", "update", "delete", "aggregate", "count")


def register(db, number, **changes):
    fields = {"name": f"Person {number}", "email": f"p{number}@example.org", **changes}
    return service.register(db, **fields, password="correct horse", now=NOW, bcrypt_rounds=4)


def session(user_id, **changes):
    return {
        "_id": ObjectId(),
        "userId": user_id,
        "role": "attendee",
        "refreshId": "r1",
        "gen": 0,
        "createdAt": NOW,
        "expiresAt": NOW + timedelta(days=1),
        **changes,
    }


def test_accounts_share_a_name_but_not_an_email(db):
    first = register(db, 1, name="Ann")
    second = register(db, 2, name="ANN")
    assert (first["loginName"], second.get("loginName")) == ("ann", None)
    assert not store.insert(db, {"_id": ObjectId(), "emailKey": first["emailKey"]})
    assert store.find_by_login_name(db, "ann")["_id"] == first["_id"]


def test_renaming_an_account_claims_a_free_login_name(db):
    first, second = register(db, 1, name="Ann"), register(db, 2, name="Ann")
    editing.update_user(db, first["_id"], {"name": "Bob"}, now=NOW)
    assert store.find_by_login_name(db, "ann") is None
    editing.update_user(db, second["_id"], {"name": "Ann"}, now=NOW)
    assert store.find_by_login_name(db, "ann")["_id"] == second["_id"]


def test_active_sessions_are_found_by_many_ids(db):
    user_id = ObjectId()
    active, expired = session(user_id), session(user_id, expiresAt=NOW - timedelta(seconds=1))
    for each in (active, expired):
        store_sessions.insert(db, each)
    asked = dict.fromkeys((active["_id"], expired["_id"], ObjectId()), user_id)
    found = store_sessions.find_active_many(db, asked, NOW)
    assert found == {
        active["_id"]: {"_id": active["_id"], "userId": user_id, "role": "attendee", "gen": 0}
    }
    assert store_sessions.find_active(db, active["_id"], NOW) == found[active["_id"]]
    assert store_sessions.find_active(db, expired["_id"], NOW) is None


def test_a_refresh_token_is_replaced_once(db):
    kept = session(ObjectId())
    store_sessions.insert(db, kept)
    ends = NOW + timedelta(days=30)
    rotated = store_sessions.rotate(db, kept["_id"], "r1", "r2", now=NOW, expires_at=ends)
    assert (rotated["refreshId"], rotated["previousId"], rotated["gen"]) == ("r2", "r1", 1)
    assert store_sessions.rotate(db, kept["_id"], "r1", "r3", now=NOW, expires_at=ends) is None
    store_sessions.forget_previous_token(db, kept["_id"], 0)
    assert store_sessions.find_active(db, kept["_id"], NOW)["previousId"] == "r1"
    store_sessions.forget_previous_token(db, kept["_id"], 1)
    assert "previousId" not in store_sessions.find_active(db, kept["_id"], NOW)


def test_the_database_deletes_expired_sessions_and_records(db):
    for name in ("sessions", "loginMarks"):
        indexes = db[name].index_information()
        assert indexes["expiresAt"]["expireAfterSeconds"] == 0


def test_indexes_can_be_created_twice(db):
    before = db.users.index_information()
    prepare_database(db)
    assert db.users.index_information() == before


class Recorder(CommandListener):
    """Records the queries that a client sends."""

    def __init__(self):
        self.queries = []

    def started(self, event):
        if event.command_name in QUERIES:
            self.queries.append({**event.command, "$db": event.database_name})

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


@pytest.fixture(scope="module")
def recorded(make_app):
    """A database with 2,000 rows a collection, through a client that records its queries.

    It is filled once, because the statistics that the server plans by lag behind a refill.
    """
    if not MONGO_URI:
        pytest.skip("the embedded store has no plans: set MONGO_URI")
    db = OPEN_DATABASE.get(make_app()).db
    db.users.insert_many(
        {
            "name": f"Person {n}",
            "nameKey": f"person {n}",
            "loginName": f"person {n}",
            "email": f"p{n}@example.org",
            "emailKey": f"p{n}@example.org",
            "passwordHash": "!",
            "role": "admin" if n % 100 == 0 else "attendee",
        }
        for n in range(2000)
    )
    db.sessions.insert_many(session(ObjectId()) for _ in range(2000))
    db.loginMarks.insert_many({"_id": f"record {n}", "expiresAt": NOW} for n in range(2000))
    recorder = Recorder()
    uri = urlunsplit(urlsplit(MONGO_URI)._replace(path=f"/{db.name}"))
    with MongoClient(uri, tz_aware=True, event_listeners=[recorder]) as client:
        yield client[db.name], recorder


USER = {"_id": ObjectId(), "role": "attendee", "passwordHash": "!"}
CALLS = {
    "find": lambda db: store.find(db, USER["_id"]),
    "find_by_email": lambda db: store.find_by_email(db, ["p7@example.org", "p8@example.org"]),
    "find_by_login_name": lambda db: store.find_by_login_name(db, "person 7"),
    "replace_password": lambda db: store.replace_password(db, USER, "hash", utc_now()),
    "update": lambda db: store.update(db, USER["_id"], {"about": "x"}),
    "set_role": lambda db: store.set_role(db, USER["_id"], "admin", NOW),
    "count_with_role": lambda db: store.count_with_role(db, "admin", 2),
    "delete": lambda db: store.delete(db, USER["_id"]),
    "count_all_of_a_role": lambda db: store.count(db, search="", role="admin", limit=10),
    "count_search": lambda db: store.count(db, search="son 77", role=None, limit=10),
    "find_page": lambda db: store.find_page(
        db, search="", role=None, older_than=None, skip=0, limit=20
    ),
    "find_page_before": lambda db: store.find_page(
        db, search="", role=None, older_than=USER["_id"], skip=0, limit=20
    ),
    "find_page_role": lambda db: store.find_page(
        db, search="", role="admin", older_than=None, skip=0, limit=20
    ),
    "find_page_search": lambda db: store.find_page(
        db, search="son 77", role=None, older_than=None, skip=0, limit=20
    ),
    "session_find_active": lambda db: store_sessions.find_active(db, USER["_id"], NOW),
    "session_find_active_many": lambda db: store_sessions.find_active_many(
        db, {ObjectId(): USER["_id"]}, NOW
    ),
    "session_store_user_writes": lambda db: store_sessions.store_user_writes(
        db, [USER["_id"]], expires_at=NOW
    ),
    "session_find": lambda db: store_sessions.find(db, USER["_id"], NOW),
    "session_find_by_user": lambda db: store_sessions.find_by_user(db, USER["_id"]),
    "session_rotate": lambda db: store_sessions.rotate(
        db, USER["_id"], "a", "b", now=NOW, expires_at=NOW
    ),
    "session_forget_previous_token": lambda db: store_sessions.forget_previous_token(
        db, USER["_id"], 1
    ),
    "session_set_role": lambda db: store_sessions.set_role(db, USER["_id"], "admin"),
    "session_delete": lambda db: store_sessions.delete(db, USER["_id"]),
    "session_delete_all": lambda db: store_sessions.delete_all(
        db, USER["_id"], except_for=ObjectId()
    ),
    "find_records": lambda db: store_attempts.find_records(db, ["a", "b"]),
    "count_failure": lambda db: store_attempts.count_failure(db, "a", now=NOW, expires_at=NOW),
}


def filters(command):
    """Return the filters of a command."""
    if "pipeline" in command:
        return [stage["$match"] for stage in command["pipeline"] if "$match" in stage]
    parts = command.get("updates") or command.get("deletes")
    if parts:
        return [part["q"] for part in parts]
    return [command.get("filter", command.get("query", {}))]


@pytest.mark.parametrize("name", CALLS)
def test_every_query_uses_an_index(recorded, name):
    db, recorder = recorded
    recorder.queries.clear()
    CALLS[name](db)
    queries = list(recorder.queries)
    assert queries
    for command in queries:
        collection = command[next(iter(command))]
        for where in filters(command):
            asked = {"find": collection, "filter": where}
            if "sort" in command:
                asked |= {"sort": command["sort"], "limit": 20}
            plan = wait_for_plan(partial(db.command, "explain", asked), has_collscan)
            assert not has_collscan(plan), (command, plan)
