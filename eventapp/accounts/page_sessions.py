"""Open, find and end page sessions: the sessions of browsers that sign in on a page.

A page session is a session like any other: its user sees it in the list of sessions, and whatever
ends sessions ends it too. It has no refresh token. The browser holds an opaque secret in a cookie,
and the database its SHA-256: the secret is random, so a slow hash would add nothing.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from eventapp.accounts import rules, sessions, store, store_sessions
from eventapp.accounts.types import StoredSession, StoredUser
from eventapp.core.database import Db

# What secrets begin with, so that logs can hide them: see `core.logging`.
SECRET_PREFIX, SECRET_BYTES = "evs_", 32


@dataclass(frozen=True)
class OpenPageSession:
    """A page session that has not ended.

    Attributes:
        secret: what the cookie holds.
        is_extended: whether its end was just postponed, so that the cookie has to be, too.
    """

    session: StoredSession
    user: StoredUser
    secret: str
    is_extended: bool


def log_in(
    db: Db,
    *,
    login: str,
    password: str,
    client_ip: str,
    now: datetime,
    lifetime: timedelta,
    bcrypt_rounds: int,
    user_agent: str,
) -> OpenPageSession:
    """Check a password and open a page session.

    Args:
        login: the email of the account, or the name that it logs in by.
        client_ip, now, bcrypt_rounds, user_agent: as in `sessions.log_in`.
        lifetime: how long the session lasts without use.

    Raises:
        BadCredentials, TooManyRequests: as in `sessions.log_in`.
    """
    secret = _make_secret()
    user, session = sessions.log_in(
        db,
        email=None,
        name=login,
        password=password,
        client_ip=client_ip,
        now=now,
        lifetime=lifetime,
        bcrypt_rounds=bcrypt_rounds,
        name_may_be_email=True,
        user_agent=user_agent,
        page_secret_hash=_hash(secret),
    )
    return OpenPageSession(session, user, secret, is_extended=True)


def open_session(
    db: Db, user: StoredUser, *, now: datetime, lifetime: timedelta, user_agent: str
) -> OpenPageSession:
    """Open a page session for an account that was just registered.

    Args:
        lifetime: how long the session lasts without use.

    Raises:
        BadCredentials: as in `sessions.open_session`.
    """
    secret = _make_secret()
    session = sessions.open_session(
        db,
        user,
        now=now,
        lifetime=lifetime,
        user_agent=user_agent,
        page_secret_hash=_hash(secret),
    )
    return OpenPageSession(session, user, secret, is_extended=True)


def find_session(
    db: Db, secret: str, *, now: datetime, lifetime: timedelta
) -> OpenPageSession | None:
    """Return the page session with this secret and its user; None if it has ended.

    Its use is recorded and its end postponed, at most once in rules.USE_RESOLUTION.

    Args:
        lifetime: how long the session lasts from now without use.
    """
    session = store_sessions.find_by_page_secret(db, _hash(secret), now)
    user = store.find(db, session["userId"]) if session else None
    if session is None or user is None:
        return None
    is_due = rules.is_use_due(session.get("lastUsedAt"), now)
    if is_due and not store_sessions.extend(db, session["_id"], now=now, expires_at=now + lifetime):
        return None
    return OpenPageSession(session, user, secret, is_extended=is_due)


def end_session(db: Db, secret: str, now: datetime) -> None:
    """End the page session with this secret, if there is one."""
    session = store_sessions.find_by_page_secret(db, _hash(secret), now)
    if session:
        store_sessions.delete(db, session["_id"])


def _make_secret() -> str:
    return f"{SECRET_PREFIX}{secrets.token_urlsafe(SECRET_BYTES)}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
