"""Find an account and change its fields."""

from datetime import datetime

from bson import ObjectId

from eventapp.accounts import rules, sessions, store
from eventapp.accounts.checks import refuse_invalid, refuse_taken_spelling
from eventapp.accounts.errors import EmailTaken, LastAdmin, NameTaken, UserNotFound
from eventapp.accounts.types import StoredUser, UserChanges
from eventapp.core.access.emails import find_email_error, make_email_key
from eventapp.core.database import Db
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
    db: Db, user_id: ObjectId, changes: UserChanges, *, now: datetime, unique_name: bool = False
) -> StoredUser:
    """Set any of name, email, about, userImg and role of an account.

    A new name becomes the login name if no other account logs in by it. The old login name can
    then be claimed by another account. A new role applies at once, in every session.

    Args:
        unique_name: refuse a name that another account logs in by.

    Returns:
        The account after the write.

    Raises:
        ValidationFailed: the name or email is not valid.
        UserNotFound: there is no account with this id.
        EmailTaken: another account has the email.
        NameTaken: another account logs in by the name, and `unique_name` is set.
        LastAdmin: the account is the only admin and would lose the role.
    """
    refuse_invalid(
        name=rules.find_name_error(changes["name"]) if "name" in changes else None,
        email=find_email_error(changes["email"]) if "email" in changes else None,
    )
    previous = get_user(db, user_id)
    if "email" in changes:
        refuse_taken_spelling(db, changes["email"], user_id)
    if "name" in changes and changes["name"] != previous["name"]:
        refuse_invalid(name=rules.find_new_name_error(changes["name"]))
    loses_admin_role = previous["role"] == ADMIN and changes.get("role", ADMIN) != ADMIN
    if loses_admin_role and store.count_with_role(db, ADMIN, 2) < 2:
        raise LastAdmin
    if "userImg" in changes:
        changes = {**changes, "userImg": make_image_value(previous, changes["userImg"])}
    user = _write_changes(db, user_id, _add_folded_fields(changes, now), unique_name=unique_name)
    if loses_admin_role:
        _restore_last_admin(db, user_id, now)
    # Also where the role stays the same: the request that set it may have died before this.
    if "role" in changes:
        sessions.apply_role(db, user)
    _delete_replaced_photo(db, user)
    return user


def _add_folded_fields(changes: UserChanges, now: datetime) -> UserChanges:
    """Return the changes with the folded name and email, and the time of the update, added."""
    complete: UserChanges = {**changes, "updatedAt": now}
    if "name" in changes:
        complete["nameKey"] = fold_account_name(changes["name"])
    if "email" in changes:
        complete["emailKey"] = make_email_key(changes["email"])
    return complete


def _write_changes(
    db: Db, user_id: ObjectId, changes: UserChanges, *, unique_name: bool
) -> StoredUser:
    try:
        user = _claim_name_and_write(db, user_id, changes, unique_name=unique_name)
    except store.TakenError:
        raise EmailTaken from None
    if user is None:
        raise UserNotFound
    return user


def _claim_name_and_write(
    db: Db, user_id: ObjectId, changes: UserChanges, *, unique_name: bool
) -> StoredUser | None:
    """Write the changes. A new name becomes the login name too, if no other account has it."""
    if "name" not in changes:
        return store.update(db, user_id, changes)
    login_name = changes["nameKey"]
    try:
        return store.update(db, user_id, {**changes, "loginName": login_name})
    except store.TakenError:
        holder = store.find_by_login_name(db, login_name)
        if unique_name and holder and holder["_id"] != user_id:
            raise NameTaken from None
        return store.update(db, user_id, changes, drop_login_name=True)


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
