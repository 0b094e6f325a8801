"""A link of a booking that is replaced by several requests at once: only the last one is good."""

from urllib.parse import parse_qs, urlsplit

from bson import ObjectId

from eventapp.bookings import links
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from tests.booking_links import make_link
from tests.bookings_factories import Caller, context_of, event_of
from tests.email_changes import PASSWORD
from tests.http.test_booking_links import NEW_PASSWORD, Registered
from tests.race.kit import run_concurrently


def is_good(context, booking, link):
    (key,) = parse_qs(urlsplit(link).query)["key"]
    try:
        links.open_link(context, booking["bookingReference"], key, utc_now())
    except AppError:
        return False
    return True


def test_rotations_at_once_leave_one_link(client, app, db):
    holder, context = Caller(client, app), context_of(app)
    booking = holder.book(event_of(db, 5))
    first, actor = make_link(app, booking), Actor(holder.id, "attendee")

    def rotate():
        return links.rotate_link(context, ObjectId(booking["_id"]), actor, utc_now())

    made = run_concurrently(*[rotate] * 6)
    assert len(set(made)) == 6
    good = [link for link in (first, *made) if is_good(context, booking, link)]
    assert good == [make_link(app, booking)]


def test_no_link_outlives_a_change_of_the_password_at_the_same_time(client, app, db):
    ann, context = Registered(client), context_of(app)
    booking = ann.book(event_of(db, 5))
    booking_id, actor = ObjectId(booking["_id"]), Actor(ObjectId(ann.id), "attendee")

    def rotate():
        return links.rotate_link(context, booking_id, actor, utc_now())

    before, passwords = make_link(app, booking), (PASSWORD, NEW_PASSWORD)
    for current, new in (passwords, passwords[::-1]):
        other = Registered.__new__(Registered)
        other.client, other.headers = app.test_client(), ann.headers
        link, answer = run_concurrently(
            rotate, lambda c=current, n=new, o=other: o.change_password(n, c)
        )
        assert answer.status_code == 200
        assert not is_good(context, booking, before)
        # The link is of the time before the change or after it; only the latter is good.
        assert is_good(context, booking, link) == (link == make_link(app, booking))
        before = link if not is_good(context, booking, link) else before
