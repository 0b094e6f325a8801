"""Store the mails of a change of an email address: a link that verifies, and one that voids it.

The tokens are stored encrypted with the pending address until both mails are in the outbox. Each
step has no effect twice, and the tokens are removed last, so a process that dies leaves the work to
the next run of the job. The mail to the present address is stored first: the new address cannot be
verified before its owner can void the change.
"""

import json
from datetime import datetime

import structlog
from bson import ObjectId

from eventapp.accounts import (
    mail_tokens,
    rules,
    store,
    store_email_changes,
    store_mail_tokens,
)
from eventapp.accounts.mail_requests import BATCH_SIZE, MailContext, make_link
from eventapp.accounts.types import PendingEmail, StoredUser, TokenRequest
from eventapp.core.access.sealing import CannotOpen
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_due
from eventapp.notifications import account_mails
from eventapp.notifications import service as notifications
from eventapp.notifications.account_mails import AccountMail

log = structlog.get_logger("mail")


def make_change_mails(db: Db, context: MailContext, now: datetime) -> int:
    """Store the mails of changes that were asked for, and return how many changes were handled."""

    def handle(user: StoredUser) -> int:
        _make_mails(db, context, user, user["emailChanges"]["pending"], now)
        return 1

    return process_due(
        db,
        "email-change-mail",
        now,
        find=lambda limit, without: store_email_changes.find_with_due_mails(db, limit, without),
        limit=BATCH_SIZE,
        get_key=lambda user: user["_id"],
        handle=handle,
    )


def _make_mails(
    db: Db, context: MailContext, user: StoredUser, pending: PendingEmail, now: datetime
) -> None:
    mails = pending["mails"]
    try:
        tokens = json.loads(context.sealer.open(mails["sealed"], str(mails["mailsId"])))
    except CannotOpen as error:
        # JWT_SECRET was changed. The change is dropped, because its mails can never be sent.
        log.warning("change of email dropped", id=str(user["_id"]), error=str(error))
        store_email_changes.drop_pending(db, user["_id"], mails["mailsId"])
        return
    recipients = {
        rules.EMAIL_VOID: (user["email"], user["emailKey"]),
        rules.NEW_EMAIL: (pending["email"], pending["emailKey"]),
    }
    for purpose, (email, email_key) in recipients.items():
        if purpose in tokens:
            request: TokenRequest = {
                "_id": mails["mailsId"],
                "purpose": purpose,
                "requestedAt": mails["requestedAt"],
                "changeId": pending["changeId"],
            }
            _make_mail(db, context, request, tokens[purpose], user, email, email_key, now)
    if not store_email_changes.finish_mails(db, user["_id"], mails["mailsId"]):
        _forget_if_erased(db, user["_id"])


def _make_mail(
    db: Db,
    context: MailContext,
    request: TokenRequest,
    token: str,
    user: StoredUser,
    email: str,
    email_key: str,
    now: datetime,
) -> None:
    purpose = request["purpose"]
    issued = mail_tokens.issue(
        db, request, token, user_id=user["_id"], email_key=email_key, now=now
    )
    if issued is None:
        return
    failpoint("email-token-issued")
    mail = AccountMail(
        key=f"{purpose}:{request['_id']}",
        kind=rules.MAIL_KINDS[purpose],
        user_id=user["_id"],
        to=email,
        link=make_link(context, purpose, token),
        valid_until=issued["expiresAt"],
        language=rules.get_language(user),
    )
    account_mails.queue(db, mail, context.sealer, now)
    failpoint("email-change-mail-queued")


def _forget_if_erased(db: Db, user_id: ObjectId) -> None:
    """Delete tokens and mails of an account that was erased while they were being stored."""
    if store.find(db, user_id) is None:
        store_mail_tokens.forget_user(db, user_id)
        notifications.forget_user(db, user_id)
