"""Accounts: made, read, changed and deleted; and who is behind a session."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.accounts import rules, sessions, store, store_sessions
from eventapp.accounts.errors import EmailTaken, LastAdmin, NameTaken, UserNotFound
from eventapp.core.access.emails import find_email_error
from eventapp.core.access.passwords import hash_password
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db, Document
from eventapp.core.errors import ValidationFailed
from eventapp.core.textsearch import fold_account_name
from eventapp.media import service as media

ForgetUser = Callable[[Db, ObjectId], None]
ExportUser = Callable[[Db, ObjectId], dict[str, Any]]


@dataclass(frozen=True)
class PersonalData:
    """The functions by which the other features remove and export what they store about a user."""

    forget: tuple[ForgetUser, ...]
    export: tuple[ExportUser, ...]


PERSONAL_DATA: AppKey[PersonalData] = AppKey("personal_data")


def register(
    db: Db,
    *,
    name: str,
    email: str,
    password: str,
    now: datetime,
    rounds: int,
    role: str = rules.ATTENDEE,
    min_password: int = rules.MIN_PASSWORD,
    unique_name: bool = False,
) -> Document:
    """Add an account. The first of a name may log in by it; the others by their email.

    Args:
        rounds: of bcrypt.
        unique_name: refuse a name that another logs in by, instead of doing without.

    Raises:
        ValidationFailed: a name, email or password that no account may have.
        EmailTaken, NameTaken: nothing was written.
    """
    name, email = name.strip(), email.strip()
    refuse(
        name=rules.name_fault(name),
        email=find_email_error(email),
        password=rules.password_fault(password, min_password),
    )
    user = {
        **_keyed({"name": name, "email": email}),
        "loginName": fold_account_name(name),
        "passwordHash": hash_password(password, rounds),
        "role": role,
        "about": "",
        "userImg": "",
        "createdAt": now,
        "updatedAt": now,
        "__v": 0,
    }
    if store.insert(db, user):
        return user
    if unique_name and store.find_by_login_name(db, user["loginName"]):
        raise NameTaken
    del user["loginName"]
    if unique_name or not store.insert(db, user):
        raise EmailTaken
    return user


def refuse(**faults: str | None) -> None:
    """ValidationFailed if any of these fields has a fault."""
    errors = {field: [fault] for field, fault in faults.items() if fault}
    if errors:
        raise ValidationFailed(f"Invalid {next(iter(errors))}", errors=errors)


def _keyed(changes: Document) -> Document:
    """Name and email beside what they are compared and searched by."""
    keys = {
        f"{field}Key": fold_account_name(changes[field])
        for field in ("name", "email")
        if field in changes
    }
    return {**changes, **keys}


def present(user: Document) -> dict[str, Any]:
    """An account as those who may see it see it; never a hash."""
    return rules.public(user)


def get(db: Db, user_id: ObjectId) -> Document:
    """The whole account; UserNotFound where there is none."""
    user = store.find(db, user_id)
    if user is None:
        raise UserNotFound
    return user


def update(
    db: Db, user_id: ObjectId, changes: Document, *, now: datetime, unique_name: bool = False
) -> Document:
    """The account after setting any of name, email, about, userImg and role.

    A new name is claimed for logging in, where nobody has it; the old one is free again. A new
    role holds at once, in every session.

    Raises:
        ValidationFailed, UserNotFound, EmailTaken, NameTaken, LastAdmin: nothing was written.
    """
    refuse(
        name=rules.name_fault(changes["name"]) if "name" in changes else None,
        email=find_email_error(changes["email"]) if "email" in changes else None,
    )
    was = get(db, user_id)
    demoted = was["role"] == rules.ADMIN and changes.get("role", rules.ADMIN) != rules.ADMIN
    if demoted and store.count_role(db, rules.ADMIN, 2) < 2:
        raise LastAdmin
    user = _write(db, user_id, {**_keyed(changes), "updatedAt": now}, unique_name=unique_name)
    if demoted:
        _keep_an_admin(db, user_id, now)
    if user["role"] != was["role"]:
        store_sessions.set_role(db, user_id, user["role"])
    _let_photo_go(db, user)
    return user


def _let_photo_go(db: Db, user: Document) -> None:
    """Delete the uploaded photo where the profile shows another one now."""
    photo = user.get("photo")
    if photo and photo["sha"] not in user["userImg"]:
        media.let_go(db, media.users(user["_id"]), photo["_id"])


def _write(db: Db, user_id: ObjectId, changes: Document, *, unique_name: bool) -> Document:
    try:
        user = _claim_and_write(db, user_id, changes, unique_name=unique_name)
    except store.TakenError:
        raise EmailTaken from None
    if user is None:
        raise UserNotFound
    return user


def _claim_and_write(
    db: Db, user_id: ObjectId, changes: Document, *, unique_name: bool
) -> Document | None:
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


def _keep_an_admin(db: Db, user_id: ObjectId, now: datetime) -> None:
    """After one lost the role: give it back if none is left, as when two go at once."""
    if store.count_role(db, rules.ADMIN, 1) == 0:
        store.set_role(db, user_id, rules.ADMIN, now)
        raise LastAdmin


def delete(db: Db, user_id: ObjectId, *, forget: Collection[ForgetUser], now: datetime) -> None:
    """Delete an account and all that is the person's; it can be done again if it breaks off.

    Args:
        forget: what removes the person from each other feature.

    Raises:
        UserNotFound, LastAdmin: nothing was deleted.
    """
    if get(db, user_id)["role"] == rules.ADMIN:
        update(db, user_id, {"role": rules.ATTENDEE}, now=now)
    store_sessions.end_all(db, user_id)
    for forget_user in forget:
        forget_user(db, user_id)
    store.delete(db, user_id)
    # What a login, or a request that had begun before, wrote meanwhile.
    store_sessions.end_all(db, user_id)
    for forget_user in forget:
        forget_user(db, user_id)


def export(db: Db, user_id: ObjectId, *, others: Iterable[ExportUser]) -> dict[str, Any]:
    """All that is stored about a person, but for what is secret: hashes and tokens.

    Args:
        others: what each other feature stores, under names of its own.
    """
    answer = {
        "user": present(get(db, user_id)),
        "sessions": sessions.export_sessions(db, user_id),
    }
    for export_user in others:
        answer.update(export_user(db, user_id))
    return answer


def live_session(db: Db, session_id: ObjectId, now: datetime) -> Document | None:
    """The session `{userId, role, gen, previousId?}` behind an access token; None if ended."""
    return store_sessions.live(db, session_id, now)


def confirm_receipt(db: Db, session_id: ObjectId, generation: int) -> None:
    """An access token of this generation was used: the refresh that made it has arrived."""
    store_sessions.close_retry(db, session_id, generation)
