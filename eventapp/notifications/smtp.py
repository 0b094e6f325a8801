"""A line to the mail server of `SMTP_URL`, which may refuse, stall or hang up at any moment."""

import smtplib
import ssl
from email.message import EmailMessage
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

TIMEOUT_SECONDS = 20.0
PERMANENT = range(500, 600)


class NotSent(Exception):
    """The server took the message not, or not for sure.

    Attributes:
        permanent: it says that it never will.
        no_server: it says nothing of this message: it can't be reached or won't let us in.
    """

    def __init__(self, reason: str, *, permanent: bool = False, no_server: bool = False) -> None:
        super().__init__(reason)
        self.permanent, self.no_server = permanent, no_server


class SmtpLine:
    """One connection, opened at the first message and again after each failure.

    `smtp://` takes up TLS where the server offers it, `smtps://` begins with it; a certificate
    that is offered must be good.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._url, self._timeout = urlsplit(url), timeout
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._hang_up()

    def send(self, message: EmailMessage) -> None:
        """Send to the message's `To`. NotSent where it is not, or not for sure, taken."""
        server = self._server or self._connected()
        try:
            server.send_message(message)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            self._hang_up()
            raise NotSent(_reason(error), permanent=_is_permanent(error)) from error

    def _connected(self) -> smtplib.SMTP:
        try:
            self._server = self._open()
            self._greet(self._server)
        except (smtplib.SMTPException, OSError) as error:
            self._hang_up()
            raise NotSent(_reason(error), no_server=True) from error
        return self._server

    def _open(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "localhost", self._url.port
        if self._url.scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port or 465, timeout=self._timeout, context=context)
        return smtplib.SMTP(host, port or 25, timeout=self._timeout)

    def _greet(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if self._url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))

    def _hang_up(self) -> None:
        """Close without a goodbye that a stalled server would make us wait for."""
        server, self._server = self._server, None
        if server:
            server.close()


def _is_permanent(error: Exception) -> bool:
    """True where the fault is the message's or the recipient's, and stays."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code in PERMANENT for code, _said in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code in PERMANENT
    return isinstance(error, ValueError | smtplib.SMTPNotSupportedError)


def _reason(error: Exception) -> str:
    """The error in one bounded line for whoever looks after the mails."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
