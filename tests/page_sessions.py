"""Browsers that are signed in on pages."""

from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from eventapp.accounts import page_sessions, store
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE

ORIGIN = "http://localhost"
COOKIE, SECURE_COOKIE = "eventapp_session", "__Host-eventapp_session"
FROM_PAGE = {"Origin": ORIGIN}


def open_page_session(app: Flask, user: dict[str, Any], **changes: Any) -> str:
    """Open a page session of a user of `make_user`; return the secret of its cookie."""
    db = OPEN_DATABASE.get(app).db
    stored = store.find(db, user["id"])
    assert stored
    options = {"now": utc_now(), "lifetime": timedelta(days=30), "user_agent": "", **changes}
    return page_sessions.open_session(db, stored, **options).secret


def make_browser(app: Flask, user: dict[str, Any]) -> FlaskClient:
    """Return a client that is signed in on pages as a user of `make_user`."""
    client = app.test_client()
    client.set_cookie(COOKIE, open_page_session(app, user))
    return client


def find_cookie(answer: Any, name: str = COOKIE) -> str:
    """Return the header that sets or removes the cookie, empty without one."""
    found = [each for each in answer.headers.getlist("Set-Cookie") if each.startswith(f"{name}=")]
    assert len(found) <= 1
    return found[0] if found else ""
