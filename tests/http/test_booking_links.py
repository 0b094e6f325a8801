"""The link of a booking ends when its holder's email or password changes."""

import pytest

from eventapp.accounts import sessions
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from tests.account_mails import read_token
from tests.booking_links import make_key, make_link
from tests.bookings_factories import Caller, event_of
from tests.email_changes import (
    ANN,
    NEW,
    PASSWORD,
    VERIFY,
    VOID,
    change,
    change_and_verify,
    changed_config,
    log_in,
    pretend_to_mail,
    register,
    verify,
    void,
)
from tests.http.test_recovery import die_at, forget, reset

NEW_PASSWORD = "battery staple"


class Registered(Caller):
    """A caller who has registered, and so has a password and an email that can be changed."""

    def __init__(self, client, person=ANN):
        self.client, self.person = client, register(client, person)
        self.id, self.headers = self.person["id"], self.person["headers"]

    def change_password(self, new=NEW_PASSWORD, current=PASSWORD):
        body = {"currentPassword": current, "newPassword": new}
        return self.call("PUT", "/auth/change-password", body)


@pytest.fixture
def mailing(app):
    with pretend_to_mail(app):
        yield


@pytest.fixture
def ann(client, db):
    return Registered(client)


@pytest.fixture
def booking(db, ann):
    return ann.book(event_of(db, 5))


def test_a_link_names_the_booking_and_is_the_same_in_each_mail(app, booking):
    link = make_link(app, booking)
    assert f"/b/{booking['bookingReference']}?key=lnk_" in link
    assert link == make_link(app, booking)


def test_two_bookings_have_two_keys(app, db, ann, booking):
    assert make_key(app, ann.book(event_of(db, 5))) != make_key(app, booking)


def test_a_change_of_the_password_ends_the_link(app, ann, booking):
    before = make_key(app, booking)
    assert ann.change_password().status_code == 200
    after = make_key(app, booking)
    assert after != before
    # Back to the first password: the first link stays dead.
    assert ann.change_password(PASSWORD, NEW_PASSWORD).status_code == 200
    assert make_key(app, booking) not in (before, after)


def test_a_process_that_dies_after_the_change_has_ended_the_link(app, db, ann, booking):
    before = make_key(app, booking)
    change_ = {"user_id": db.users.find_one()["_id"], "session_id": None, "client_ip": "192.0.2.1"}
    database = OPEN_DATABASE.get(app).db
    die_at(
        "password-changed",
        lambda: sessions.change_password(
            database,
            **change_,
            current=PASSWORD,
            new=NEW_PASSWORD,
            now=utc_now(),
            bcrypt_rounds=4,
        ),
    )
    assert make_key(app, booking) != before


def test_a_refused_change_leaves_the_link(app, ann, booking):
    before = make_key(app, booking)
    assert ann.change_password(current="wrong password").status_code == 400
    assert make_key(app, booking) == before


def test_a_reset_of_the_password_ends_the_link(app, client, ann, booking):
    before = make_key(app, booking)
    forget(client)
    assert make_key(app, booking) == before
    assert reset(client, read_token(app, "password_reset"), NEW_PASSWORD).status_code == 200
    assert make_key(app, booking) != before


def test_a_login_that_renews_the_hash_leaves_the_link(app, db, client, ann, booking):
    before, hashed = make_key(app, booking), db.users.find_one()["passwordHash"]
    with changed_config(app, bcrypt_rounds=5):
        assert log_in(client, ANN["email"]) == 200
    assert db.users.find_one()["passwordHash"] != hashed
    assert make_key(app, booking) == before


def test_the_link_ends_when_a_new_email_is_verified_not_when_it_is_asked_for(
    app, client, mailing, ann, booking
):
    before = make_key(app, booking)
    assert change(client, ann.person, NEW).status_code == 200
    assert make_key(app, booking) == before
    assert verify(client, read_token(app, VERIFY)).status_code == 200
    assert make_key(app, booking) != before


def test_an_email_that_is_put_back_does_not_bring_the_link_back(app, client, mailing, ann, booking):
    first = make_key(app, booking)
    change_and_verify(client, app, ann.person, NEW)
    second = make_key(app, booking)
    assert void(client, read_token(app, VOID)).status_code == 200
    assert make_key(app, booking) not in (first, second)


def test_a_change_of_the_email_without_a_mail_server_ends_the_link(app, client, ann, booking):
    before = make_key(app, booking)
    assert change(client, ann.person, NEW).status_code == 200
    assert make_key(app, booking) != before


def test_another_name_or_the_same_email_leaves_the_link(app, client, ann, booking):
    before = make_key(app, booking)
    answer = ann.call("PUT", "/auth/profile", {"name": "Anna", "email": ANN["email"]})
    assert answer.status_code == 200
    assert make_key(app, booking) == before
