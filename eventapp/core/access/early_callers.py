"""Identify the user who sends a request before Flask handles it, if that takes no more than a read.

Such a user has sent the same access token before, and is neither an organizer nor in a team. So the
user sees what anyone sees, with favorites of their own. All other callers are left to
`permissions`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Flask
from pymongo.errors import PyMongoError

from eventapp.core.access import tokens
from eventapp.core.access.actor import Actor
from eventapp.core.access.authentication import AUTHENTICATION, SESSION_KEY, CallerSession
from eventapp.core.access.recent_writes import is_recent
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE, note_no_answer
from eventapp.core.errors import DatabaseUnavailable, Unauthorized
from eventapp.core.roles import ATTENDEE

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def find_claimed_user(app: Flask, environ: "WSGIEnvironment") -> Actor | None:
    """Return the user whom the access token of a request names, without asking the database.

    Returns:
        None if the token was not verified lately. Else `confirm_user` says whether it is worth
        anything.
    """
    claims = tokens.find_verified_claims(app, environ.get("HTTP_AUTHORIZATION", ""))
    if claims is None:
        return None
    try:
        return Actor(tokens.get_user_id(claims), ATTENDEE, tokens.get_session_id(claims))
    except Unauthorized:
        return None


def confirm_user(app: Flask, environ: "WSGIEnvironment", claimed: Actor) -> Actor | None:
    """Return the claimed user as the caller, if the session is active and says all there is to say.

    The session is read from the database, and kept in the environment for Flask.
    """
    opened, load_session = OPEN_DATABASE.get(app), AUTHENTICATION.get(app).load_session
    if claimed.session_id is None or claimed.user_id is None:
        return None
    try:
        session = load_session(opened.db, claimed.session_id, claimed.user_id, utc_now())
        database_time = opened.clock.now()
    except (PyMongoError, DatabaseUnavailable):  # Flask reads it again, and answers the error.
        note_no_answer()
        return None
    if session is None:
        return None
    environ[SESSION_KEY] = session
    if not _needs_nothing_else(session):
        return None
    return replace(claimed, has_recent_writes=is_recent(session.get("wroteAt"), database_time))


def _needs_nothing_else(session: CallerSession) -> bool:
    """Return whether the session has nothing by which its user differs from other attendees."""
    is_refreshed_now = "previousId" in session
    return session["role"] == ATTENDEE and not is_refreshed_now and "hasJoinedTeam" not in session
