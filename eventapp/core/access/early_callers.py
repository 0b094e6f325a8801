"""Identify the user who sends a request before Flask handles it, if that takes no more than a read.

Such a user has sent the same access token before, is neither an organizer nor in a team, and has
not just written. So the user sees what anyone sees, with favorites of their own. All other callers
are left to `permissions`.
"""

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


def confirm_user(app: Flask, environ: "WSGIEnvironment", actor: Actor) -> bool:
    """Return whether the claimed user is the caller, and all that is to be known of the caller.

    The session is read from the database, and kept in the environment for Flask.
    """
    opened, load_session = OPEN_DATABASE.get(app), AUTHENTICATION.get(app).load_session
    if actor.session_id is None or actor.user_id is None:
        return False
    try:
        session = load_session(opened.db, actor.session_id, actor.user_id, utc_now())
        database_time = opened.clock.now()
    except (PyMongoError, DatabaseUnavailable):  # Flask reads it again, and answers the error.
        note_no_answer()
        return False
    if session is None:
        return False
    environ[SESSION_KEY] = session
    return _needs_nothing_else(session) and not is_recent(session.get("wroteAt"), database_time)


def _needs_nothing_else(session: CallerSession) -> bool:
    """Return whether the session has nothing by which its user differs from other attendees."""
    is_refreshed_now = "previousId" in session
    return session["role"] == ATTENDEE and not is_refreshed_now and "hasJoinedTeam" not in session
