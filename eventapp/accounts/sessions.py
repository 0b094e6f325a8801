"""Signing in and staying so: sessions, their refresh tokens, and the end of both."""

import secrets
from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from bson import ObjectId

from eventapp.accounts import rules, store, store_sessions
from eventapp.accounts import sign_in_attempts as attempts
from eventapp.accounts.errors import BadCredentials, SessionEnded, TokenReused, WrongPassword
from eventapp.core.access.passwords import hash_password, needs_rehash, verify_password
from eventapp.core.access.permissions import ActiveSession
from eventapp.core.batching import Batcher
from eventapp.core.database import Db, Document
from eventapp.core.errors import ValidationFailed
from eventapp.core.textsearch import fold_account_name


def log_in(
    db: Db,
    *,
    email: str | None,
    name: str | None,
    password: str,
    address: str,
    now: datetime,
    lifetime: timedelta,
    rounds: int,
) -> tuple[Document, Document]:
    """The account and a new session for an email, or else a name, and its password.

    Args:
        address: where the call comes from; failures are counted by it.
        rounds: of bcrypt; an older hash is renewed on the way.

    Raises:
        BadCredentials: no such account, or not its password; both take the same time.
        TooManyRequests: too many failures lately; nothing was checked.
    """
    account = fold_account_name(email if email is not None else name or "")
    attempt = attempts.begin(db, account, address, now)
    user = _by_email_or_name(db, account, by_email=email is not None)
    hashed = user["passwordHash"] if user else None
    if not verify_password(password, hashed, rounds) or user is None:
        raise BadCredentials
    attempts.succeed(db, attempt)
    if needs_rehash(user["passwordHash"], rounds):
        renewed = {"passwordHash": hash_password(password, rounds)}
        user = store.update(db, user["_id"], renewed) or user
    return user, open_session(db, user, now=now, lifetime=lifetime)


def _by_email_or_name(db: Db, account: str, *, by_email: bool) -> Document | None:
    return store.find_by_email(db, account) if by_email else store.find_by_login_name(db, account)


def open_session(db: Db, user: Document, *, now: datetime, lifetime: timedelta) -> Document:
    """A new session of an account as it was just read.

    Raises:
        BadCredentials: its role or password changed, or it was deleted, in the meantime.
    """
    session = {
        "userId": user["_id"],
        "role": user["role"],
        "refreshId": _token_id(),
        "gen": 0,
        "createdAt": now,
        "expiresAt": now + lifetime,
    }
    store_sessions.insert(db, session)
    # Whoever changes a role or a password does it first and mends the sessions after. So either
    # they see this session, or this check sees their change.
    if not store.is_still(db, user):
        store_sessions.end(db, session["_id"])
        raise BadCredentials
    return session


def refresh(
    db: Db, session_id: ObjectId, token_id: str, *, now: datetime, lifetime: timedelta
) -> Document:
    """The session after its refresh token was used: with a new one, and `lifetime` to go.

    An honest retry (see `rules.is_honest_retry`) gets the successor that is already there.

    Raises:
        SessionEnded: the session is over.
        TokenReused: the token had been used; the session is over now.
    """
    rotated = store_sessions.rotate(
        db, session_id, token_id, _token_id(), now=now, expires_at=now + lifetime
    )
    if rotated:
        return rotated
    session = store_sessions.find(db, session_id, now)
    if session is None:
        raise SessionEnded
    if rules.is_honest_retry(session, token_id, now):
        return session
    store_sessions.end(db, session_id)
    raise TokenReused


def change_password(
    db: Db,
    *,
    user_id: ObjectId,
    session_id: ObjectId | None,
    current: str,
    new: str,
    address: str,
    now: datetime,
    rounds: int,
) -> None:
    """Give the account a new password, and end all its sessions but this one.

    Raises:
        ValidationFailed: the new password is none that an account may have.
        WrongPassword: the current one is wrong; it counts as a failed login.
        TooManyRequests: too many of those lately; nothing was checked.
    """
    fault = rules.password_fault(new)
    if fault:
        raise ValidationFailed("Invalid newPassword", errors={"newPassword": [fault]})
    attempt = attempts.begin(db, str(user_id), address, now)
    user = store.find(db, user_id)
    if user is None or not verify_password(current, user["passwordHash"], rounds):
        raise WrongPassword
    attempts.succeed(db, attempt)
    store.update(db, user_id, {"passwordHash": hash_password(new, rounds), "updatedAt": now})
    store_sessions.end_all(db, user_id, but=session_id)


def log_out(db: Db, session_id: ObjectId | None, user_id: ObjectId, *, everywhere: bool) -> None:
    """End this session, or every one of the user."""
    if everywhere:
        store_sessions.end_all(db, user_id)
    elif session_id:
        store_sessions.end(db, session_id)


def export_sessions(db: Db, user_id: ObjectId) -> list[dict[str, Any]]:
    """When the user signed in, and until when; no token, nor what makes one."""
    shown = ("_id", "createdAt", "expiresAt")
    return [
        {name: session[name] for name in shown if name in session}
        for session in store_sessions.of_user(db, user_id)
    ]


def _token_id() -> str:
    return secrets.token_urlsafe(16)


class LiveSessions:
    """Sessions as they are now, for many requests in one read.

    Each is read after its request has come, so that an end that was answered is seen by all.
    """

    def __init__(self) -> None:
        self._readers: Batcher[tuple[Db, ObjectId, datetime], Document | None] = Batcher(_read_live)

    def __call__(self, db: Db, session_id: ObjectId, now: datetime) -> ActiveSession | None:
        """The session `{userId, role, gen, previousId?}` behind an access token; None if ended."""
        found = self._readers.submit("sessions", (db, session_id, now))
        return cast(ActiveSession | None, found)


def _read_live(
    _key: Hashable, calls: Sequence[tuple[Db, ObjectId, datetime]]
) -> Sequence[Document | None]:
    db, _, now = calls[0]
    if len(calls) == 1:
        return [store_sessions.live(db, calls[0][1], now)]
    found = store_sessions.live_many(db, {session_id for _, session_id, _ in calls}, now)
    return [found.get(session_id) for _, session_id, _ in calls]
