"""The email of an account is verified by a mailed link, and unverified addresses get few mails."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.accounts import verification
from eventapp.accounts.errors import TokenInvalid
from eventapp.config import ConfigError, load_config
from eventapp.core.clock import utc_now
from eventapp.notifications.rules import KINDS, remove_links
from eventapp.notifications.types import NewNotification, Recipient
from tests.account_mails import read_mails, read_token, read_tokens
from tests.bookings_factories import Caller, event_of
from tests.factories import bearer
from tests.http.gson import BASE, decode_user
from tests.notifications_factories import FACTS, ITEMS, notify

ANN = {"name": "Ann", "email": "Ann@Example.org", "password": "correct horse"}
KIND = "email_verification"


@pytest.fixture
def ann(client):
    answer = client.post("/api/auth/register", json=ANN).json
    return {**answer, "headers": bearer(answer["token"])}


def verify(client, token):
    return client.post("/api/auth/verify-email", json={"token": token})


def resend(client, headers):
    return client.post("/api/auth/verify-email/resend", headers=headers)


def is_verified(client, headers):
    return client.get("/api/auth/profile", headers=headers).json["emailVerified"]


def test_a_registration_sends_a_mail_that_verifies_the_address(client, app, ann):
    assert ann["user"]["emailVerified"] is False
    (mail,) = read_mails(app, KIND)
    assert mail["to"] == "Ann@Example.org"
    token = read_token(app, KIND)
    assert f"/account/verify#token={token}" in mail["text"]
    assert f'/account/verify#token={token}"' in mail["html"]
    assert "Hello Ann" not in mail["text"] + mail["html"]
    answer = verify(client, token)
    assert (answer.status_code, answer.json) == (200, {"message": "Email address verified"})
    assert is_verified(client, ann["headers"]) is True
    again = verify(client, token)
    assert (again.status_code, again.json["code"]) == (400, "token_invalid")


@pytest.mark.parametrize("path", ["/api/users", BASE + "users", "/api/auth/create-admin"])
def test_every_registration_sends_the_mail(client, app, db, admin, path):
    assert client.post(path, json=ANN, headers=admin["headers"]).status_code == 201
    assert verify(client, read_token(app, KIND)).status_code == 200
    assert db.users.find_one({"name": "Ann"})["emailVerified"] is True


def test_the_android_app_works_unverified_and_sees_the_same_flat_user(client, app):
    registered = client.post(BASE + "users", json=ANN)
    assert "emailVerified" not in registered.json
    user = decode_user(registered.json)
    login = {"name": "Ann", "password": ANN["password"]}
    assert client.post(BASE + "users/login", json=login).status_code == 200
    changed = client.put(f"{BASE}users/{user['_id']}", json={"about": "x"})
    assert decode_user(changed.json)["about"] == "x"


def test_another_mail_voids_the_first_link_and_only_three_an_hour_are_sent(client, app, ann):
    assert resend(client, {}).status_code == 401
    for _request in range(4):
        assert resend(client, ann["headers"]).status_code == 202
        tokens = read_tokens(app, KIND)
    assert len(tokens) == 3
    assert [verify(client, token).status_code for token in tokens] == [400, 400, 200]
    refused = resend(client, ann["headers"])
    assert (refused.status_code, refused.json["code"]) == (409, "already_verified")


def test_a_link_is_good_for_three_days(client, app, db, ann):
    unused = {"password": None, "client_ip": "", "bcrypt_rounds": 4}
    token = read_token(app, KIND)
    with pytest.raises(TokenInvalid):
        verification.verify_email(db, token, **unused, now=utc_now() + timedelta(days=3))
    verification.verify_email(db, token, **unused, now=utc_now() + timedelta(days=2, hours=23))


def test_a_token_verifies_only_the_address_that_it_was_mailed_to(client, app, db, ann):
    token = read_token(app, KIND)
    db.users.update_one({}, {"$set": {"email": "b@example.org", "emailKey": "b@example.org"}})
    assert verify(client, token).json["code"] == "token_invalid"
    assert is_verified(client, ann["headers"]) is False


def test_tokens_for_one_purpose_are_not_good_for_another(client, app, ann):
    client.post("/api/auth/forgot-password", json={"email": ANN["email"]})
    reset_token, verification_token = read_token(app, "password_reset"), read_token(app, KIND)
    body = {"token": verification_token, "newPassword": "battery staple"}
    assert client.post("/api/auth/reset-password", json=body).json["code"] == "token_invalid"
    assert verify(client, reset_token).json["code"] == "token_invalid"
    body["token"] = reset_token
    assert client.post("/api/auth/reset-password", json=body).status_code == 200
    assert verify(client, verification_token).json["code"] == "token_invalid"


def test_an_account_of_an_older_version_is_verified_for_mails_alone(client, app, db, ann):
    user_id = ObjectId(ann["user"]["_id"])
    assert accounts.find_recipients(db, [user_id])[user_id].is_verified is False
    db.users.update_one({}, {"$unset": {"emailVerified": ""}})
    assert is_verified(client, ann["headers"]) is False
    assert accounts.find_recipients(db, [user_id])[user_id].is_verified is True
    assert resend(client, ann["headers"]).status_code == 202


def make_mail(db, kind, *, is_verified, **data):
    """Store a notification; return its mail, None if none was stored."""
    recipient = Recipient(ObjectId(), "Zoe", "zoe@example.org", is_verified=is_verified)
    facts = {**FACTS, "expiresAt": utc_now(), "reason": "event_over", "left": 1, "schedule": []}
    facts |= {"subject": "Doors", "text": "Come early", "webhookHost": "hooks.example.org"}
    mail_data = {"items": ITEMS, "totalPrice": 40}
    mail_data |= {"organizer": "Olga", "subject": "News", "text": "The doors open at seven."}
    key = str(ObjectId())
    new = NewNotification(key, kind, recipient, utc_now(), {**facts, **data}, mail_data)
    notify(db, new)
    return db.mails.find_one({"key": key})


@pytest.mark.parametrize("kind", KINDS)
def test_an_unverified_address_gets_mails_of_its_bookings_without_a_name(db, kind):
    verified, unverified = (make_mail(db, kind, is_verified=each) for each in (True, False))
    assert "Hello Zoe," in verified["text"]
    if kind in ("low_tickets", "webhook_disabled"):  # They are about no booking of hers.
        assert unverified is None
        return
    assert "Hello,\n" in unverified["text"]
    assert "Zoe" not in unverified["text"] + unverified["html"]
    assert db.notifications.count_documents({}) == 2


def test_an_unverified_address_gets_no_report(db):
    facts = {"period": "daily", "from": "2030-01-01", "to": "2030-01-01"}
    sums = dict.fromkeys(("bookings", "tickets", "gross", "discount", "revenue", "ended"), 0)
    recipient = Recipient(ObjectId(), "Zoe", "zoe@example.org", is_verified=False)
    mail_data = {"rows": [], "currency": "EUR", **sums}
    notify(db, NewNotification("r", "report", recipient, utc_now(), facts, mail_data, (), False))
    assert db.mails.count_documents({}) == 0


@pytest.mark.parametrize(
    "title", ["Win at https://evil.example/x", "www.evil.example", "write to me@evil.example"]
)
@pytest.mark.parametrize("kind", ["booking_confirmed", "event_changed"])
def test_a_title_makes_no_link_in_a_mail_to_an_unverified_address(db, kind, title):
    verified, unverified = (
        make_mail(db, kind, is_verified=each, eventTitle=title, location=title)
        for each in (True, False)
    )
    assert title in verified["text"]
    for part in ("subject", "text", "html"):
        assert "evil" in unverified[part]
        assert "evil.example" not in unverified[part], part
        assert title not in unverified[part], part
    for part in ("text", "html"):
        assert title in unverified[part].replace("\u200b", "")
    assert f">{title}</a>" not in unverified["html"].replace("\u200b", "")


def test_only_texts_of_people_are_changed():
    facts = {"eventTitle": "a.b", "currency": "EUR", "codes": ["x.y"], "items": [{"type": "c.d"}]}
    changed = remove_links(facts)
    assert changed == {
        **facts,
        "eventTitle": "a.\u200bb",
        "items": [{"type": "c.\u200bd"}],
    }


@pytest.fixture(scope="module")
def requiring_app(make_app):
    return make_app(REQUIRE_VERIFIED_EMAIL="true")


class TestRequired:
    """With REQUIRE_VERIFIED_EMAIL=true only verified accounts book and wait."""

    @pytest.fixture
    def app(self, requiring_app):
        return requiring_app

    def test_an_account_books_once_its_email_is_verified(self, app, client, db, ann):
        free, full = event_of(db, 5), event_of(db, 1)
        holder = Caller(client, app)
        db.users.update_one({"_id": holder.id}, {"$set": {"emailVerified": True}})
        holder.book(full)

        def send(path, event_id, **body):
            answer = client.post(
                f"/api{path}", json={"eventId": event_id, **body}, headers=ann["headers"]
            )
            return answer.status_code, answer.json.get("code")

        def send_all():
            accepted = client.post(f"/api/waitlist/{full}/accept", json={}, headers=ann["headers"])
            return [
                send("/bookings", free, ticketTypeId=1, quantity=1),
                send("/waitlist", full, ticketTypeId=1, quantity=1),
                (accepted.status_code, accepted.json.get("code")),
            ]

        assert send_all() == [(403, "email_not_verified")] * 3
        assert db.bookings.count_documents({}) == 1
        assert verify(client, read_token(app, KIND)).status_code == 200
        assert send_all() == [(201, None), (201, None), (404, "no_offer")]

    def test_an_account_of_an_older_version_is_not_verified(self, app, client, db):
        caller = Caller(client, app)
        event_id = event_of(db, 5)
        body = {"eventId": event_id, "ticketTypeId": 1, "quantity": 1}
        refused = client.post("/api/bookings", json=body, headers=caller.headers)
        assert (refused.status_code, refused.json["code"]) == (403, "email_not_verified")
        db.users.update_one({"_id": caller.id}, {"$set": {"emailVerified": True}})
        caller.book(event_id)


def test_production_refuses_to_require_what_it_cannot_send(tmp_path):
    given = {
        "INSTANCE_DIR": str(tmp_path),
        "APP_ENV": "production",
        "JWT_SECRET": "kP4-zV8_qT1mX6wB3nR9sD2fH7jL5cYg0aE",
        "PUBLIC_BASE_URL": "https://tickets.example",
        "REQUIRE_VERIFIED_EMAIL": "true",
    }
    with pytest.raises(ConfigError, match="REQUIRE_VERIFIED_EMAIL"):
        load_config(given)
    assert load_config({**given, "SMTP_URL": "smtp://mail.example"}).require_verified_email
