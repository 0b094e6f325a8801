"""Refuse names, emails and passwords that are not valid, and emails that are taken."""

from bson import ObjectId

from eventapp.accounts import store
from eventapp.accounts.errors import EmailTaken
from eventapp.core.access.emails import list_email_keys, make_email_key
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed


def refuse_invalid(**errors_by_field: str | None) -> None:
    """Raise ValidationFailed if there is an error for any of these fields."""
    errors = {field: [error] for field, error in errors_by_field.items() if error}
    if errors:
        raise ValidationFailed(f"Invalid {next(iter(errors))}", errors=errors)


def refuse_taken_spelling(db: Db, email: str, user_id: ObjectId | None = None) -> None:
    """Raise EmailTaken if another account of an earlier version has this email in another spelling.

    A unique index refuses an email in the spelling that is stored now.

    Args:
        user_id: the account that asks for the email; None for a new one.
    """
    present_key = make_email_key(email)
    older_keys = [key for key in list_email_keys(email) if key != present_key]
    holder = store.find_by_email(db, older_keys) if older_keys else None
    if holder and holder["_id"] != user_id:
        raise EmailTaken
