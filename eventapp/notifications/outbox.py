"""Sending what is due: each mail by one worker at a time, again after a pause where it failed."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import parseaddr
from functools import partial
from typing import Any, Protocol

import structlog
from bson import ObjectId

from eventapp.core.clock import advancing_clock
from eventapp.core.database import Db, Document
from eventapp.core.failpoints import failpoint
from eventapp.notifications import rules, store_outbox
from eventapp.notifications.smtp import NotSent, SmtpLine

# Longer than a server may keep one message waiting, each step to its timeout.
LEASE = timedelta(minutes=10)
AT_ONCE = 1000
DEFAULT_FROM = "eventapp@localhost"
DEFAULT_BASE_URL = "http://127.0.0.1:10000"

log = structlog.get_logger("mail")


class Line(Protocol):
    """Where messages go. `send` raises NotSent."""

    def send(self, message: EmailMessage) -> None: ...


@dataclass(frozen=True)
class Outbox:
    """How mails leave: from whom, by which line (None: they are logged), and whither they link."""

    connect: Callable[[], AbstractContextManager[Line]] | None = None
    mail_from: str = DEFAULT_FROM
    base_url: str = DEFAULT_BASE_URL


def open_outbox(smtp_url: str | None, mail_from: str | None, base_url: str) -> Outbox:
    """The outbox that the settings give."""
    line = partial(SmtpLine, smtp_url) if smtp_url else None
    return Outbox(line, mail_from or DEFAULT_FROM, base_url)


def send_due_mails(db: Db, outbox: Outbox, now: datetime) -> int:
    """Send the mails whose time has come; how many are done with: sent, logged or given up.

    A mail whose sender died, or was not told whether it was taken, is sent again, under the same
    Message-ID. Where the server can't be reached at all, the rest is left for the next round.
    """
    done, clock = 0, advancing_clock(now)
    with outbox.connect() if outbox.connect else nullcontext() as line:
        for due in store_outbox.due(db, now, AT_ONCE):
            mail = store_outbox.claim(db, due, ObjectId(), clock() + LEASE)
            if mail is None:
                continue
            failpoint("mail-claim")
            fields, go_on = _sent(line, outbox, mail, clock)
            failpoint("mail-sent")
            done += store_outbox.settle(db, mail, fields) and "doneAt" in fields
            if not go_on:
                break
    return done


def _sent(
    line: Line | None, outbox: Outbox, mail: Document, clock: Callable[[], datetime]
) -> tuple[dict[str, Any], bool]:
    """What came of one mail, as fields to set, and whether to go on to the next."""
    if line is None:
        log.info("mail not sent: no SMTP_URL", to=mail["to"], subject=mail["subject"])
        return {"status": rules.LOGGED, "doneAt": clock()}, True
    if mail["attempts"] > 1 and clock() - mail["createdAt"] >= rules.GIVE_UP_AFTER:
        return _given_up(mail, mail.get("lastError", "never finished"), clock()), True
    try:
        line.send(message_of(mail, outbox.mail_from))
    except NotSent as fault:
        return _failed(mail, fault, clock()), not fault.no_server
    return {"status": rules.SENT, "doneAt": clock()}, True


def _failed(mail: Document, fault: NotSent, now: datetime) -> dict[str, Any]:
    again = rules.next_try(mail["attempts"], mail["createdAt"], now)
    if fault.permanent or again is None:
        return _given_up(mail, str(fault), now)
    log.warning("mail not sent yet", kind=mail["kind"], id=str(mail["_id"]), error=str(fault))
    return {"status": rules.QUEUED, "nextTryAt": again, "lastError": str(fault)}


def _given_up(mail: Document, reason: str, now: datetime) -> dict[str, Any]:
    log.error("mail given up", kind=mail["kind"], id=str(mail["_id"]), error=reason)
    return {"status": rules.FAILED, "doneAt": now, "lastError": reason}


def message_of(mail: Document, mail_from: str) -> EmailMessage:
    """The message, the same whenever it is made. NotSent, for good, where no header can hold it.

    A line break in an address or a subject can't begin another header: it is refused.
    """
    message = EmailMessage()
    domain = parseaddr(mail_from)[1].rpartition("@")[2] or "localhost"
    try:
        message["From"] = mail_from
        message["To"] = mail["to"]
        message["Subject"] = mail["subject"]
    except (ValueError, IndexError) as error:
        raise NotSent(f"{type(error).__name__}: {error}", permanent=True) from error
    addresses = message["To"].addresses
    if len(addresses) != 1 or not (addresses[0].username and addresses[0].domain):
        raise NotSent("the address is not one address", permanent=True)
    message["Date"] = mail["createdAt"]
    message["Message-ID"] = f"<{mail['_id']}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail["text"])
    message.add_alternative(mail["html"], subtype="html")
    for file in mail["attachments"]:
        main, _, sub = file["type"].partition("/")
        message.add_attachment(file["content"], maintype=main, subtype=sub, filename=file["name"])
    return message
