"""Make and use the links of bookings, as mails to their holders have them."""

from urllib.parse import parse_qs, urlsplit

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import links
from tests.bookings_factories import Caller, context_of
from tests.factories import bearer


def make_link(app, booking):
    """Return the link of a booking that a mail to its holder has now.

    Args:
        booking: as the API or the database shows it.
    """
    context = context_of(app)
    stored = context.db.bookings.find_one({"_id": ObjectId(booking["_id"])})
    holder = accounts.find_recipients(context.db, [stored["userId"]])[stored["userId"]]
    return links.make_link(context, stored, holder)


def make_key(app, booking):
    """Return the key of the link of a booking."""
    (key,) = parse_qs(urlsplit(make_link(app, booking)).query)["key"]
    return key


def open_link(client, booking, key):
    """Exchange a key for a token, and return the response."""
    body = {"reference": booking["bookingReference"], "key": key}
    return client.post("/api/bookings/link", json=body)


class LinkCaller(Caller):
    """A reader of a mail to the holder, who has no account, and uses the link in the mail."""

    def __init__(self, client, app, booking):
        answer = open_link(client, booking, make_key(app, booking))
        assert answer.status_code == 200, answer.json
        self.client, self.token = client, answer.json["token"]
        self.id, self.headers = None, bearer(self.token)
