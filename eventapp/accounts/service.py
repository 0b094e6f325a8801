"""Register, read, list, export and delete accounts."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import (
    email_rules,
    erasures,
    mail_preferences,
    mail_requests,
    organizers,
    rules,
    sessions,
    store,
)
from eventapp.accounts.checks import refuse_invalid, refuse_taken_spelling
from eventapp.accounts.editing import get_user as get_user
from eventapp.accounts.editing import make_image_value, update_user
from eventapp.accounts.erasures import ForgetFunction as ForgetFunction
from eventapp.accounts.errors import (
    EmailTaken,
    NameTaken,
    OrganizerHasEvents,
    UserNotFound,
)
from eventapp.accounts.organizers import NO_EVENTS, EventOwnership, may_organize
from eventapp.accounts.types import RenderedUser, StoredUser
from eventapp.core import paging
from eventapp.core.access.emails import find_email_error, make_email_key
from eventapp.core.access.passwords import find_password_error, hash_password
from eventapp.core.access.sealing import Sealer
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.core.json import JsonObject
from eventapp.core.languages import DEFAULT_LANGUAGE
from eventapp.core.roles import ATTENDEE
from eventapp.core.textsearch import fold_account_name
from eventapp.notifications.types import Recipient

# Re-exported for other features, which may only use this module.
__all__ = ["EventOwnership", "UserNotFound", "may_organize"]

# A function of another feature that returns what the feature stores about a user, under keys that
# no other feature uses.
ExportFunction = Callable[[Db, ObjectId], JsonObject]


@dataclass(frozen=True)
class PersonalDataHandlers:
    """The functions by which the other features remove and export what they store about a user."""

    forget_functions: tuple[ForgetFunction, ...]
    export_functions: tuple[ExportFunction, ...]
    events: EventOwnership = NO_EVENTS


PERSONAL_DATA_HANDLERS: AppKey[PersonalDataHandlers] = AppKey("personal_data_handlers")


def register(
    db: Db,
    *,
    name: str,
    email: str,
    password: str,
    now: datetime,
    bcrypt_rounds: int,
    role: str = ATTENDEE,
    min_password: int = rules.MIN_PASSWORD,
    unique_name: bool = False,
    language: str = DEFAULT_LANGUAGE,
    sealer: Sealer | None = None,
) -> StoredUser:
    """Add an account.

    The first account with a name may log in by it. Later ones log in only by their email.

    Args:
        bcrypt_rounds: the cost of the password hash.
        min_password: the least number of characters of the password.
        unique_name: refuse a name that another account logs in by.
        language: of the mails to the user, one of LANGUAGES.
        sealer: encrypts the request for the mail that verifies the email; None to send no mail.

    Raises:
        ValidationFailed: the name, email or password is not valid.
        EmailTaken: another account has the email.
        NameTaken: another account logs in by the name, and `unique_name` is set.
    """
    name, email = name.strip(), email.strip()
    refuse_invalid(
        name=rules.find_new_name_error(name),
        email=find_email_error(email),
        password=find_password_error(password, min_password),
    )
    refuse_taken_spelling(db, email)
    hashed = hash_password(password, bcrypt_rounds)
    user = _make_user(name, email, hashed, role, language, now)
    _insert(db, user, unique_name=unique_name)
    if sealer:
        mail_requests.request_mail(db, sealer, rules.VERIFICATION, user_id=user["_id"], now=now)
    return user


def _insert(db: Db, user: StoredUser, *, unique_name: bool) -> None:
    if store.insert(db, user):
        return
    if unique_name:
        raise NameTaken if store.find_by_login_name(db, user["loginName"]) else EmailTaken
    # Without a login name, only the email can belong to another account.
    del user["loginName"]
    if not store.insert(db, user):
        raise EmailTaken


def _make_user(
    name: str, email: str, password_hash: str, role: str, language: str, now: datetime
) -> StoredUser:
    return {
        "_id": ObjectId(),
        "name": name,
        "nameKey": fold_account_name(name),
        "loginName": fold_account_name(name),
        "email": email,
        "emailKey": make_email_key(email),
        "emailVerified": False,
        "claimedEmailKeys": [make_email_key(email)],
        "passwordHash": password_hash,
        "role": role,
        "about": "",
        "userImg": "",
        "language": language,
        "createdAt": now,
        "updatedAt": now,
        "__v": 0,
    }


def render_user(user: StoredUser, image_base_url: str) -> RenderedUser:
    """Return the fields of an account that the API shows. The password hash is not among them.

    Args:
        image_base_url: the beginning of the URL of an uploaded photo, such as `https://host`.
    """
    rendered: RenderedUser = {
        "_id": user["_id"],
        "name": user["name"],
        "email": user["email"],
        "emailVerified": user.get("emailVerified", False),
        "role": user["role"],
        "about": user["about"],
        "userImg": make_photo_url(user, image_base_url),
        "language": rules.get_language(user),
        "createdAt": user["createdAt"],
        "updatedAt": user["updatedAt"],
        "__v": user["__v"],
    }
    pending_email = email_rules.get_pending_email(user)
    return rendered if pending_email is None else {**rendered, "pendingEmail": pending_email}


def make_photo_url(user: StoredUser, image_base_url: str) -> str:
    """Return the URL of the photo of a profile, or an empty text.

    Args:
        image_base_url: the beginning of the URL of an uploaded photo, such as `https://host`.
    """
    url = make_image_value(user, user["userImg"])
    return image_base_url + url if url.startswith("/") else url


def find_recipients(db: Db, user_ids: Iterable[ObjectId]) -> dict[ObjectId, Recipient]:
    """Return these users as recipients of notifications, by id.

    Ids without an account are left out.
    """
    ids = list(user_ids)
    users = store.find_contacts(db, ids) if ids else []
    return {
        user["_id"]: Recipient(
            user["_id"],
            user["name"],
            user["email"],
            is_verified=user.get("emailVerified", True),
            language=rules.get_language(user),
            credentials_version=user.get("credentialsVersion", 0),
        )
        for user in users
    }


def list_users(
    db: Db,
    *,
    search: str = "",
    role: str | None = None,
    page: int = 1,
    limit: int = 20,
    older_than: ObjectId | None = None,
    image_base_url: str,
) -> tuple[JsonObject, ObjectId | None]:
    """Return a page of accounts, newest first.

    Args:
        search: part of a name or an email, in any case; empty for all accounts.
        role: the role that the accounts have; None for any.
        page: the number of the page, from 1. If `older_than` is set, it selects nothing and is
            only echoed in the answer.
        older_than: return only accounts that were added before this one.
        image_base_url: the beginning of the URLs of uploaded photos, such as `https://host`.

    Returns:
        The body of the answer, and the `older_than` of the next page, which is None at the end.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach.
    """
    search = fold_account_name(search)
    counted = store.count(db, search=search, role=role, limit=paging.COUNT_LIMIT + 1)
    skip = 0 if older_than else paging.find_page_offset(page=page, limit=limit, counted=counted)
    found: list[StoredUser] = []
    if skip is not None:
        found = store.find_page(
            db, search=search, role=role, older_than=older_than, skip=skip, limit=limit + 1
        )
    body = {
        "users": [render_user(user, image_base_url) for user in found[:limit]],
        **paging.make_page_envelope(page=page, limit=limit, counted=counted),
    }
    return body, found[limit - 1]["_id"] if len(found) > limit else None


def delete_user(
    db: Db,
    user_id: ObjectId,
    *,
    forget_functions: Collection[ForgetFunction],
    now: datetime,
    events: EventOwnership = NO_EVENTS,
    transfer_to: ObjectId | None = None,
) -> None:
    """Delete an account and what the other features store about the user.

    An interrupted deletion can be repeated, and the worker finishes it: see `erasures`.

    Args:
        forget_functions, events: see PersonalDataHandlers.
        transfer_to: the organizer or admin who takes over all events of the user; None to refuse
            the deletion of an organizer with events that are not over.

    Raises:
        UserNotFound: there is no account with this id.
        LastAdmin: the account is the only admin.
        OrganizerHasEvents: the user has events that are not over, and nobody takes them over.
        ValidationFailed: the other user cannot take over events.
    """
    user = store.find(db, user_id)
    if user is None and erasures.is_unfinished(db, user_id):
        erasures.finish(db, user_id, forget_functions)
        return
    if user is None:
        raise UserNotFound
    if transfer_to is not None:
        organizers.require_new_organizer(db, user_id, transfer_to)
    elif events.has_open_events(user_id, now):
        raise OrganizerHasEvents
    if user["role"] != ATTENDEE:
        # From now on the user can create no event: see `events.service.create_event`.
        update_user(db, user_id, {"role": ATTENDEE}, now=now)
    try:
        organizers.leave_events(db, user_id, events, transfer_to, now)
    except (OrganizerHasEvents, ValidationFailed):
        update_user(db, user_id, {"role": user["role"]}, now=now)
        raise
    erasures.erase(db, user_id, forget_functions, now)


def export_user(
    db: Db, user_id: ObjectId, *, export_functions: Iterable[ExportFunction]
) -> JsonObject:
    """Return everything that is stored about a user, except hashes and tokens.

    Args:
        export_functions: see PersonalDataHandlers.

    Raises:
        UserNotFound: there is no account with this id.
    """
    user = get_user(db, user_id)
    exported: JsonObject = {
        "user": render_user(user, ""),
        "previousEmails": [
            {"email": each["email"], "keptUntil": each["restorableUntil"]}
            for each in user.get("emailChanges", {}).get("previous", [])
        ],
        "mailPreferences": mail_preferences.render_preferences(user),
        "organizerProfile": user.get("organizerProfile"),
        "sessions": sessions.export_sessions(db, user_id),
    }
    for export_function in export_functions:
        exported.update(export_function(db, user_id))
    return exported
