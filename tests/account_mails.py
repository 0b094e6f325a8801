"""Read the mails about accounts that an application has stored, and the tokens in them."""

import re

from eventapp.accounts.mail_requests import MAIL_SEALER
from eventapp.core.database import OPEN_DATABASE
from eventapp.jobs import service as jobs
from eventapp.notifications.account_mails import open_bodies
from tests.bookings_factories import context_of

TOKEN = re.compile(r"#token=([\w-]{43})(?![\w-])")


def make_mails(app):
    """Run the job that stores the mails that were asked for."""
    return jobs.run_job("account-mails", context_of(app))


def read_mails(app, kind):
    """Return the stored mails of a kind with their bodies as plain text, oldest first."""
    make_mails(app)
    found = OPEN_DATABASE.get(app).db.mails.find({"kind": kind}).sort("_id", 1)
    return [open_bodies(mail, MAIL_SEALER.get(app)) for mail in found]


def read_tokens(app, kind):
    """Return the tokens in the mails of a kind, oldest first."""
    return [TOKEN.search(mail["text"])[1] for mail in read_mails(app, kind)]


def read_token(app, kind):
    """Return the token in the newest mail of a kind."""
    return read_tokens(app, kind)[-1]
