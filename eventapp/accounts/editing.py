"""Find an account and change its fields."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from bson import ObjectId

from eventapp.accounts import email_changes, email_rules, mail_requests, rules, sessions, store
from eventapp.accounts.checks import refuse_invalid
from eventapp.accounts.email_changes import WRITE_ATTEMPTS, EmailChange
from eventapp.accounts.errors import EmailTaken, LastAdmin, NameTaken, UserNotFound
from eventapp.accounts.types import StoredUser, UserChanges
from eventapp.core.access.emails import find_email_error
from eventapp.core.database import Db
from eventapp.core.errors import TooManyRequests
from eventapp.core.roles import ADMIN
from eventapp.core.textsearch import fold_account_name
from eventapp.media import service as media


def get_user(db: Db, user_id: ObjectId) -> StoredUser:
    """Return an account.

    Raises:
        UserNotFound: there is no account with this id.
    """
    user = store.find(db, user_id)
    if user is None:
        raise UserNotFound
    return user


def make_image_value(user: StoredUser, url: str) -> str:
    """Return what a profile stores as its photo, for a URL that was sent."""
    photo = user.get("photo")
    return media.make_image_value(url, photo["sha"] if photo else None)


def update_user(
    db: Db,
    user_id: ObjectId,
    changes: UserChanges,
    *,
    now: datetime,
    unique_name: bool = False,
    email_change: EmailChange | None = None,
) -> StoredUser:
    """Set any of name, email, about, userImg, role and organizer profile of an account.

    A new name becomes the login name if no other account logs in by it. The old login name can
    then be claimed by another account. A new role applies at once, in every session. A new email is
    pending until it is verified, see `email_changes`.

    Args:
        unique_name: refuse a name that another account logs in by.
        email_change: how the email is changed; needed where `changes` has an email.

    Returns:
        The account after the write.

    Raises:
        ValidationFailed: the name or email is not valid, or the password is missing.
        UserNotFound: there is no account with this id.
        NameTaken: another account logs in by the name, and `unique_name` is set.
        LastAdmin: the account is the only admin and would lose the role.
        TooManyRequests: other requests change the account again and again, or as below.
        EmailTaken, MailUnavailable, TooManyRequests, WrongPassword: see `email_changes.prepare`.
    """
    refuse_invalid(
        name=rules.find_name_error(changes["name"]) if "name" in changes else None,
        email=find_email_error(changes["email"]) if "email" in changes else None,
    )
    for _attempt in range(WRITE_ATTEMPTS):
        previous = get_user(db, user_id)
        loses_admin_role = previous["role"] == ADMIN and changes.get("role", ADMIN) != ADMIN
        if loses_admin_role and store.count_with_role(db, ADMIN, 2) < 2:
            raise LastAdmin
        complete = _complete_changes(db, previous, changes, email_change, now)
        user = _write_changes(db, previous, complete, unique_name=unique_name)
        if user:
            break
    else:
        raise TooManyRequests("The account is being changed", retry_after=1)
    if loses_admin_role:
        _restore_last_admin(db, user_id, now)
    # Also where the role stays the same: the request that set it may have died before this.
    if "role" in changes:
        sessions.apply_role(db, user)
    if email_change and "email" in complete:
        sealer = email_change.sealer
        mail_requests.request_mail(db, sealer, rules.VERIFICATION, user_id=user_id, now=now)
    _delete_replaced_photo(db, user)
    return user


def _complete_changes(
    db: Db,
    previous: StoredUser,
    changes: UserChanges,
    email_change: EmailChange | None,
    now: datetime,
) -> UserChanges:
    """Return what a write sets, for the fields that were sent."""
    complete: UserChanges = {**changes, "updatedAt": now}
    if "name" in changes:
        complete["nameKey"] = fold_account_name(changes["name"])
        if changes["name"] != previous["name"]:
            refuse_invalid(name=rules.find_new_name_error(changes["name"]))
    if "userImg" in changes:
        complete["userImg"] = make_image_value(previous, changes["userImg"])
    email = complete.pop("email", None)
    if email is not None and email_rules.is_other_email(previous, email):
        assert email_change, "say how the email is changed"
        complete.update(email_changes.prepare(db, previous, email, email_change, now))
    return complete


def _write_changes(
    db: Db, previous: StoredUser, changes: UserChanges, *, unique_name: bool
) -> StoredUser | None:
    """Write the changes; return None if the email or the password has changed since the read."""
    unchanged_since = previous if "emailChanges" in changes else None
    write = partial(store.update, db, previous["_id"], unchanged_since=unchanged_since)
    try:
        user = _claim_name_and_write(db, previous["_id"], changes, write, unique_name=unique_name)
    except store.TakenError:
        raise EmailTaken from None
    if user is None and unchanged_since is None:
        raise UserNotFound
    return user


def _claim_name_and_write(
    db: Db,
    user_id: ObjectId,
    changes: UserChanges,
    write: Callable[..., StoredUser | None],
    *,
    unique_name: bool,
) -> StoredUser | None:
    """Write the changes. A new name becomes the login name too, if no other account has it."""
    if "name" not in changes:
        return write(changes)
    login_name = changes["nameKey"]
    try:
        return write({**changes, "loginName": login_name})
    except store.TakenError:
        holder = store.find_by_login_name(db, login_name)
        if unique_name and holder and holder["_id"] != user_id:
            raise NameTaken from None
        return write(changes, drop_login_name=True)


def _restore_last_admin(db: Db, user_id: ObjectId, now: datetime) -> None:
    """Make an account an admin again if no admin is left.

    No admin may be left although the admins were counted before the write: if two admins lose the
    role at the same time, each request still counts the other admin.

    Raises:
        LastAdmin: no admin was left, and the account has the role again.
    """
    if store.count_with_role(db, ADMIN, 1) == 0:
        store.set_role(db, user_id, ADMIN, now)
        raise LastAdmin


def _delete_replaced_photo(db: Db, user: StoredUser) -> None:
    """Delete the uploaded photo if the profile now shows another one."""
    photo = user.get("photo")
    if photo and photo["sha"] not in user["userImg"]:
        media.delete_photo(db, media.make_profile_owner(user["_id"]), photo["_id"])
