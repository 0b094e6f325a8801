"""Sending the tickets of a booking again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from eventapp.bookings.notifications import RESEND_WINDOW, notify_holders
from eventapp.bookings.routes import bookings as routes
from eventapp.core.clock import utc_now
from tests.bookings_factories import Caller, context_of, event_of, refused
from tests.teams import add_member

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def booking(app, db, host, holder):
    """A confirmed booking whose first mail is written."""
    made = holder.book(event_of(db, 5, organizer_id=host.id), 2)
    notify_holders(context_of(app), utc_now())
    return made


def resend(caller, booking):
    return caller.call("POST", f"/bookings/{booking['_id']}/resend")


def list_mails(db):
    return list(db.mails.find({"kind": "booking_confirmed"}).sort("_id"))


def test_the_tickets_are_sent_again_to_the_holder(db, host, holder, booking):
    for caller in (host, holder):
        db.mails.delete_many({"key": {"$regex": ":again:"}})
        answer = resend(caller, booking)
        assert answer.status_code == 202
        first, again = list_mails(db)
        assert again["to"] == first["to"]
        assert again["userId"] == holder.id
        assert (again["subject"], again["text"]) == (first["subject"], first["text"])
    assert db.notifications.count_documents({"userId": holder.id}) == 1


def test_the_tickets_are_sent_again_once_in_a_window(db, holder, booking, monkeypatch):
    assert resend(holder, booking).status_code == 202
    answer = resend(holder, booking)
    refused(answer, 429, "mail_sent_lately")
    assert 1 <= int(answer.headers["Retry-After"]) <= RESEND_WINDOW.total_seconds()
    assert len(list_mails(db)) == 2
    later = utc_now() + RESEND_WINDOW
    monkeypatch.setattr(routes, "utc_now", lambda: later)
    assert resend(holder, booking).status_code == 202
    assert len(list_mails(db)) == 3


def test_requests_at_once_write_one_mail(app, db, holder, booking, monkeypatch):
    now = utc_now()
    monkeypatch.setattr(routes, "utc_now", lambda: now)

    def send(_number):
        path = f"/api/bookings/{booking['_id']}/resend"
        return app.test_client().post(path, headers=holder.headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(send, range(8)))
    assert statuses == [202, *[429] * 7]
    assert len(list_mails(db)) == 2


def test_nothing_is_sent_twice_while_the_first_mail_waits(app, db, host, holder):
    made = holder.book(event_of(db, 5, organizer_id=host.id), 2)
    assert resend(holder, made).status_code == 202
    assert list_mails(db) == []
    notify_holders(context_of(app), utc_now())
    assert len(list_mails(db)) == 1


def test_only_confirmed_bookings_have_tickets_to_send(app, db, host, holder, booking):
    held = holder.book(event_of(db, 5, organizer_id=host.id), 1, hold=True)
    refused(resend(holder, held), 409, "not_confirmed")
    holder.cancel(booking)
    refused(resend(host, booking), 409, "not_confirmed")
    assert len(list_mails(db)) == 1


def test_a_holder_without_an_account_gets_nothing(db, host, holder, booking):
    db.users.delete_one({"_id": holder.id})
    refused(resend(host, booking), 409, "not_confirmed")


@pytest.mark.parametrize(("role", "status"), [("manager", 202), ("viewer", 404), ("door", 404)])
def test_of_a_team_managers_send_tickets_again(
    app, client, db, host, holder, booking, role, status
):
    member = Caller(client, app)
    add_member(db, host, member, role)
    assert resend(member, booking).status_code == status
    assert len(list_mails(db)) == (2 if status == 202 else 1)


def test_others_send_nothing(app, client, db, ann, booking):
    refused(resend(ann, booking), 404, "booking_not_found")
    stranger = Caller(client, app, "organizer")
    refused(resend(stranger, booking), 404, "booking_not_found")
    refused(resend(ann, {"_id": "0" * 24}), 404, "booking_not_found")
    assert client.post(f"/api/bookings/{booking['_id']}/resend").status_code == 401
    assert len(list_mails(db)) == 1
