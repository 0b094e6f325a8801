"""Mails are in the language of their recipient; messages of the API are English."""

import pytest

from tests.account_mails import read_token
from tests.bookings_factories import Caller, context_of, event_of, refused
from tests.notifications_factories import notify_holders

PERSON = {"name": "Άννα", "email": "anna@example.org", "password": "correct horse"}


def register(client, accepted, path="/api/auth/register"):
    headers = {"Accept-Language": accepted} if accepted is not None else {}
    answer = client.post(path, json=PERSON, headers=headers)
    assert answer.status_code == 201, answer.json
    return answer.json


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("el", "el"),
        ("el-GR,el;q=0.9,en;q=0.8", "el"),
        ("el-GR,en;q=0.5", "el"),
        ("en-GB;q=0.5,el-CY", "el"),
        ("en-US,en;q=0.9,el;q=0.8", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("de,el;q=0.5,en;q=0.4", "el"),
        ("EL", "el"),
        ("el;q=0", "en"),
        ("*", "en"),
        (";;,el;q=x,\u00e9", "en"),
    ],
)
def test_the_language_is_chosen_at_the_registration(client, db, accepted, language):
    assert register(client, accepted)["user"]["language"] == language
    assert db.users.find_one()["language"] == language


def test_the_verification_and_the_reset_are_mailed_in_it(client, app, db):
    register(client, "el")
    read_token(app, "email_verification")
    client.post("/api/auth/forgot-password", json={"email": PERSON["email"]})
    body = {"token": read_token(app, "password_reset"), "newPassword": "battery staple"}
    answer = client.post("/api/auth/reset-password", json=body)
    assert answer.json == {"message": "Password changed"}
    subjects = {mail["kind"]: mail["subject"] for mail in db.mails.find()}
    assert subjects == {
        "email_verification": "Επιβεβαιώστε τη διεύθυνση email σας",
        "password_reset": "Επιλέξτε νέο κωδικό πρόσβασης",
        "password_was_reset": "Ο κωδικός πρόσβασής σας άλλαξε",
    }
    told = db.mails.find_one({"kind": "password_was_reset"})
    assert "- 1 σύνδεση: " in told["text"]
    assert '<html lang="el">' in told["html"]


def test_the_android_app_chooses_it_too_and_shows_no_such_field(client, db):
    shown = register(client, "el", "/android/api/users")
    assert "language" not in shown
    assert db.users.find_one()["language"] == "el"


def test_the_language_is_changed_in_the_profile_and_by_admins(ann, root):
    assert ann.get("/auth/profile").json["language"] == "en"
    answer = ann.call("PUT", "/auth/profile", {"language": "el"})
    assert (answer.status_code, answer.json["language"]) == (200, "el")
    assert ann.get(f"/users/{ann.id}/export").json["user"]["language"] == "el"
    answer = root.call("PUT", f"/users/{ann.id}", {"language": "en"})
    assert (answer.status_code, answer.json["language"]) == (200, "en")
    for value in ("de", "", "EL", None, 1):
        answer = ann.call("PUT", "/auth/profile", {"language": value})
        assert list(refused(answer, 400, "validation_error")["errors"]) == ["language"]


def test_an_account_of_an_older_version_gets_english_mails(db, ann, app):
    db.users.update_one({"_id": ann.id}, {"$unset": {"language": ""}})
    assert ann.get("/auth/profile").json["language"] == "en"
    ann.book(event_of(db, 5))
    notify_holders(context_of(app))
    assert db.mails.find_one()["subject"].startswith("Booking confirmed: ")


def test_a_booking_is_mailed_in_it_and_shown_in_english(client, app, db, host):
    anna, ann = Caller(client, app), Caller(client, app)
    db.users.update_one({"_id": anna.id}, {"$set": {"language": "el", "emailVerified": True}})
    event = event_of(db, 5, organizer_id=host.id)
    for holder in (anna, ann):
        holder.book(event, 2)
    notify_holders(context_of(app))
    mails = {mail["userId"]: mail for mail in db.mails.find()}
    assert mails[anna.id]["subject"].startswith("Η κράτηση επιβεβαιώθηκε: ")
    assert "40\xa0€" in mails[anna.id]["text"]
    assert mails[ann.id]["subject"].startswith("Booking confirmed: ")
    assert "€40" in mails[ann.id]["text"]
    (shown,) = anna.get("/notifications").json["notifications"]
    assert shown["title"].startswith("Booking confirmed: ")
