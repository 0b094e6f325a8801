"""Sign people in and out on pages, by page sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.accounts import page_sessions
from eventapp.accounts import service as accounts
from eventapp.accounts.mail_requests import MAIL_SEALER as MAIL_SEALER
from eventapp.accounts.page_sessions import OpenPageSession
from eventapp.core.access.sealing import Sealer
from eventapp.core.database import Db
from eventapp.core.languages import DEFAULT_LANGUAGE


@dataclass(frozen=True)
class PageSession:
    """Who is signed in on a page.

    Attributes:
        secret: what the cookie of the browser holds.
        name: of the account, as is its email.
        language: of the account, one of core.languages.LANGUAGES.
        is_extended: whether the end of the session was just postponed, so that the cookie has to
            be sent again.
    """

    user_id: ObjectId
    session_id: ObjectId
    role: str
    name: str
    email: str
    is_email_verified: bool
    language: str
    refresh_count: int
    secret: str
    is_extended: bool


@dataclass(frozen=True)
class Visitor:
    """The browser that signs in.

    Attributes:
        ip: its address, by which failures are counted.
        user_agent: its User-Agent, which the list of sessions shows in a short form.
    """

    ip: str
    user_agent: str


@dataclass(frozen=True)
class SessionSettings:
    """How page sessions are opened.

    Attributes:
        lifetime: how long a session lasts without use.
        bcrypt_rounds: the cost of password hashes.
    """

    lifetime: timedelta
    bcrypt_rounds: int


def sign_in(
    db: Db,
    *,
    login: str,
    password: str,
    visitor: Visitor,
    settings: SessionSettings,
    now: datetime,
) -> PageSession:
    """Check a password and open a page session.

    Args:
        login: the email of the account, or the name that it logs in by.

    Raises:
        BadCredentials, TooManyRequests: as `accounts.sessions.log_in`.
    """
    opened = page_sessions.log_in(
        db,
        login=login,
        password=password,
        client_ip=visitor.ip,
        now=now,
        lifetime=settings.lifetime,
        bcrypt_rounds=settings.bcrypt_rounds,
        user_agent=visitor.user_agent,
    )
    return _make_page_session(opened)


def sign_up(
    db: Db,
    *,
    name: str,
    email: str,
    password: str,
    role: str,
    language: str,
    visitor: Visitor,
    settings: SessionSettings,
    sealer: Sealer,
    now: datetime,
) -> PageSession:
    """Register an account, have its email verified, and open a page session.

    Args:
        role: attendee or organizer.
        sealer: encrypts the request for the mail that verifies the email.

    Raises:
        ValidationFailed, EmailTaken: as `accounts.service.register`.
    """
    user = accounts.register(
        db,
        name=name,
        email=email,
        password=password,
        now=now,
        bcrypt_rounds=settings.bcrypt_rounds,
        role=role,
        language=language,
        sealer=sealer,
    )
    opened = page_sessions.open_session(
        db, user, now=now, lifetime=settings.lifetime, user_agent=visitor.user_agent
    )
    return _make_page_session(opened)


def find_page_session(
    db: Db, secret: str, *, lifetime: timedelta, now: datetime
) -> PageSession | None:
    """Return the page session with this secret; None if it has ended."""
    found = page_sessions.find_session(db, secret, now=now, lifetime=lifetime)
    return _make_page_session(found) if found else None


def sign_out(db: Db, secret: str, now: datetime) -> None:
    """End the page session with this secret, if there is one."""
    page_sessions.end_session(db, secret, now)


def _make_page_session(opened: OpenPageSession) -> PageSession:
    user, session = opened.user, opened.session
    return PageSession(
        user_id=session["userId"],
        session_id=session["_id"],
        role=session["role"],
        name=user["name"],
        email=user["email"],
        is_email_verified=user.get("emailVerified", False),
        language=user.get("language", DEFAULT_LANGUAGE),
        refresh_count=session["gen"],
        secret=opened.secret,
        is_extended=opened.is_extended,
    )
