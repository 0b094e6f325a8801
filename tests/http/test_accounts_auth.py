"""The routes of `/api/auth`: registration, login, the profile, the password and logout."""

import json

import bcrypt
import pytest

from eventapp.core.access.passwords import hash_password
from tests.factories import bearer

PASSWORD = "correct horse"
ANN = {"name": "Ann", "email": "Ann@Example.org", "password": PASSWORD}
USER_FIELDS = {"_id", "name", "email", "emailVerified", "role", "about", "userImg", "language"}
USER_FIELDS |= {"createdAt", "updatedAt", "__v"}
ALL_MAILS = {"announcements": True, "unsubscribedOrganizers": []}


@pytest.fixture
def ann(client):
    answer = client.post("/api/auth/register", json=ANN).json
    return {**answer, "headers": bearer(answer["token"])}


@pytest.mark.parametrize("path", ["/api/auth/register", "/api/users"])
def test_register_signs_in_a_new_account(client, db, path):
    answer = client.post(path, json=ANN)
    assert answer.status_code == 201
    assert set(answer.json) == {"message", "user", "accessToken", "refreshToken", "token"}
    assert answer.json["token"] == answer.json["accessToken"]
    assert set(answer.json["user"]) == USER_FIELDS
    assert answer.json["user"]["email"] == "Ann@Example.org"
    assert answer.json["user"]["role"] == "attendee"
    assert answer.headers["Cache-Control"] == "private, no-store"
    stored = db.users.find_one()
    assert stored["emailKey"] == "ann@example.org"
    assert stored["passwordHash"].startswith("$2b$04$")
    profile = client.get("/api/auth/profile", headers=bearer(answer.json["token"]))
    assert profile.json == {**answer.json["user"], "mailPreferences": ALL_MAILS}


def test_register_accepts_username_and_the_role_of_an_organizer(client):
    body = {"username": " Bob ", "email": "b@example.org", "password": PASSWORD}
    answer = client.post("/api/auth/register", json={**body, "role": "organizer"})
    assert answer.status_code == 201
    assert (answer.json["user"]["name"], answer.json["user"]["role"]) == ("Bob", "organizer")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"role": "admin"}, "role"),
        ({"role": ["admin"]}, "role"),
        ({"_id": "64a9e2c1f9b2f63320fa1e7d"}, "_id"),
        ({"passwordHash": "x"}, "passwordHash"),
        ({"emailKey": "x"}, "emailKey"),
        ({"__v": 7}, "__v"),
        ({"$set": {"role": "admin"}}, "$set"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "\0"}, "name"),
        ({"email": "a\0b@example.org"}, "email"),
        ({"name": {"$gt": ""}}, "name"),
        ({"email": "nonsense"}, "email"),
        ({"email": {"$gt": ""}}, "email"),
        ({"email": "a" * 250 + "@b.cd"}, "email"),
        ({"password": "1234567"}, "password"),
        ({"password": "x" * 73}, "password"),
        ({"password": 12345678}, "password"),
        ({"password": None}, "password"),
        ({"password": {"$ne": ""}}, "password"),
    ],
)
def test_register_refuses_invalid_fields(client, db, change, field):
    answer = client.post("/api/auth/register", json={**ANN, **change})
    assert answer.status_code == 400
    assert answer.json["code"] == "validation_error"
    assert field in answer.json["errors"]
    assert db.users.count_documents({}) == 0


@pytest.mark.parametrize("missing", ["name", "email", "password"])
def test_register_requires_each_field(client, missing):
    body = {name: value for name, value in ANN.items() if name != missing}
    answer = client.post("/api/auth/register", json=body)
    assert answer.status_code == 400
    assert answer.json["message"] == f"Missing {missing}"


def test_an_email_is_registered_once_in_any_case(client, ann, db):
    answer = client.post("/api/users", json={**ANN, "name": "Other", "email": " aNN@example.ORG "})
    assert (answer.status_code, answer.json["code"]) == (409, "email_taken")
    assert db.users.count_documents({}) == 1


def test_a_shared_name_logs_in_its_first_account(client, ann):
    again = client.post("/api/users", json={**ANN, "name": "ANN", "email": "ann2@example.org"})
    assert again.status_code == 201
    login = client.post("/api/users/login", json={"name": "ann", "password": PASSWORD})
    assert login.json["user"]["_id"] == ann["user"]["_id"]


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/users/login"])
@pytest.mark.parametrize(
    "login", [{"email": "ANN@example.org "}, {"name": "ann"}, {"username": "Ann"}]
)
def test_an_account_logs_in_by_email_or_name(client, ann, path, login):
    answer = client.post(path, json={**login, "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json["message"] == "Login successful"
    assert answer.json["user"] == ann["user"]
    headers = bearer(answer.json["token"])
    assert client.get("/api/auth/profile", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ann@example.org", "password": "wrong password"},
        {"email": "nobody@example.org", "password": PASSWORD},
        {"name": "Ann", "password": "wrong"},
        {"name": "Nobody", "password": PASSWORD},
        {"name": "ann@example.org", "password": PASSWORD},
        {"email": "Ann", "password": PASSWORD},
        {"email": "ann@example.org", "password": "x" * 100},
    ],
)
def test_all_bad_credentials_get_the_same_answer(client, ann, body):
    answer = client.post("/api/auth/login", json=body)
    assert answer.status_code == 401
    assert answer.json == {"message": "Wrong name, email or password", "code": "bad_credentials"}


@pytest.mark.parametrize(
    "body",
    [
        {"email": {"$gt": ""}, "password": PASSWORD},
        {"email": {"$regex": "^a"}, "password": PASSWORD},
        {"email": "ann@example.org", "password": {"$gt": ""}},
        {"name": {"$ne": None}, "password": {"$ne": None}},
        {"name": ["Ann"], "password": PASSWORD},
        {"password": PASSWORD},
        {"email": "ann@example.org"},
        {"email": "ann@example.org", "password": PASSWORD, "role": "admin"},
        ["ann@example.org"],
    ],
)
def test_login_refuses_query_operators_and_other_types(client, ann, body):
    answer = client.post("/api/auth/login", json=body)
    assert answer.status_code == 400
    assert answer.json["code"] == "validation_error"


def test_login_replaces_a_hash_of_another_cost(client, ann, db):
    db.users.update_one({}, {"$set": {"passwordHash": hash_password(PASSWORD, 5)}})
    login = {"name": "Ann", "password": PASSWORD}
    assert client.post("/api/auth/login", json=login).status_code == 200
    assert db.users.find_one()["passwordHash"].startswith("$2b$04$")
    assert client.post("/api/auth/login", json=login).status_code == 200


def test_a_decomposed_password_of_an_earlier_version_is_hashed_again(client, ann, db):
    typed_on_a_mac, typed_on_a_phone = "pa\u00dfwo\u0308rter", "pa\u00dfw\u00f6rter"
    older_hash = bcrypt.hashpw(typed_on_a_mac.encode(), bcrypt.gensalt(4)).decode()
    db.users.update_one({}, {"$set": {"passwordHash": older_hash}})
    for typed in (typed_on_a_mac, typed_on_a_phone):
        answer = client.post("/api/auth/login", json={"name": "Ann", "password": typed})
        assert answer.status_code == 200
    stored = db.users.find_one()["passwordHash"]
    assert bcrypt.checkpw(typed_on_a_phone.encode(), stored.encode())


@pytest.mark.parametrize("password", ["correct \ud800", "correct \0 horse"])
def test_a_password_that_cannot_be_hashed_is_refused(client, ann, password):
    def send(method, path, body, headers=None):
        # json.dumps escapes a lone surrogate, which the test client does not encode.
        text = json.dumps(body)
        answer = client.open(
            path, method=method, data=text, content_type="application/json", headers=headers
        )
        return answer.status_code

    body = {"name": "Bob", "email": "b@example.org", "password": password}
    assert send("POST", "/api/auth/register", body) == 400
    assert send("POST", "/android/api/users", body) == 400
    changing = {"currentPassword": PASSWORD, "newPassword": password}
    assert send("PUT", "/api/auth/change-password", changing, ann["headers"]) == 400
    for path in ("/api/auth/login", "/android/api/users/login"):
        assert send("POST", path, {"name": "Ann", "password": password}) in (400, 401)


def test_the_profile_changes_the_fields_that_are_sent(client, ann):
    body = {"about": "Likes\njazz", "userImg": "https://example.org/a.png"}
    answer = client.put("/api/auth/profile", json=body, headers=ann["headers"])
    assert answer.status_code == 200
    assert answer.json == {
        **ann["user"],
        **body,
        "mailPreferences": ALL_MAILS,
        "updatedAt": answer.json["updatedAt"],
    }
    assert client.get("/api/auth/profile", headers=ann["headers"]).json == answer.json


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "admin"}, "role"),
        ({"_id": "64a9e2c1f9b2f63320fa1e7d"}, "_id"),
        ({"passwordHash": "x"}, "passwordHash"),
        ({"password": "another one"}, "password"),
        ({"name": ""}, "name"),
        ({"email": "x"}, "email"),
        ({"email": None}, "email"),
        ({"userImg": "javascript:alert(1)"}, "userImg"),
        ({"about": "x" * 2001}, "about"),
    ],
)
def test_the_profile_refuses_invalid_fields(client, ann, db, body, field):
    before = db.users.find_one()
    answer = client.put("/api/auth/profile", json=body, headers=ann["headers"])
    assert answer.status_code == 400
    assert field in answer.json["errors"]
    assert db.users.find_one() == before


def test_a_changed_name_and_email_log_in(client, ann):
    body = {"name": "Anna", "email": "anna@example.org", "currentPassword": PASSWORD}
    client.put("/api/auth/profile", json=body, headers=ann["headers"])

    def log_in(**login):
        return client.post("/api/auth/login", json={**login, "password": PASSWORD}).status_code

    assert log_in(name="anna") == log_in(email="anna@example.org") == 200
    assert log_in(name="ann") == log_in(email="ann@example.org") == 401
    other = client.post("/api/users", json={**ANN, "email": "new@example.org"})
    assert other.status_code == 201
    assert log_in(name="Ann") == 200


def test_renaming_does_not_take_over_a_login_name(client, ann):
    bob = {"name": "Bob", "email": "bob@example.org", "password": "bob's password"}
    token = client.post("/api/users", json=bob).json["token"]
    answer = client.put("/api/auth/profile", json={"name": "ANN"}, headers=bearer(token))
    assert (answer.status_code, answer.json["name"]) == (200, "ANN")
    login = client.post("/api/auth/login", json={"name": "ann", "password": PASSWORD})
    assert login.json["user"]["_id"] == ann["user"]["_id"]
    by_old = client.post("/api/auth/login", json={"name": "bob", "password": bob["password"]})
    assert by_old.status_code == 401


def test_the_email_of_another_account_is_refused(client, ann):
    bob = {"name": "Bob", "email": "bob@example.org", "password": PASSWORD}
    token = client.post("/api/users", json=bob).json["token"]
    body = {"name": "Robert", "email": "ANN@example.org", "currentPassword": PASSWORD}
    answer = client.put("/api/auth/profile", json=body, headers=bearer(token))
    assert (answer.status_code, answer.json["code"]) == (409, "email_taken")
    assert client.get("/api/auth/profile", headers=bearer(token)).json["name"] == "Bob"


def test_change_password_ends_all_other_sessions(client, ann):
    other = client.post("/api/auth/login", json={"name": "Ann", "password": PASSWORD}).json
    body = {"currentPassword": PASSWORD, "newPassword": "a new password"}
    answer = client.put("/api/auth/change-password", json=body, headers=ann["headers"])
    assert answer.status_code == 200
    assert client.get("/api/auth/profile", headers=ann["headers"]).status_code == 200
    ended = client.get("/api/auth/profile", headers=bearer(other["token"]))
    assert (ended.status_code, ended.json["code"]) == (401, "token_revoked")
    refresh = client.post("/api/auth/refresh", json={"refreshToken": other["refreshToken"]})
    assert (refresh.status_code, refresh.json["code"]) == (401, "token_revoked")
    old = client.post("/api/auth/login", json={"name": "Ann", "password": PASSWORD})
    new = client.post("/api/auth/login", json={"name": "Ann", "password": "a new password"})
    assert (old.status_code, new.status_code) == (401, 200)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"currentPassword": "wrong", "newPassword": "a new password"}, "wrong_password"),
        ({"currentPassword": PASSWORD, "newPassword": "short"}, "validation_error"),
        ({"currentPassword": PASSWORD, "newPassword": "x" * 73}, "validation_error"),
        ({"currentPassword": {"$gt": ""}, "newPassword": "a new password"}, "validation_error"),
        ({"newPassword": "a new password"}, "validation_error"),
    ],
)
def test_change_password_refuses_wrong_and_invalid_passwords(client, ann, db, body, code):
    before = db.users.find_one()
    answer = client.put("/api/auth/change-password", json=body, headers=ann["headers"])
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert db.users.find_one() == before


def test_guesses_at_the_current_password_are_slowed_down(client, ann):
    body = {"currentPassword": "wrong guess", "newPassword": "a new password"}
    for _ in range(5):
        client.put("/api/auth/change-password", json=body, headers=ann["headers"])
    body["currentPassword"] = PASSWORD
    answer = client.put("/api/auth/change-password", json=body, headers=ann["headers"])
    assert answer.status_code == 429


def test_logout_ends_only_this_session(client, ann):
    other = client.post("/api/auth/login", json={"name": "Ann", "password": PASSWORD}).json
    assert client.post("/api/auth/logout", headers=ann["headers"]).status_code == 200
    assert client.get("/api/auth/profile", headers=ann["headers"]).status_code == 401
    refresh = client.post("/api/auth/refresh", json={"refreshToken": ann["refreshToken"]})
    assert (refresh.status_code, refresh.json["code"]) == (401, "token_revoked")
    assert client.get("/api/auth/profile", headers=bearer(other["token"])).status_code == 200


def test_logout_everywhere_ends_all_sessions(client, ann, db):
    other = client.post("/api/auth/login", json={"name": "Ann", "password": PASSWORD}).json
    answer = client.post("/api/auth/logout", json={"everywhere": True}, headers=ann["headers"])
    assert answer.status_code == 200
    assert client.get("/api/auth/profile", headers=bearer(other["token"])).status_code == 401
    assert db.sessions.count_documents({}) == 0


def test_only_an_admin_creates_an_admin(client, admin, organizer, db):
    body = {"name": "Root", "email": "root@example.org", "password": PASSWORD}
    assert client.post("/api/auth/create-admin", json=body).status_code == 401
    forbidden = client.post("/api/auth/create-admin", json=body, headers=organizer["headers"])
    assert forbidden.status_code == 403
    answer = client.post("/api/auth/create-admin", json=body, headers=admin["headers"])
    assert answer.status_code == 201
    assert set(answer.json) == {"message", "user"}
    assert answer.json["user"]["role"] == "admin"
    taken = client.post("/api/auth/create-admin", json=body, headers=admin["headers"])
    assert (taken.status_code, taken.json["code"]) == (409, "email_taken")


UNICODE_EMAIL, ASCII_EMAIL = "user@m\u00fcnchen.de", "User@XN--mnchen-3ya.de"


@pytest.mark.parametrize(
    ("registered", "other"), [(UNICODE_EMAIL, ASCII_EMAIL), (ASCII_EMAIL, UNICODE_EMAIL)]
)
@pytest.mark.parametrize("is_older", [False, True])
def test_both_forms_of_an_international_domain_are_one_account(
    client, db, registered, other, is_older
):
    account = {"name": "Ann", "email": registered, "password": PASSWORD}
    user = client.post("/api/auth/register", json=account).json["user"]
    assert user["email"] == registered
    if is_older:  # The key was the folded email.
        db.users.update_one({}, {"$set": {"emailKey": registered.lower()}})
    for email in (registered, other):
        login = {"email": email, "password": PASSWORD}
        answer = client.post("/api/auth/login", json=login)
        assert (answer.status_code, answer.json["user"]["_id"]) == (200, user["_id"])
        taken = client.post("/api/auth/register", json={**account, "name": "B", "email": email})
        assert (taken.status_code, taken.json["code"]) == (409, "email_taken")
    own = bearer(client.post("/api/auth/login", json=login).json["token"])
    body = {"email": other, "currentPassword": PASSWORD}
    changed = client.put("/api/auth/profile", json=body, headers=own)
    assert (changed.status_code, changed.json["email"]) == (200, other)
    third = {"name": "Eve", "email": "eve@example.org", "password": PASSWORD}
    eve = bearer(client.post("/api/auth/register", json=third).json["token"])
    for email in (registered, other):
        refused = client.put("/api/auth/profile", json={**body, "email": email}, headers=eve)
        assert (refused.status_code, refused.json["code"]) == (409, "email_taken")


def test_two_older_accounts_in_both_forms_keep_logging_in(client, db):
    for name, email in (("A", UNICODE_EMAIL), ("B", "b@example.org")):
        account = {"name": name, "email": email, "password": PASSWORD}
        client.post("/api/auth/register", json=account)
    older = {"email": ASCII_EMAIL, "emailKey": ASCII_EMAIL.lower()}
    db.users.update_one({"name": "B"}, {"$set": older})
    for name, email in (("A", UNICODE_EMAIL), ("B", ASCII_EMAIL)):
        answer = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.json["user"]["name"] == name


def test_a_domain_that_is_not_valid_is_compared_as_it_is(client):
    account = {"name": "Ann", "email": "a@xn--0.example", "password": PASSWORD}
    assert client.post("/api/auth/register", json=account).status_code == 201
    login = {"email": "A@XN--0.example", "password": PASSWORD}
    assert client.post("/api/auth/login", json=login).status_code == 200
