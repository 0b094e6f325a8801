"""The routes of `/api/users`: accounts by id, for the user and for admins."""

import pytest
from bson import ObjectId

from eventapp.accounts import erasures, service
from eventapp.core.clock import utc_now
from eventapp.jobs import service as jobs
from tests import factories
from tests.bookings_factories import context_of
from tests.factories import bearer

PASSWORD = "correct horse"
METHODS = ("GET", "PUT", "DELETE")


def sign_up(client, name, **changes):
    body = {"name": name, "email": f"{name.lower()}@example.org", "password": PASSWORD}
    answer = client.post("/api/users", json={**body, **changes}).json
    return {
        **answer,
        "path": f"/api/users/{answer['user']['_id']}",
        "headers": bearer(answer["token"]),
    }


@pytest.fixture
def ann(client):
    return sign_up(client, "Ann")


@pytest.fixture
def people(db):
    for number in range(25):
        service.register(
            db,
            name=f"Guest {number}",
            email=f"p{number}@Example.org",
            password=PASSWORD,
            role="organizer" if number % 5 == 0 else "attendee",
            now=utc_now(),
            bcrypt_rounds=4,
        )


def test_the_user_and_admins_read_an_account(client, ann, admin):
    for headers in (ann["headers"], admin["headers"]):
        answer = client.get(ann["path"], headers=headers)
        assert (answer.status_code, answer.json) == (200, ann["user"])
        assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("method", METHODS)
def test_the_account_of_another_user_is_forbidden(client, ann, attendee, organizer, method, db):
    before = db.users.find_one({"email": ann["user"]["email"]})
    for headers, status in ((attendee["headers"], 403), (organizer["headers"], 403), ({}, 401)):
        answer = client.open(ann["path"], method=method, json={"about": "x"}, headers=headers)
        assert answer.status_code == status
    unknown = client.open(f"/api/users/{ObjectId()}", method=method, headers=attendee["headers"])
    assert unknown.status_code == 403  # The same as for an account that exists.
    assert db.users.find_one({"email": ann["user"]["email"]}) == before


@pytest.mark.parametrize("method", METHODS)
def test_unknown_and_invalid_ids_are_refused(client, admin, method):
    unknown = client.open(f"/api/users/{ObjectId()}", method=method, headers=admin["headers"])
    assert (unknown.status_code, unknown.json["code"]) == (404, "user_not_found")
    for bad in ("1", "x" * 24, "%00", "abcdefghijkl"):
        answer = client.open(f"/api/users/{bad}", method=method, headers=admin["headers"])
        assert (answer.status_code, answer.json["message"]) == (400, "Invalid id")


def test_users_change_their_own_account(client, ann):
    answer = client.put(ann["path"], json={"name": "Anna", "about": "hi"}, headers=ann["headers"])
    assert answer.status_code == 200
    assert (answer.json["name"], answer.json["about"]) == ("Anna", "hi")
    assert answer.json["email"] == ann["user"]["email"]


def test_only_an_admin_changes_a_role(client, ann, admin):
    mine = client.put(ann["path"], json={"role": "admin"}, headers=ann["headers"])
    assert mine.status_code == 403
    assert client.get(ann["path"], headers=ann["headers"]).json["role"] == "attendee"
    answer = client.put(ann["path"], json={"role": "organizer"}, headers=admin["headers"])
    assert (answer.status_code, answer.json["role"]) == (200, "organizer")
    bad = client.put(ann["path"], json={"role": "king"}, headers=admin["headers"])
    assert bad.status_code == 400


@pytest.mark.parametrize(
    "field",
    ["_id", "passwordHash", "password", "emailKey", "loginName", "__v", "createdAt", "$set"],
)
def test_other_fields_cannot_be_changed(client, ann, admin, db, field):
    before = db.users.find_one({"email": ann["user"]["email"]})
    for headers in (ann["headers"], admin["headers"]):
        answer = client.put(ann["path"], json={field: "x" * 24}, headers=headers)
        assert answer.status_code == 400
        assert field in answer.json["errors"]
    assert db.users.find_one({"email": ann["user"]["email"]}) == before


def test_deleting_an_account_removes_personal_data(client, ann, db):
    event = factories.make_event(db)
    body = {"eventId": event["eventId"]}
    assert client.post("/api/favorites", json=body, headers=ann["headers"]).status_code == 201
    answer = client.delete(ann["path"], headers=ann["headers"])
    assert (answer.status_code, answer.json) == (200, {"message": "User deleted successfully"})
    assert db.users.count_documents({}) == 0
    assert db.sessions.count_documents({}) == 0
    for name in db.list_collection_names():
        for document in db[name].find():
            assert ann["user"]["_id"] not in str(document)
            assert "ann@example.org" not in str(document).lower()


def test_an_interrupted_delete_can_be_repeated(client, ann, db):
    user_id = ObjectId(ann["user"]["_id"])

    def fails(_db, _user_id):
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        service.delete_user(db, user_id, forget_functions=[fails], now=utc_now())
    forgotten = []
    forget_functions = [lambda _db, forgotten_id: forgotten.append(forgotten_id)]
    service.delete_user(db, user_id, forget_functions=forget_functions, now=utc_now())
    assert set(forgotten) == {user_id}
    assert db.users.count_documents({}) == 0


class DiesInTheSecondPass:
    """A forget function that fails when it is called for the second time."""

    def __init__(self):
        self.calls = 0

    def __call__(self, _db, _user_id):
        self.calls += 1
        if self.calls == 2:
            raise RuntimeError("the process died")


@pytest.fixture
def interrupted(ann, db):
    """The id of an account whose erasure was interrupted in its second pass, with a late write."""
    user_id = ObjectId(ann["user"]["_id"])
    with pytest.raises(RuntimeError):
        service.delete_user(db, user_id, forget_functions=[DiesInTheSecondPass()], now=utc_now())
    assert db.users.count_documents({"_id": user_id}) == 0
    db.favorites.insert_one({"_id": f"user:{user_id}", "events": []})
    return user_id


def test_an_interrupted_second_pass_can_be_repeated(client, interrupted, admin, db):
    path = f"/api/users/{interrupted}"
    assert client.delete(path, headers=admin["headers"]).status_code == 200
    assert db.favorites.count_documents({}) == db.erasures.count_documents({}) == 0
    assert client.delete(path, headers=admin["headers"]).status_code == 404


def test_the_worker_finishes_an_interrupted_second_pass(app, interrupted, db):
    context = context_of(app)
    assert erasures.finish_interrupted(db, context.forget_functions, utc_now()) == 0
    later_on = utc_now() + 2 * erasures.PATIENCE
    assert jobs.JOBS["erasures"].function(context, later_on) == 1
    assert db.favorites.count_documents({}) == db.erasures.count_documents({}) == 0
    assert jobs.JOBS["erasures"].function(context, later_on) == 0
    assert interrupted is not None


def test_an_erasure_that_cannot_be_finished_delays_no_other(app, db):
    stuck, other = ObjectId(), ObjectId()
    for user_id in (stuck, other):
        db.erasures.insert_one({"_id": user_id, "startedAt": utc_now() - 2 * erasures.PATIENCE})

    def forget(_db, user_id):
        if user_id == stuck:
            raise RuntimeError("this account cannot be forgotten")

    erasures.finish_interrupted(db, [forget], utc_now())
    assert [each["_id"] for each in db.erasures.find()] == [stuck]


def test_the_last_admin_cannot_be_deleted_or_demoted(client, admin, db):
    path = f"/api/users/{admin['id']}"
    for answer in (
        client.delete(path, headers=admin["headers"]),
        client.put(path, json={"role": "attendee", "about": "x"}, headers=admin["headers"]),
    ):
        assert (answer.status_code, answer.json["code"]) == (409, "last_admin")
    stored = db.users.find_one({"_id": admin["id"]})
    assert (stored["role"], stored["about"]) == ("admin", "")
    assert client.get("/api/users", headers=admin["headers"]).status_code == 200


def test_one_of_two_admins_can_be_demoted_and_deleted(client, app, admin):
    other = factories.make_user(app, "admin")
    path = f"/api/users/{other['id']}"
    answer = client.put(path, json={"role": "attendee"}, headers=admin["headers"])
    assert answer.status_code == 200
    assert client.get("/api/users", headers=other["headers"]).status_code == 403
    assert client.delete(path, headers=other["headers"]).status_code == 200


def test_the_export_contains_everything_except_secrets(client, ann, db):
    event = factories.make_event(db)
    client.post("/api/favorites", json={"eventId": event["eventId"]}, headers=ann["headers"])
    answer = client.get(f"{ann['path']}/export", headers=ann["headers"])
    assert answer.status_code == 200
    assert answer.json["user"] == ann["user"]
    assert answer.json["favorites"] == [event["eventId"]]
    assert set(answer.json["sessions"][0]) == {
        *("_id", "client", "createdAt", "lastUsedAt", "expiresAt"),
    }
    stored = db.users.find_one({"name": "Ann"})
    session = db.sessions.find_one({"userId": stored["_id"]})
    assert stored["passwordHash"] not in answer.text
    assert session["refreshId"] not in answer.text


def test_only_admins_list_accounts(client, attendee, organizer, admin):
    assert client.get("/api/users").status_code == 401
    for person in (attendee, organizer):
        assert client.get("/api/users", headers=person["headers"]).status_code == 403
    answer = client.get("/api/users", headers=admin["headers"])
    assert answer.status_code == 200
    assert "passwordHash" not in answer.text
    assert answer.json["total"] == len(answer.json["users"])


def test_the_list_is_paged(client, people, admin):
    def page(**query):
        return client.get("/api/users", query_string=query, headers=admin["headers"]).json

    first, last = page(limit=10), page(limit=10, page=3)
    assert {name: first[name] for name in ("page", "limit", "total", "pages")} == {
        "page": 1,
        "limit": 10,
        "total": 26,
        "pages": 3,
    }
    assert first["users"][0]["_id"] == str(admin["id"])  # Newest first.
    assert len(last["users"]) == 6
    assert last["nextCursor"] is None
    assert page(page=4, limit=10)["users"] == []


def test_a_cursor_visits_each_account_once_while_others_are_added(client, people, admin):
    seen, query = [], {"limit": 10, "search": "GUEST"}
    while query:
        answer = client.get("/api/users", query_string=query, headers=admin["headers"]).json
        seen += [user["name"] for user in answer["users"]]
        sign_up(client, f"Guest-new-{len(seen)}")
        cursor = answer["nextCursor"]
        query = {"limit": 10, "cursor": cursor} if cursor else None
    assert [name for name in seen if name.startswith("Guest ")] == [
        f"Guest {number}" for number in range(24, -1, -1)
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"search": "UEST 1"}, 11),
        ({"search": "p7@example"}, 1),
        ({"search": "p7@EXAMPLE.ORG"}, 1),
        ({"search": "p.@example"}, 0),
        ({"search": ".*"}, 0),
        ({"search": "(("}, 0),
        ({"search": "$"}, 0),
        ({"role": "organizer"}, 5),
        ({"role": "organizer", "search": "guest 2"}, 1),
    ],
)
def test_the_list_is_filtered_by_search_and_role(client, people, admin, query, found):
    answer = client.get("/api/users", query_string=query, headers=admin["headers"])
    assert (answer.json["total"], len(answer.json["users"])) == (found, found)


@pytest.mark.parametrize(
    "query",
    [
        {"page": 0},
        {"limit": 0},
        {"limit": "1e9"},
        {"role": "king"},
        {"search": "a\0b"},
        {"cursor": "nonsense"},
        {"cursor": "eyJiZWZvcmUiOiJ4In0"},
        {"cursor": "e30"},
    ],
)
def test_the_list_refuses_invalid_queries(client, admin, query):
    answer = client.get("/api/users", query_string=query, headers=admin["headers"])
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
