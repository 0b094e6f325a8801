"""A forgotten password is reset by a mailed link, which tells nobody which accounts exist."""

import statistics
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from bson import json_util
from pymongo.collection import Collection

from eventapp.accounts import mail_requests, recovery
from eventapp.accounts.mail_requests import MAIL_SEALER, MailContext
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.embedded.collection import EmbeddedCollection
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.core.http.app_context import CONFIG
from eventapp.jobs import service as jobs
from eventapp.notifications.outbox import Outbox
from tests.account_mails import make_mails, read_mails, read_token, read_tokens
from tests.bookings_factories import context_of
from tests.conftest import MONGO_URI
from tests.factories import bearer
from tests.http.gson import BASE
from tests.notifications_factories import mail_server, send_mails, worker_context

PASSWORD, NEW_PASSWORD = "correct horse", "battery staple"
ANN = {"name": "Ann", "email": "Ann@Example.org", "password": PASSWORD}
RESET, WAS_RESET = "password_reset", "password_was_reset"
CALLS = ("find", "find_one", "insert_one", "insert_many", "update_one", "replace_one")
CALLS += ("update_many", "delete_one", "delete_many", "find_one_and_update", "bulk_write")


@pytest.fixture
def ann(client, db):
    answer = client.post("/api/auth/register", json=ANN).json
    db.mailRequests.delete_many({})  # The one that verifies the email is not the subject here.
    return {**answer, "headers": bearer(answer["token"])}


def forget(client, email="ann@example.org"):
    return client.post("/api/auth/forgot-password", json={"email": email})


def reset(client, token, password=NEW_PASSWORD):
    return client.post("/api/auth/reset-password", json={"token": token, "newPassword": password})


def log_in(client, password):
    return client.post("/api/auth/login", json={"email": ANN["email"], "password": password})


@contextmanager
def counted_calls():
    """Record the calls of collections in this block."""
    calls = []

    def record(name, call):
        def recorded(collection, *args, **kwargs):
            calls.append(f"{collection.name}.{name}")
            return call(collection, *args, **kwargs)

        return recorded

    with pytest.MonkeyPatch.context() as patch:
        for class_ in (Collection, EmbeddedCollection):
            for name in CALLS:
                if name in vars(class_):
                    patch.setattr(class_, name, record(name, vars(class_)[name]))
        yield calls


class Died(BaseException):
    """Ends a call as the death of its process does: no handler of the application catches it."""


def die_at(name, call):
    """Run a call until it passes this failpoint."""

    def die(passed):
        if passed == name:
            raise Died

    set_failpoint_hook(die)
    try:
        with pytest.raises(Died):
            call()
    finally:
        set_failpoint_hook(None)


def test_a_mailed_link_resets_the_password(client, app, ann):
    asked = forget(client, " aNN@example.ORG ")
    assert asked.status_code == 202
    (mail,) = read_mails(app, RESET)
    assert mail["to"] == "Ann@Example.org"
    assert f"/account/reset#token={read_token(app, RESET)}" in mail["text"]
    assert f'/account/reset#token={read_token(app, RESET)}"' in mail["html"]
    assert "Ann," not in mail["text"] + mail["html"]
    answer = reset(client, read_token(app, RESET))
    assert (answer.status_code, answer.json) == (200, {"message": "Password changed"})
    assert log_in(client, PASSWORD).status_code == 401
    assert log_in(client, NEW_PASSWORD).status_code == 200


def test_a_known_and_an_unknown_address_get_the_same_answer_for_the_same_work(client, ann, db):
    seen = []
    for email in (ANN["email"], "nobody@example.org"):
        with counted_calls() as calls:
            answer = forget(client, email)
        headers = {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
        seen.append((answer.status_code, answer.data, headers, calls))
    assert seen[0] == seen[1]
    assert seen[0][3] == ["mailRequests.insert_one"]
    assert db.mails.count_documents({}) == 0


def test_a_known_and_an_unknown_address_take_the_same_time(client, ann):
    seconds = {ANN["email"]: [], "not@example.org": []}
    for turn in range(40):  # In turns, each first as often, so that a slow moment meets both.
        for email in list(seconds) if turn % 2 else reversed(seconds):
            began = time.perf_counter()
            forget(client, email)
            seconds[email].append(time.perf_counter() - began)
    # The fastest quarter of the calls was disturbed least by what else the machine does.
    known, unknown = (statistics.quantiles(each)[0] for each in seconds.values())
    assert known / unknown == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("email", ["nonsense", "a@b", "ann@example.org\0", {"$gt": ""}, None])
def test_what_is_no_address_is_refused(client, ann, db, email):
    answer = client.post("/api/auth/forgot-password", json={"email": email})
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
    assert db.mailRequests.count_documents({}) == 0


def test_an_unknown_address_gets_no_mail_and_leaves_nothing(client, app, db, ann):
    forget(client, "nobody@example.org")
    assert db.mailRequests.count_documents({}) == 1
    assert "nobody" not in json_util.dumps(list(db.mailRequests.find()))
    assert make_mails(app) == 1
    for name in ("mailRequests", "mailTokens", "mails"):
        assert db[name].count_documents({}) == 0, name


def test_all_tokens_that_are_not_valid_get_the_same_answer(client, app, ann):
    forget(client)
    older = read_token(app, RESET)
    forget(client)
    used = read_token(app, RESET)
    assert older != used
    assert reset(client, used).status_code == 200
    answers = {reset(client, token).data for token in (older, used, "x" * 43, "x", "\u03c8")}
    assert len(answers) == 1
    answer = reset(client, older)
    assert (answer.status_code, answer.json["code"]) == (400, "token_invalid")
    assert log_in(client, NEW_PASSWORD).status_code == 200


def test_a_token_is_good_for_an_hour(app, db, ann, client):
    forget(client)
    token, sealer = read_token(app, RESET), MAIL_SEALER.get(app)

    def reset_in(**span):
        later = {"now": utc_now() + timedelta(**span), "bcrypt_rounds": 4}
        recovery.reset_password(db, sealer, token=token, new_password=NEW_PASSWORD, **later)

    with pytest.raises(recovery.TokenInvalid):
        reset_in(minutes=60)
    reset_in(minutes=59)
    assert log_in(client, NEW_PASSWORD).status_code == 200


def test_a_bad_new_password_does_not_use_up_the_token(client, app, ann):
    forget(client)
    token = read_token(app, RESET)
    for password in ("short", "x" * 73, "with \0 in it"):
        answer = reset(client, token, password)
        assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
        assert list(answer.json["errors"]) == ["newPassword"]
    assert reset(client, token).status_code == 200


def test_an_account_gets_at_most_three_mails_within_any_hour(client, app, db, ann):
    context = MailContext(MAIL_SEALER.get(app), "https://tickets.example")

    def ask(minute):
        now = utc_now() + timedelta(minutes=minute)
        recovery.request_reset(db, context.sealer, ANN["email"], now)
        mail_requests.make_requested_mails(db, context, now)
        return db.mails.count_documents({"kind": RESET})

    assert [ask(minute) for minute in (0, 30, 40, 41, 59)] == [1, 2, 3, 3, 3]
    assert [ask(minute) for minute in (61, 62, 89, 91)] == [4, 4, 4, 5]
    other = {**ANN, "name": "Bob", "email": "bob@example.org"}
    client.post("/api/auth/register", json=other)
    recovery.request_reset(db, context.sealer, other["email"], utc_now())
    assert len(read_mails(app, RESET)) == 6


def test_a_refused_mail_leaves_the_last_link_valid(client, app, ann):
    for _request in range(5):
        forget(client)
    tokens = read_tokens(app, RESET)
    assert len(tokens) == 3
    assert [reset(client, token).status_code for token in tokens] == [400, 400, 200]


def test_a_reset_ends_sessions_capabilities_and_mailed_links(client, app, db, ann):
    other = log_in(client, PASSWORD).json
    login = {"name": "Ann", "password": PASSWORD}
    capability = client.post(BASE + "users/login", json=login).json["_id"]
    forget(client)
    assert reset(client, read_token(app, RESET)).status_code == 200
    for token in (ann["token"], other["token"]):
        answer = client.get("/api/auth/profile", headers=bearer(token))
        assert (answer.status_code, answer.json["code"]) == (401, "token_revoked")
    refreshed = client.post("/api/auth/refresh", json={"refreshToken": other["refreshToken"]})
    assert refreshed.status_code == 401
    renamed = client.put(f"{BASE}users/{capability}", json={"name": "Eve"})
    assert renamed.status_code == 401
    assert db.sessions.count_documents({}) == 0
    (mail,) = read_mails(app, WAS_RESET)
    assert "- 3 sessions: wherever you were signed in" in mail["text"]
    assert "<li>3 sessions: wherever" in mail["html"]
    assert "- every link in an earlier" in mail["text"]
    assert "API token" not in mail["text"]
    assert "unfinishedReset" not in db.users.find_one()


@pytest.mark.skipif(not MONGO_URI, reason="one process opens an embedded store")
def test_a_reset_ends_the_sessions_of_another_process_at_once(make_app, client, app, ann):
    other = make_app(
        MONGO_URI=CONFIG.get(app).mongo_uri, JWT_SECRET=CONFIG.get(app).jwt_secret
    ).test_client()
    assert other.get("/api/auth/profile", headers=ann["headers"]).status_code == 200
    forget(client)
    assert reset(client, read_token(app, RESET)).status_code == 200
    assert other.get("/api/auth/profile", headers=ann["headers"]).status_code == 401


def test_a_token_of_an_address_that_the_account_had_before_is_not_valid(client, app, db, ann):
    forget(client)
    token = read_token(app, RESET)
    moved = {"email": "new@example.org", "emailKey": "new@example.org"}
    db.users.update_one({}, {"$set": moved})
    answer = reset(client, token)
    assert (answer.status_code, answer.json["code"]) == (400, "token_invalid")
    assert client.get("/api/auth/profile", headers=ann["headers"]).status_code == 200


def test_a_token_is_stored_as_a_digest_and_sealed_until_its_mail_is_sent(client, app, db, ann):
    forget(client)
    token = read_token(app, RESET)
    everything = {
        name: json_util.dumps(list(db[name].find())) for name in db.list_collection_names()
    }
    assert [name for name, text in everything.items() if token in text] == []
    stored = db.mails.find_one({"kind": RESET})
    assert (stored["text"], stored["html"]) == ("", "")
    with mail_server() as box:
        outbox = Outbox(box.outbox().connect, sealer=MAIL_SEALER.get(app))
        assert send_mails(db, outbox) == 1
        ((to, content),) = box.received
    assert to == ANN["email"]
    assert token in content.decode().replace("=\r\n", "").replace("=3D", "=")
    sent = db.mails.find_one({"kind": RESET})
    assert (sent["status"], "sealed" in sent, sent["text"]) == ("sent", False, "")


@pytest.mark.parametrize("is_logged", [True, False])
def test_a_mail_that_is_logged_or_cannot_be_opened_keeps_no_text(client, app, db, ann, is_logged):
    forget(client)
    make_mails(app)
    with mail_server() as box:
        outbox = context_of(app).outbox if is_logged else box.outbox()  # It has no key.
        assert send_mails(db, outbox) == 1
        assert box.received == []
    mail = db.mails.find_one()
    assert mail["status"] == ("logged" if is_logged else "failed")
    assert "sealed" not in mail


def test_a_token_is_in_no_export_and_no_log(make_app, capsys):
    app = make_app(LOG_LEVEL="debug", LOG_FORMAT="json")
    client, db = app.test_client(), OPEN_DATABASE.get(app).db
    signed_in = client.post("/api/auth/register", json=ANN).json
    forget(client)
    tokens = [read_token(app, RESET)]
    export = f"/api/users/{signed_in['user']['_id']}/export"
    exported = client.get(export, headers=bearer(signed_in["token"])).get_data(as_text=True)
    assert RESET in exported
    for invalid in ("short", NEW_PASSWORD):
        reset(client, tokens[0], invalid)
    client.post(f"/api/auth/reset-password?token={tokens[0]}", json={"token": tokens[0]})
    forget(client)
    jobs.run_job("account-mails", context_of(app))
    tokens.append(read_token(app, RESET))
    send_mails(db, context_of(app).outbox)
    logged = capsys.readouterr().err
    assert logged.count("forgot-password") == 2
    for token in tokens:
        assert token not in exported + logged


@pytest.mark.parametrize("failpoint", ["mail-token-issued", "token-mail-queued"])
def test_a_mail_is_made_once_although_the_worker_dies(client, app, db, ann, failpoint):
    forget(client)
    die_at(failpoint, lambda: make_mails(app))
    assert db.mailRequests.count_documents({}) == 1
    (token,) = read_tokens(app, RESET)
    assert db.mailRequests.count_documents({}) == 0
    assert reset(client, token).status_code == 200


def test_a_request_that_is_handled_again_does_not_revive_a_used_token(client, app, db, ann):
    forget(client)
    request = db.mailRequests.find_one()
    token = read_token(app, RESET)
    assert reset(client, token).status_code == 200
    db.mailRequests.insert_one(request)
    assert len(read_tokens(app, RESET)) == 1
    assert reset(client, token).status_code == 400


def test_an_older_request_that_comes_late_does_not_void_a_newer_link(client, app, db, ann):
    forget(client)
    late = db.mailRequests.find_one_and_delete({})
    forget(client)
    newer = read_token(app, RESET)
    late["requestedAt"] -= timedelta(seconds=1)
    db.mailRequests.insert_one(late)
    assert read_tokens(app, RESET) == [newer]
    assert reset(client, newer).status_code == 200


def test_a_request_that_was_sealed_with_another_key_is_dropped(client, app, db, ann):
    forget(client)
    db.mailRequests.update_one({}, {"$set": {"sealed": b"\0" * 60}})
    assert make_mails(app) == 1
    assert (db.mailRequests.count_documents({}), db.mails.count_documents({})) == (0, 0)
    assert db.failedWork.count_documents({}) == 0


@pytest.mark.parametrize("failpoint", ["password-reset", "reset-sessions-ended", "reset-told"])
def test_a_reset_is_finished_after_the_process_died(client, app, db, ann, failpoint):
    forget(client)
    token = read_token(app, RESET)
    arguments = {"now": utc_now(), "bcrypt_rounds": 4}
    die_at(
        failpoint,
        lambda: recovery.reset_password(
            db, MAIL_SEALER.get(app), token=token, new_password=NEW_PASSWORD, **arguments
        ),
    )
    sealer = MAIL_SEALER.get(app)
    assert recovery.finish_interrupted(db, sealer, utc_now() + timedelta(seconds=50)) == 0
    assert recovery.finish_interrupted(db, sealer, utc_now() + timedelta(seconds=70)) == 1
    assert recovery.finish_interrupted(db, sealer, utc_now() + timedelta(seconds=70)) == 0
    assert db.sessions.count_documents({}) == 0
    (mail,) = read_mails(app, WAS_RESET)
    assert "- 1 session: wherever" in mail["text"]
    assert log_in(client, NEW_PASSWORD).status_code == 200


def test_the_sessions_end_although_the_process_died_after_a_change_of_the_password(
    client, app, db, ann
):
    other = log_in(client, PASSWORD).json
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    die_at(
        "password-changed",
        lambda: client.put("/api/auth/change-password", json=body, headers=ann["headers"]),
    )
    both = [ann["headers"], bearer(other["token"])]

    def get_statuses():
        return [client.get("/api/auth/profile", headers=each).status_code for each in both]

    assert get_statuses() == [200, 200]
    sealer = MAIL_SEALER.get(app)
    assert recovery.finish_interrupted(db, sealer, utc_now() + timedelta(seconds=50)) == 0
    assert recovery.finish_interrupted(db, sealer, utc_now() + timedelta(seconds=70)) == 1
    assert get_statuses() == [200, 401]
    assert "unfinishedChange" not in db.users.find_one()


def test_a_mail_whose_link_has_expired_is_not_sent(client, app, db, ann):
    forget(client)
    make_mails(app)
    with mail_server() as box:
        outbox = Outbox(box.outbox().connect, sealer=MAIL_SEALER.get(app))
        assert send_mails(db, outbox, minutes=61) == 1
        assert box.received == []
    mail = db.mails.find_one()
    assert (mail["status"], mail["lastError"]) == ("failed", "its link has expired")
    assert "sealed" not in mail


def test_the_worker_runs_both_jobs(app, client, db, ann):
    forget(client)
    context = worker_context(context_of(app), context_of(app).outbox)
    assert jobs.run_job("account-mails", context) == 1
    assert jobs.run_job("password-resets", context) == 0


def test_erasure_removes_tokens_requests_and_mails(client, app, db, ann):
    forget(client)
    make_mails(app)
    assert db.mailTokens.count_documents({}) == 1
    client.delete(f"/api/users/{ann['user']['_id']}", headers=ann["headers"])
    for name in ("mailTokens", "mailRequests", "mails"):
        assert db[name].count_documents({}) == 0, name


def test_forgotten_passwords_are_limited_like_logins(make_app):
    client = make_app(
        RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="40", RATE_LIMIT_WINDOW_MS="86400000"
    ).test_client()
    statuses = [forget(client, f"p{number}@example.org").status_code for number in range(11)]
    assert statuses == [202] * 10 + [429]
    assert reset(client, "x").status_code == 429
