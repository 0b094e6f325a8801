"""Log in, refresh, find and end sessions, and change passwords.

A session has one valid refresh token at a time. Each refresh replaces it, and a token that comes
a second time ends the session, because somebody else may hold it. The exception is an honest
retry, see `rules.is_honest_retry`.

Invariant: a change of a user's password ends every session of the user except the one that made
the change, no session has a role that its user has lost, and every session of a user who has joined
a team says so. A change of an account writes the account first and its sessions second;
`open_session` writes the session first and reads the account second. So either the change reaches
the new session, or `open_session` sees the change. A password hash is only replaced where it is the
one that the right password was compared with.
"""

import secrets
from collections.abc import Collection, Hashable, Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.accounts import rules, store, store_api_tokens, store_recovery, store_sessions
from eventapp.accounts.errors import BadCredentials, SessionEnded, TokenReused, WrongPassword
from eventapp.accounts.login_attempts import begin_attempt, make_login_key, record_success
from eventapp.accounts.types import ActiveSession, StoredSession, StoredUser, UnfinishedChange
from eventapp.core.access.emails import list_email_keys, make_email_key
from eventapp.core.access.passwords import (
    find_password_error,
    hash_password,
    needs_rehash,
    verify_password,
)
from eventapp.core.batched_reads import BatchedReads
from eventapp.core.batching import Batcher
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.core.failpoints import failpoint
from eventapp.core.json import JsonObject
from eventapp.core.textsearch import fold_account_name

# How often a write is repeated if other requests change the account at the same time.
OPEN_ATTEMPTS, ROLE_ATTEMPTS, CHANGE_ATTEMPTS = 5, 20, 5
# How long it is stored that a user has written. It is of use for seconds, but clocks may be wrong.
USER_WRITE_LIFETIME = timedelta(minutes=10)
# The id of a session, and the id of its user.
SessionKey = tuple[ObjectId, ObjectId]
# The use of a session: the database, the id of the session, and the time.
_Use = tuple[Db, ObjectId, datetime]


def log_in(
    db: Db,
    *,
    email: str | None,
    name: str | None,
    password: str,
    client_ip: str,
    now: datetime,
    lifetime: timedelta,
    bcrypt_rounds: int,
    name_may_be_email: bool = False,
    user_agent: str = "",
    page_secret_hash: str | None = None,
) -> tuple[StoredUser, StoredSession]:
    """Check a password and open a session.

    Args:
        email: the account's email; None to find the account by its name.
        name: the name that the account logs in by; ignored if there is an email.
        client_ip: the client's IP address, by which failures are counted.
        lifetime: how long the session lasts without a refresh.
        bcrypt_rounds: the cost of password hashes. A hash of another cost is replaced.
        name_may_be_email: look for an account with the name as its email first. Older names may
            hold an `@`, too.
        user_agent: the User-Agent of the client, which the session shows in a short form.
        page_secret_hash: as in `open_session`.

    Returns:
        The account and its new session.

    Raises:
        BadCredentials: there is no such account, or the password is wrong. Both take the same
            time. It is also raised if the password changes meanwhile, see `open_session`.
        TooManyRequests: too many attempts failed lately. The password was not checked.
    """
    user, login_key = _find_account(db, email, name or "", name_may_be_email=name_may_be_email)
    attempt = begin_attempt(db, login_key, client_ip, now)
    hashed = user["passwordHash"] if user else None
    if not verify_password(password, hashed, bcrypt_rounds) or user is None:
        raise BadCredentials
    record_success(db, attempt)
    if needs_rehash(password, user["passwordHash"], bcrypt_rounds):
        user = _replace_hash(db, user, password, bcrypt_rounds)
    session = open_session(
        db,
        user,
        now=now,
        lifetime=lifetime,
        user_agent=user_agent,
        page_secret_hash=page_secret_hash,
    )
    return {**user, "role": session["role"]}, session


def _find_account(
    db: Db, email: str | None, name: str, *, name_may_be_email: bool
) -> tuple[StoredUser | None, str]:
    """Return the account that logs in by an email or a name, and the key to count its failures by.

    The failures of an account are counted together, whether it is named by its email or its name.
    """
    user, login_key = None, make_email_key(email) if email is not None else fold_account_name(name)
    if email is not None:
        user = store.find_by_email(db, list_email_keys(email))
    elif name_may_be_email and "@" in name:
        user = store.find_by_email(db, list_email_keys(name))
    if user is None and email is None:
        user = store.find_by_login_name(db, login_key)
    return user, make_login_key(user["_id"]) if user else login_key


def _replace_hash(db: Db, user: StoredUser, password: str, bcrypt_rounds: int) -> StoredUser:
    """Replace an outdated hash of a right password, unless another request has replaced it.

    Returns:
        The account after the write.

    Raises:
        BadCredentials: another request has changed the password, or deleted the account.
    """
    hashed = hash_password(password, bcrypt_rounds)
    replaced = store.replace_password(db, user, hashed, user["updatedAt"])
    if replaced:
        return replaced
    found = store.find(db, user["_id"])
    if found is None or not verify_password(password, found["passwordHash"], bcrypt_rounds):
        raise BadCredentials
    return found


def open_session(
    db: Db,
    user: StoredUser,
    *,
    now: datetime,
    lifetime: timedelta,
    user_agent: str = "",
    page_secret_hash: str | None = None,
) -> StoredSession:
    """Open a session for an account that was just read, with the role that the account has now.

    The session also says whether the user has joined a team.

    Args:
        lifetime: how long the session lasts without a refresh.
        user_agent: the User-Agent of the client.
        page_secret_hash: the hash of the secret in the cookie of a page session, which has no
            refresh token; None for a session with a refresh token.

    Raises:
        BadCredentials: the account's password has changed since it was read, or the account was
            deleted, or its role changed again and again.
    """
    account = user
    for _attempt in range(OPEN_ATTEMPTS):
        session = _make_session(account, now, lifetime, user_agent)
        if page_secret_hash:
            session["pageSecretHash"] = page_secret_hash
        else:
            session["refreshId"] = _make_refresh_id()
        store_sessions.insert(db, session)
        # The order of this write and this read upholds the invariant of the module.
        found = store.find(db, user["_id"])
        has_same_password = found and found["passwordHash"] == user["passwordHash"]
        if found and has_same_password and _is_up_to_date(session, found):
            return session
        store_sessions.delete(db, session["_id"])
        if not found or not has_same_password:
            break
        account = found
    raise BadCredentials


def _make_session(
    user: StoredUser, now: datetime, lifetime: timedelta, user_agent: str
) -> StoredSession:
    session: StoredSession = {
        "_id": ObjectId(),
        "userId": user["_id"],
        "role": user["role"],
        "gen": 0,
        "createdAt": now,
        "lastUsedAt": now,
        "client": rules.describe_client(user_agent),
        "expiresAt": now + lifetime,
    }
    if user.get("hasJoinedTeam"):
        session["hasJoinedTeam"] = True
    return session


def _is_up_to_date(session: StoredSession, user: StoredUser) -> bool:
    """Return whether a session has what it copies from the account."""
    return session["role"] == user["role"] and (
        session.get("hasJoinedTeam") or not user.get("hasJoinedTeam")
    )


def apply_role(db: Db, user: StoredUser) -> None:
    """Set the role of an account in all its sessions and API tokens.

    Args:
        user: the account after its role was written.
    """
    role = user["role"]
    for _attempt in range(ROLE_ATTEMPTS):
        store_sessions.set_role(db, user["_id"], role)
        store_api_tokens.set_role(db, user["_id"], role)
        # Another request may have written a role, and the sessions, between these writes.
        found = store.find(db, user["_id"])
        if found is None or found["role"] == role:
            return
        role = found["role"]


def record_joined_team(db: Db, user_id: ObjectId) -> None:
    """Record in an account and in all its sessions that the user has joined a team.

    Requests of other sessions read no memberships. So call this before a membership is stored: then
    no process and no session overlooks the membership, also if this process dies in between. It
    stays recorded when the user leaves the team, which costs reads and nothing else.
    """
    store.set_joined_team(db, user_id)
    store_sessions.set_joined_team(db, user_id)


def refresh_session(
    db: Db, session_id: ObjectId, refresh_id: str, *, now: datetime, lifetime: timedelta
) -> StoredSession:
    """Replace the refresh token of a session and extend the session.

    Args:
        refresh_id: the `rid` claim of the refresh token that was sent.
        lifetime: how long the session lasts from now without a further refresh.

    Returns:
        The session with its new refresh token. An honest retry gets the same token as the call
        that it repeats.

    Raises:
        SessionEnded: the session has ended.
        TokenReused: the token was used before. The session was ended.
    """
    rotated = store_sessions.rotate(
        db, session_id, refresh_id, _make_refresh_id(), now=now, expires_at=now + lifetime
    )
    if rotated:
        return rotated
    session = store_sessions.find(db, session_id, now)
    if session is None:
        raise SessionEnded
    if rules.is_honest_retry(session, refresh_id, now):
        return session
    store_sessions.delete(db, session_id)
    raise TokenReused


def confirm_receipt(db: Db, session_id: ObjectId, refresh_count: int) -> None:
    """Record that an access token was used, which proves that the client received its tokens.

    Args:
        refresh_count: the `gen` claim of the access token.
    """
    store_sessions.forget_previous_token(db, session_id, refresh_count)


def change_password(
    db: Db,
    *,
    user_id: ObjectId,
    session_id: ObjectId | None,
    current: str,
    new: str,
    client_ip: str,
    now: datetime,
    bcrypt_rounds: int,
) -> None:
    """Change the password of an account, and end its sessions except the one of this request.

    Args:
        session_id: the session of this request, which stays; None to end all.
        current: the current password; a wrong one counts as a failed attempt to log in.
        new: the new password.
        client_ip: the client's IP address, by which failures are counted.
        bcrypt_rounds: the cost of the new hash.

    Raises:
        ValidationFailed: the new password is not valid.
        WrongPassword: the current password is wrong, or the account was deleted.
        TooManyRequests: too many attempts failed lately. The password was not checked.
    """
    password_error = find_password_error(new, rules.MIN_PASSWORD)
    if password_error:
        raise ValidationFailed("Invalid newPassword", errors={"newPassword": [password_error]})
    attempt = begin_attempt(db, make_login_key(user_id), client_ip, now)
    hashed = hash_password(new, bcrypt_rounds)
    for _attempt in range(CHANGE_ATTEMPTS):
        user = store.find(db, user_id)
        if user is None or not verify_password(current, user["passwordHash"], bcrypt_rounds):
            raise WrongPassword
        change: UnfinishedChange = {
            "changeId": ObjectId(),
            "startedAt": now,
            "keptSessionId": session_id,
        }
        if store.replace_password(db, user, hashed, now, change):
            failpoint("password-changed")
            record_success(db, attempt)
            finish_change(db, user_id, change)
            return
    raise WrongPassword


def finish_change(db: Db, user_id: ObjectId, change: UnfinishedChange) -> None:
    """End the sessions that a change of the password ends. It has no effect twice.

    The write of the password has recorded the change. If the process dies before this, a job of
    `recovery` finishes it.
    """
    store_sessions.delete_all(db, user_id, except_for=change["keptSessionId"])
    store_recovery.finish_change(db, user_id, change["changeId"])


def log_out(db: Db, session_id: ObjectId | None, user_id: ObjectId, *, everywhere: bool) -> None:
    """End a session, or with `everywhere` all sessions of the user."""
    if everywhere:
        store_sessions.delete_all(db, user_id)
    elif session_id:
        store_sessions.delete(db, session_id)


def export_sessions(db: Db, user_id: ObjectId) -> list[JsonObject]:
    """Return what is stored about each session of a user, without its tokens."""
    return [
        {
            "_id": session["_id"],
            "createdAt": session["createdAt"],
            "lastUsedAt": session.get("lastUsedAt"),
            "expiresAt": session["expiresAt"],
            "client": session.get("client"),
        }
        for session in store_sessions.find_by_user(db, user_id)
    ]


def find_active_session(db: Db, session_id: ObjectId, now: datetime) -> ActiveSession | None:
    """Return an active session, read by a query of its own; None if the session has ended."""
    return store_sessions.find_active(db, session_id, now)


class SessionReader:
    """Find active sessions, with one query for requests that arrive at the same time.

    Their use is recorded with one write for such requests, too: at the beginning of a sale, most
    sessions are used for the first time in a while.

    A session is always read after the request that needs it has arrived. So a request that arrives
    after a log-out was answered never finds the session that the log-out ended.
    """

    def __init__(self) -> None:
        self._reads: BatchedReads[SessionKey, ActiveSession] = BatchedReads(_find_active)
        self._uses: Batcher[_Use, None] = Batcher(_record_uses)

    def load_session(
        self, db: Db, session_id: ObjectId, user_id: ObjectId, now: datetime
    ) -> ActiveSession | None:
        """Return an active session, read in one batch with those of other requests.

        Its use is recorded, at most once in rules.USE_RESOLUTION.

        Args:
            user_id: of the session.

        Returns:
            The session; None if it has ended.
        """
        session = self._reads.find(db, (session_id, user_id))
        if session and rules.is_use_due(session.get("lastUsedAt"), now):
            self._uses.submit("uses", (db, session_id, now))
        return session


def _find_active(db: Db, keys: Collection[SessionKey]) -> dict[SessionKey, ActiveSession]:
    """Return those of these sessions that are active now."""
    found = store_sessions.find_active_many(db, dict(keys), utc_now())
    return {key: found[key[0]] for key in keys if key[0] in found}


def _record_uses(_key: Hashable, uses: Sequence[_Use]) -> Sequence[None]:
    db, _id, _now = uses[0]
    latest = max(now for _db, _id, now in uses)
    store_sessions.record_uses(db, [session_id for _db, session_id, _now in uses], latest)
    return [None] * len(uses)


def store_user_writes(db: Db, user_ids: Collection[ObjectId]) -> None:
    """Store that these users have just written: see `core.access.recent_writes`."""
    store_sessions.store_user_writes(db, user_ids, expires_at=utc_now() + USER_WRITE_LIFETIME)


def _make_refresh_id() -> str:
    return secrets.token_urlsafe(16)
