"""Read how a request changes an email address."""

from typing import cast

from flask import request

from eventapp.accounts.email_changes import EmailChange, PasswordProof
from eventapp.accounts.mail_requests import MAIL_SEALER
from eventapp.accounts.types import UserChanges
from eventapp.core.access.permissions import current_actor
from eventapp.core.http.app_context import current_config
from eventapp.core.json import JsonObject


def split_changes(body: JsonObject) -> tuple[UserChanges, EmailChange]:
    """Return the changes of a body, and how its email is changed, by the password of the caller.

    A caller without an account, whom DEMO_OPEN admits, has no password.
    """
    changes, actor, config = {**body}, current_actor(), current_config()
    password = changes.pop("currentPassword", None)
    proof = None
    if actor.user_id is not None:
        proof = PasswordProof(actor.user_id, password, request.remote_addr or "")
    change = EmailChange(
        sealer=MAIL_SEALER.get(),
        can_mail=config.smtp_url is not None,
        is_production=config.is_production,
        bcrypt_rounds=config.bcrypt_rounds,
        proof=proof,
    )
    return cast(UserChanges, changes), change
