"""API tokens are created with a password, shown without their secret, and ended at once."""

import re
from datetime import datetime, timedelta
from functools import partial

import pytest

from eventapp.accounts import api_tokens, store_api_tokens
from eventapp.accounts import store as accounts_store
from eventapp.accounts.editing import update_user
from eventapp.core.access import last_use
from eventapp.core.access.actions import SCOPES
from eventapp.core.access.passwords import hash_password
from eventapp.core.clock import utc_now
from eventapp.core.streams import hub as hub_module
from tests.account_mails import read_token
from tests.api_tokens import TokenCaller, in_one_day, store_token
from tests.bookings_factories import Caller, event_of, refused
from tests.http.test_query_counts import read_counted
from tests.live import eventually
from tests.streaming import ClientStream

PASSWORD = "correct horse"


@pytest.fixture
def owner(client, app, db):
    """An organizer with a password."""
    return make_owner(client, app, db)


def make_owner(client, app, db, role="organizer"):
    caller = Caller(client, app, role)
    change = {"$set": {"passwordHash": hash_password(PASSWORD, 4)}}
    db.users.update_one({"_id": caller.id}, change)
    return caller


def create(owner, password=PASSWORD, **changes):
    body = {"name": "Export", "scopes": ["events:read"], "currentPassword": password, **changes}
    return owner.call("POST", "/auth/tokens", body)


def test_a_token_is_created_and_its_secret_is_shown_once(owner, db):
    answer = create(owner, name=" Nightly  ", scopes=["bookings:read", "events:read"])
    assert answer.status_code == 201
    secret, token = answer.json["secret"], answer.json["token"]
    assert re.fullmatch(r"evt_[A-Za-z0-9]{40}", secret)
    created_at = datetime.fromisoformat(token.pop("createdAt"))
    assert abs(created_at - utc_now()) < timedelta(minutes=1)
    assert answer.headers["Location"] == f"/api/auth/tokens/{token['tokenId']}"
    assert token == {
        "tokenId": token["tokenId"],
        "name": "Nightly",
        "prefix": secret[:10],
        "scopes": ["events:read", "bookings:read"],
        "eventIds": None,
        "expiresAt": None,
        "lastUsedAt": None,
    }
    (listed,) = owner.get("/auth/tokens").json["tokens"]
    assert listed.items() >= token.items()
    assert secret not in str(list(db.apiTokens.find()))
    exported = owner.get(f"/users/{owner.id}/export")
    assert exported.json["apiTokens"] == [listed]
    assert secret not in exported.text
    assert db.apiTokens.find_one()["secretHash"] not in exported.text


def test_secrets_differ(owner):
    assert len({create(owner).json["secret"] for _ in range(5)}) == 5


def test_a_token_acts_for_its_owner(owner, db):
    own, _foreign = event_of(db, 5, organizer_id=owner.id), event_of(db, 5)
    secret = create(owner, scopes=["events:read"], expiresAt=in_one_day()).json["secret"]
    program = Caller.__new__(Caller)
    program.client, program.headers = owner.client, {"Authorization": f"bearer {secret}"}
    assert program.get(f"/events/{own}/quotas").json == {"quotas": []}
    listed = program.get("/events?mine=true").json["events"]
    assert [event["eventId"] for event in listed] == [own]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("scopes", []),
        ("scopes.0", ["events:delete"]),
        ("scopes", "events:read"),
        ("eventIds", []),
        ("eventIds.0", [0]),
        ("eventIds", list(range(1, 102))),
        ("expiresAt", "2020-01-01T00:00:00Z"),
        ("expiresAt", "tomorrow"),
        ("currentPassword", ""),
        ("unknown", 1),
    ],
)
def test_a_body_with_a_fault_names_the_field(owner, db, field, value):
    answer = create(owner, **{field.removesuffix(".0"): value})
    assert answer.status_code == 400
    assert list(answer.json["errors"]) == [field]
    assert db.apiTokens.count_documents({}) == 0


@pytest.mark.parametrize("field", ["name", "scopes", "currentPassword"])
def test_required_fields(owner, field):
    body = {"name": "Export", "scopes": ["events:read"], "currentPassword": PASSWORD}
    del body[field]
    answer = owner.call("POST", "/auth/tokens", body)
    assert (answer.status_code, list(answer.json["errors"])) == (400, [field])


def test_a_wrong_password_counts_as_a_failed_login(owner, db):
    statuses = [create(owner, "wrong horse").status_code for _ in range(6)]
    assert statuses == [400] * 5 + [429]
    assert create(owner).status_code == 429
    user = db.users.find_one({"_id": owner.id})
    login = {"email": user["email"], "password": PASSWORD}
    assert owner.client.post("/api/auth/login", json=login).status_code == 429
    assert db.apiTokens.count_documents({}) == 0


def test_a_right_password_does_not_count(owner):
    assert [create(owner).status_code for _ in range(7)] == [201] * 7


def test_the_number_of_tokens_is_limited(owner, db, monkeypatch):
    monkeypatch.setattr(api_tokens, "MAX_TOKENS", 2)
    store_token(db, owner, expiresAt=utc_now() - timedelta(seconds=1))  # It has ended.
    assert [create(owner).status_code for _ in range(2)] == [201, 201]
    refused(create(owner), 409, "too_many_tokens")
    ended = owner.get("/auth/tokens").json["tokens"][0]["tokenId"]
    assert owner.call("DELETE", f"/auth/tokens/{ended}").status_code == 200
    assert create(owner).status_code == 201


def test_only_own_tokens_are_listed_and_ended(owner, client, app, db):
    other = Caller(client, app, "admin")
    token = TokenCaller(owner, db, "events:read")
    assert other.get("/auth/tokens").json == {"tokens": []}
    path = f"/auth/tokens/{token.token['_id']}"
    refused(other.call("DELETE", path), 404, "token_not_found")
    assert token.get("/events").status_code == 200
    assert owner.call("DELETE", path).json == {"message": "API token ended"}
    refused(owner.call("DELETE", path), 404, "token_not_found")


def test_an_ended_token_is_refused_at_once(owner, db):
    token = TokenCaller(owner, db, "events:read")
    assert token.get("/events").status_code == 200
    owner.call("DELETE", f"/auth/tokens/{token.token['_id']}")
    for path in ("/events", "/events/1/quotas", "/auth/profile"):
        refused(token.get(path), 401, "token_revoked")


def test_an_expired_token_is_refused(owner, db):
    token = TokenCaller(owner, db, "events:read", expiresAt=utc_now() - timedelta(milliseconds=1))
    refused(token.get("/events"), 401, "token_revoked")
    assert owner.get("/auth/tokens").json == {"tokens": []}


@pytest.mark.parametrize("secret", ["evt_", "evt_" + "x" * 39, "evt_" + "x" * 40, "evt_\u00e9"])
def test_unknown_and_malformed_secrets_are_refused_alike(client, secret):
    headers = {"Authorization": f"Bearer {secret}".encode().decode("latin-1")}
    for path in ("/api/events", "/api/bookings"):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (401, "token_revoked")
        assert answer.json["message"] == "This API token is unknown or has ended"
    assert client.get("/healthz", headers=headers).status_code == 200


def test_the_tokens_of_a_user_can_be_ended_together(owner, client, app, db):
    other = TokenCaller(Caller(client, app), db)
    tokens = [TokenCaller(owner, db, name=name) for name in ("one", "two")]
    assert api_tokens.end_tokens(db, owner.id) == ["two", "one"]
    assert [token.get("/events").status_code for token in tokens] == [401, 401]
    assert other.get("/events").status_code == 200
    assert api_tokens.end_tokens(db, owner.id) == []


def test_a_change_of_password_keeps_tokens(owner, db):
    token = TokenCaller(owner, db)
    body = {"currentPassword": PASSWORD, "newPassword": "battery staple"}
    assert owner.call("PUT", "/auth/change-password", body).status_code == 200
    assert token.get("/events").status_code == 200


def test_a_reset_of_the_password_ends_tokens(owner, client, app, db):
    token = TokenCaller(owner, db)
    email = db.users.find_one({"_id": owner.id})["email"]
    client.post("/api/auth/forgot-password", json={"email": email})
    body = {"token": read_token(app, "password_reset"), "newPassword": "battery staple"}
    assert client.post("/api/auth/reset-password", json=body).status_code == 200
    refused(token.get("/bookings"), 401, "token_revoked")
    assert db.apiTokens.count_documents({}) == 0


def test_erasure_ends_tokens(client, app, db):
    owner = Caller(client, app)
    token = TokenCaller(owner, db)
    assert owner.call("DELETE", f"/users/{owner.id}").status_code == 200
    refused(token.get("/bookings"), 401, "token_revoked")
    assert db.apiTokens.count_documents({}) == 0


class TestChangesMeanwhile:
    """The account changes after the password was checked, before the token is stored."""

    def change_before_insert(self, monkeypatch, change):
        insert = store_api_tokens.insert

        def change_and_insert(db, token):
            change()
            insert(db, token)

        monkeypatch.setattr(store_api_tokens, "insert", change_and_insert)

    def test_another_password_refuses_the_token(self, owner, db, monkeypatch):
        change = {"$set": {"passwordHash": hash_password("battery staple", 4)}}
        self.change_before_insert(
            monkeypatch, lambda: db.users.update_one({"_id": owner.id}, change)
        )
        refused(create(owner), 400, "wrong_password")
        assert db.apiTokens.count_documents({}) == 0

    def test_another_hash_of_the_same_password_does_not(self, owner, db, monkeypatch):
        change = {"$set": {"passwordHash": hash_password(PASSWORD, 5)}}
        self.change_before_insert(
            monkeypatch, lambda: db.users.update_one({"_id": owner.id}, change)
        )
        assert create(owner).status_code == 201

    def test_a_deleted_account_gets_none(self, owner, db, monkeypatch):
        self.change_before_insert(monkeypatch, lambda: accounts_store.delete(db, owner.id))
        refused(create(owner), 400, "wrong_password")
        assert db.apiTokens.count_documents({}) == 0

    def test_another_role_is_that_of_the_token(self, owner, db, monkeypatch):
        demote = partial(update_user, db, owner.id, {"role": "attendee"}, now=utc_now())
        self.change_before_insert(monkeypatch, demote)
        assert create(owner).status_code == 201
        assert db.apiTokens.find_one()["role"] == "attendee"


def test_the_last_use_is_shown_to_five_minutes(owner, db):
    token = TokenCaller(owner, db, "events:read")
    assert token.get("/events").status_code == 200

    def find_last_use():
        return owner.get("/auth/tokens").json["tokens"][0]["lastUsedAt"]

    shown = datetime.fromisoformat(eventually(find_last_use))
    assert timedelta(0) <= utc_now() - shown <= timedelta(minutes=6)
    assert (shown.minute % 5, shown.second, shown.microsecond) == (0, 0, 0)


def test_a_use_is_written_once_in_five_minutes_and_again_if_that_fails(db):
    written, failures = [], []

    def write(_db, id_, used_at):
        if failures:
            raise failures.pop()
        written.append((id_, used_at))

    recorder, now = last_use.LastUseRecorder(write), utc_now().replace(minute=31, second=0)
    used_at = now.replace(minute=30, microsecond=0)
    recorder.record(db, 1, None, now).result()
    assert recorder.record(db, 1, None, now + timedelta(minutes=3)) is None
    assert recorder.record(db, 2, used_at, now) is None
    recorder.record(db, 2, used_at - timedelta(minutes=5), now).result()
    failures.append(last_use.DatabaseUnavailable())
    later = now + timedelta(minutes=5)
    for _attempt in range(2):
        recorder.record(db, 1, used_at, later).result()
    assert written == [(1, used_at), (2, used_at), (1, used_at + timedelta(minutes=5))]


def test_a_request_with_a_token_makes_as_many_reads_as_one_with_a_session(owner, db):
    event_of(db, 5, organizer_id=owner.id)
    token = TokenCaller(owner, db, "events:read")
    by_session = read_counted(owner, "/events/1/quotas")
    assert by_session.count("sessions.find") == 1
    by_token = read_counted(token, "/events/1/quotas")
    assert by_token.count("apiTokens.find_one") == 1
    by_session, by_token = (
        [call for call in calls if not call.startswith(prefix)]
        for calls, prefix in ((by_session, "sessions."), (by_token, "apiTokens."))
    )
    assert by_token == by_session
    assert not [call for call in by_token if call.startswith(("sessions", "users"))]


@pytest.mark.parametrize("status", ["published", "draft"])
@pytest.mark.parametrize("is_idle", [False, True])
def test_an_ended_token_loses_its_streams(client, owner, db, monkeypatch, status, is_idle):
    monkeypatch.setattr(hub_module, "RESTRICTED_CHECK_SECONDS", 0.05 if is_idle else 3600)
    event_of(db, 5, organizer_id=owner.id, status=status)
    token = TokenCaller(owner, db, "events:read")
    with ClientStream(client, "/api/events/1/stream", headers=token.headers) as stream:
        assert stream.next().event == "availability"
        owner.call("DELETE", f"/auth/tokens/{token.token['_id']}")
        if not is_idle:
            change = {"ticketTypes.0.availableTickets": -1, "rev": 1}
            db.events.update_one({"eventId": 1}, {"$inc": change})
        assert stream.has_ended()


def test_all_scopes_are_documented(client):
    schemas = client.get("/api/openapi.json").json["components"]["schemas"]
    assert schemas["ApiTokenBody"]["properties"]["scopes"]["items"]["enum"] == list(SCOPES)
