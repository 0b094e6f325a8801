"""Take requests for mails with a token, and make the tokens and mails in the background.

A request is one insert, whatever account it is about and whether there is one. So the time and the
work of the answer tell nobody which accounts exist. A job then finds the account, makes the token
valid and stores the mail. Each of these steps has no effect twice, and the request is deleted last,
so a process that dies leaves the request to the next run of the job, with the same token. The token
and the address that was typed are stored encrypted.
"""

import json
from dataclasses import dataclass
from datetime import datetime

import structlog
from bson import ObjectId

from eventapp.accounts import mail_tokens, rules, store, store_mail_tokens
from eventapp.accounts.types import MailRequest, StoredUser
from eventapp.core.access.emails import list_email_keys
from eventapp.core.access.sealing import CannotOpen, Sealer
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_due
from eventapp.notifications import account_mails
from eventapp.notifications.account_mails import AccountMail

# The purpose of the key that seals requests and mails.
SEAL_PURPOSE = "tokens of mails"
# The most requests that one call handles.
BATCH_SIZE = 500
# The paths of the pages that the links open. The token is in the fragment, which browsers send to
# no server and in no Referer header.
PAGES = {
    rules.RESET: "/account/reset",
    rules.VERIFICATION: "/account/verify",
    rules.NEW_EMAIL: "/account/verify",
    rules.EMAIL_VOID: "/account/void-email-change",
}

MAIL_SEALER: AppKey[Sealer] = AppKey("mail_sealer")

log = structlog.get_logger("mail")


@dataclass(frozen=True)
class MailContext:
    """What is needed to make mails with tokens.

    Attributes:
        sealer: encrypts the mails, and opens the requests.
        base_url: the start of every link in a mail.
    """

    sealer: Sealer
    base_url: str


def make_link(context: MailContext, purpose: str, token: str) -> str:
    """Return the URL of the page on which a token is used."""
    return f"{context.base_url.rstrip('/')}{PAGES[purpose]}#token={token}"


def request_mail(
    db: Db,
    sealer: Sealer,
    purpose: str,
    *,
    email: str = "",
    user_id: ObjectId | None = None,
    now: datetime,
) -> None:
    """Ask for a mail with a token, to an account that an email or an id names.

    Args:
        purpose: one of rules.TOKEN_LIFETIMES.
        email: the address that was typed; ignored if there is a `user_id`.
    """
    request_id = ObjectId()
    content = json.dumps({"token": mail_tokens.make_token(), "email": email})
    request: MailRequest = {
        "_id": request_id,
        "purpose": purpose,
        "sealed": sealer.seal(content, str(request_id)),
        "requestedAt": now,
    }
    if user_id is not None:
        request["userId"] = user_id
    store_mail_tokens.add_request(db, request)


def make_requested_mails(db: Db, context: MailContext, now: datetime) -> int:
    """Store the mails that were asked for, and return how many requests were handled."""

    def handle(request: MailRequest) -> int:
        _make_mail(db, context, request, now)
        store_mail_tokens.delete_request(db, request["_id"])
        return 1

    return process_due(
        db,
        "account-mail",
        now,
        find=lambda limit, without: store_mail_tokens.find_requests(db, limit, without),
        limit=BATCH_SIZE,
        get_key=lambda request: request["_id"],
        handle=handle,
    )


def _make_mail(db: Db, context: MailContext, request: MailRequest, now: datetime) -> None:
    """Make the token of a request valid and store its mail, if there is such an account."""
    try:
        content = json.loads(context.sealer.open(request["sealed"], str(request["_id"])))
    except CannotOpen as error:
        # JWT_SECRET was changed. Whoever asked can ask again.
        log.warning("mail request dropped", id=str(request["_id"]), error=str(error))
        return
    user = _find_account(db, request, content["email"])
    token: str = content["token"]
    if user is None:
        return
    issued = mail_tokens.issue(
        db, request, token, user_id=user["_id"], email_key=user["emailKey"], now=now
    )
    if issued is None:
        return
    failpoint("mail-token-issued")
    mail = AccountMail(
        key=f"{request['purpose']}:{request['_id']}",
        kind=rules.MAIL_KINDS[request["purpose"]],
        user_id=user["_id"],
        to=user["email"],
        link=make_link(context, request["purpose"], token),
        valid_until=issued["expiresAt"],
        language=rules.get_language(user),
    )
    account_mails.queue(db, mail, context.sealer, now)
    failpoint("token-mail-queued")


def _find_account(db: Db, request: MailRequest, email: str) -> StoredUser | None:
    if "userId" in request:
        return store.find(db, request["userId"])
    return store.find_by_email(db, list_email_keys(email))
