"""Send the mails in the outbox, each by one process at a time, and again after a failure.

`service.notify` stores each mail once, by its unique key. A process claims a mail for LEASE before
it sends the mail. If the process dies, the mail is sent again after the lease. The mail server may
then receive it twice, with the same Message-ID.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parseaddr
from functools import partial
from typing import Protocol

import structlog
from bson import ObjectId

from eventapp.core.access.booking_links import LinkKeys
from eventapp.core.access.emails import encode_email_domain
from eventapp.core.access.sealing import CannotOpen, Sealer
from eventapp.core.clock import start_clock
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun
from eventapp.notifications import rules, store_outbox
from eventapp.notifications.account_mails import open_bodies
from eventapp.notifications.mailed_bookings import DrawCodes, Picture, add_key, draw_pictures
from eventapp.notifications.smtp import DeliveryFailed, SmtpConnection
from eventapp.notifications.types import DueMail, MailOutcome, QueuedMail, StoredAttachment
from eventapp.notifications.unsubscribing import UnsubscribeKeys, add_link, make_links

# Sending one mail takes less than this, even if every step of SMTP lasts until its timeout.
LEASE = timedelta(minutes=10)
# The most mails that one call sends.
BATCH_SIZE = 1000
DEFAULT_FROM = "eventapp@localhost"
DEFAULT_BASE_URL = "http://127.0.0.1:10000"
# The header of RFC 8058 by which mail programs offer to unsubscribe.
LIST_UNSUBSCRIBE = "List-Unsubscribe"
# A mail address in the answer of a mail server.
ADDRESS = re.compile(r"[^\s<>@\"',;:]+@[^\s<>@\"',;:]+")

log = structlog.get_logger("mail")


class MailConnection(Protocol):
    """A connection to a mail server."""

    def send(self, message: EmailMessage) -> None:
        """Send a message to its `To`, or raise DeliveryFailed."""


@dataclass(frozen=True)
class Outbox:
    """What the outbox needs to write and send its mails, which are stored in the database.

    Attributes:
        connect: opens a connection to the mail server. If it is None, mails are only logged.
        mail_from: the From header of every mail.
        base_url: the start of every link in a mail.
        sealer: opens the mails that hold a token; None if there are none.
        unsubscribe_keys: makes the keys of links to unsubscribe; None if no mail has one.
        link_keys: makes the keys of links to bookings; None for links that need a login.
        draw_codes: draws the QR codes of tickets; None for mails without pictures.
    """

    connect: Callable[[], AbstractContextManager[MailConnection]] | None = None
    mail_from: str = DEFAULT_FROM
    base_url: str = DEFAULT_BASE_URL
    sealer: Sealer | None = None
    unsubscribe_keys: UnsubscribeKeys | None = None
    link_keys: LinkKeys | None = None
    draw_codes: DrawCodes | None = None

    def require_sealer(self) -> Sealer:
        """Return the sealer of an outbox that was opened with one."""
        assert self.sealer, "open the outbox with a sealer"
        return self.sealer


def open_outbox(
    smtp_url: str | None,
    mail_from: str | None,
    base_url: str,
    sealer: Sealer | None = None,
    unsubscribe_keys: UnsubscribeKeys | None = None,
    link_keys: LinkKeys | None = None,
    draw_codes: DrawCodes | None = None,
) -> Outbox:
    """Return the outbox for these settings. It connects when the first mail is sent."""
    connect = partial(SmtpConnection, smtp_url) if smtp_url else None
    sender = mail_from or DEFAULT_FROM
    return Outbox(connect, sender, base_url, sealer, unsubscribe_keys, link_keys, draw_codes)


def send_due_mails(db: Db, outbox: Outbox, now: datetime) -> int:
    """Send the mails that are due, and return how many were sent, logged or given up.

    If the server can't be reached or refuses the login, the remaining mails wait for the next call.
    """
    clock, run, is_server_down = start_clock(now), DueRun(db, "mail", now), False

    def send(due: DueMail) -> int:
        nonlocal is_server_down
        mail = store_outbox.claim(db, due, ObjectId(), clock() + LEASE)
        if mail is None:
            return 0
        failpoint("mail-claim")
        outcome, is_server_up = _try_to_send(db, connection, outbox, mail, clock)
        is_server_down = not is_server_up
        failpoint("mail-sent")
        return int(store_outbox.record_outcome(db, mail, outcome) and "doneAt" in outcome)

    with outbox.connect() if outbox.connect else nullcontext() as connection:
        mails = store_outbox.find_due(db, now, BATCH_SIZE, run.waiting)
        finished = run.process(
            mails,
            get_key=lambda mail: mail["_id"],
            handle=send,
            is_stopped=lambda: is_server_down,
        )
    if len(mails) < BATCH_SIZE and not is_server_down:
        run.forget_absent()
    return finished


def _try_to_send(
    db: Db,
    connection: MailConnection | None,
    outbox: Outbox,
    mail: QueuedMail,
    clock: Callable[[], datetime],
) -> tuple[MailOutcome, bool]:
    """Try to send a mail.

    Args:
        connection: None if mails are only logged.

    Returns:
        The fields to store, and whether the server can take further mails.
    """
    if connection is None:
        log.info("mail not sent: no SMTP_URL", kind=mail["kind"], id=str(mail["_id"]))
        return {"status": rules.LOGGED, "doneAt": clock()}, True
    # The first attempt is made at any age: a mail may be old because no worker has run.
    if mail["attempts"] > 1 and rules.is_too_old_to_retry(mail["createdAt"], clock()):
        return _give_up(mail, mail.get("lastError", "never finished"), clock()), True
    if "validUntil" in mail and mail["validUntil"] <= clock():
        return _give_up(mail, "its link has expired", clock()), True
    try:
        connection.send(_build_complete_message(db, mail, outbox, clock()))
    except CannotOpen as error:
        return _give_up(mail, f"the text cannot be opened: {error}", clock()), True
    except DeliveryFailed as failure:
        return _retry_or_give_up(mail, failure, clock()), not failure.is_server_down
    return {"status": rules.SENT, "doneAt": clock()}, True


def _retry_or_give_up(mail: QueuedMail, failure: DeliveryFailed, now: datetime) -> MailOutcome:
    # Mail servers repeat the address in their answers. A log keeps no address of a person.
    reason = ADDRESS.sub("[address]", str(failure))
    next_try_at = rules.schedule_next_attempt(mail["attempts"], mail["createdAt"], now)
    if failure.is_permanent or next_try_at is None:
        return _give_up(mail, reason, now)
    log.warning("mail not sent yet", kind=mail["kind"], id=str(mail["_id"]), error=reason)
    return {"status": rules.QUEUED, "nextTryAt": next_try_at, "lastError": reason}


def _give_up(mail: QueuedMail, reason: str, now: datetime) -> MailOutcome:
    log.error("mail given up", kind=mail["kind"], id=str(mail["_id"]), error=reason)
    return {"status": rules.FAILED, "doneAt": now, "lastError": reason}


class _MailPolicy(EmailPolicy):
    """Writes the header List-Unsubscribe in one line.

    The default policy would encode a URL that is longer than a line as words, which mail programs
    do not decode in this header.
    """

    def fold(self, name: str, value: str) -> str:
        """Return a header as its lines."""
        if name == LIST_UNSUBSCRIBE:
            return f"{name}: {value}{self.linesep}"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: str) -> bytes:
        """Return a header as the bytes of its lines."""
        if name == LIST_UNSUBSCRIBE:
            return self.fold(name, value).encode("ascii")
        return super().fold_binary(name, value)


MAIL_POLICY = _MailPolicy()


def _build_complete_message(
    db: Db, mail: QueuedMail, outbox: Outbox, now: datetime
) -> EmailMessage:
    """Return a stored mail as a message, with what is not stored: keys of links, and pictures.

    Raises:
        CannotOpen: the bodies were sealed with another key.
        DeliveryFailed: see `build_message`.
    """
    opened = open_bodies(mail, outbox.sealer)
    if outbox.link_keys:
        opened = add_key(opened, outbox.link_keys)
    pictures = draw_pictures(db, opened, outbox.draw_codes, now) if outbox.draw_codes else []
    keys = outbox.unsubscribe_keys
    links = make_links(mail, keys, outbox.base_url) if keys else None
    if links is None:
        return build_message(opened, outbox.mail_from, pictures)
    message = build_message(add_link(opened, links), outbox.mail_from, pictures)
    message[LIST_UNSUBSCRIBE] = f"<{links.one_click}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def build_message(
    mail: QueuedMail, mail_from: str, pictures: Sequence[Picture] = ()
) -> EmailMessage:
    """Return a stored mail as a message, always with the same Message-ID.

    Args:
        pictures: those that the HTML body shows.

    Raises:
        DeliveryFailed: with `is_permanent`, if the recipient is not exactly one address, or if an
            address or the subject contains a line break, which could begin another header.
    """
    message = EmailMessage(MAIL_POLICY)
    try:
        message["From"] = mail_from
        # Few servers take a domain that is not in ASCII.
        message["To"] = encode_email_domain(mail["to"])
        message["Subject"] = mail["subject"]
    # The parser raises IndexError for "ann@".
    except (ValueError, IndexError, MessageError) as error:
        raise DeliveryFailed(f"{type(error).__name__}: {error}", is_permanent=True) from error
    addresses = message["To"].addresses
    if len(addresses) != 1 or not (addresses[0].username and addresses[0].domain):
        raise DeliveryFailed("the address is not one address", is_permanent=True)
    domain = parseaddr(mail_from)[1].rpartition("@")[2] or "localhost"
    message["Date"] = mail["createdAt"]
    message["Message-ID"] = f"<{mail['_id']}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail["text"])
    message.add_alternative(mail["html"], subtype="html")
    _add_pictures(message, pictures)
    for file in mail["attachments"]:
        _attach(message, file)
    return message


def _add_pictures(message: EmailMessage, pictures: Sequence[Picture]) -> None:
    """Add the pictures to the HTML body, which becomes multipart/related if there are any."""
    html = message.get_body(("html",))
    assert isinstance(html, EmailMessage), "add the HTML body before its pictures"
    for picture in pictures:
        html.add_related(
            picture.content,
            maintype="image",
            subtype="png",
            cid=f"<{picture.content_id}>",
            disposition="inline",
            filename=picture.name,
        )


def _attach(message: EmailMessage, file: StoredAttachment) -> None:
    part = EmailMessage()
    part["Content-Type"] = file["type"]
    message.add_attachment(
        file["content"],
        maintype=part.get_content_maintype(),
        subtype=part.get_content_subtype(),
        filename=file["name"],
        params=dict(part["Content-Type"].params),
    )
