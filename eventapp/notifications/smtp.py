"""Send messages to the mail server of the setting `SMTP_URL`, over one connection."""

import base64
import smtplib
import ssl
from email.message import EmailMessage
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

TIMEOUT_SECONDS = 20.0  # of each step of SMTP
# Reply codes, see RFC 5321, section 4.2.1, and RFC 4954, section 6.
PERMANENT_ERRORS, AUTHENTICATED = range(500, 600), 235


class DeliveryFailed(Exception):
    """The server did not accept a message, or its answer did not arrive.

    Attributes:
        is_permanent: the server will never accept this message.
        is_server_down: the server can't be reached, or refuses the login; no mail can be sent.
    """

    def __init__(
        self, reason: str, *, is_permanent: bool = False, is_server_down: bool = False
    ) -> None:
        super().__init__(reason)
        self.is_permanent, self.is_server_down = is_permanent, is_server_down


class SmtpConnection:
    """A connection that is opened for the first message, and again after each failure.

    `smtps://` starts with TLS; `smtp://` uses STARTTLS if the server offers it. The server's
    certificate is verified in both cases.
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
        self._close()

    def send(self, message: EmailMessage) -> None:
        """Send a message to its `To`, or raise DeliveryFailed."""
        server = self._server or self._connect()
        is_sent = False
        try:
            server.send_message(message)
            is_sent = True
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryFailed(_describe(error), is_permanent=_is_permanent(error)) from error
        finally:
            # After any error, the server may still wait for the rest of this message.
            if not is_sent:
                self._close()

    def _connect(self) -> smtplib.SMTP:
        """Open the connection and log in.

        Raises:
            DeliveryFailed: with `is_server_down`. ValueError stands for a host or a user name that
                cannot be encoded, so it concerns all mails.
        """
        try:
            self._server = self._open()
            self._log_in(self._server)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            self._close()
            raise DeliveryFailed(_describe(error), is_server_down=True) from error
        return self._server

    def _open(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "localhost", self._url.port
        if self._url.scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port or 465, timeout=self._timeout, context=context)
        return smtplib.SMTP(host, port or 25, timeout=self._timeout)

    def _log_in(self, server: smtplib.SMTP) -> None:
        """Secure the connection if the server offers it, and log in if the URL names a user."""
        server.ehlo()
        if self._url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if self._url.username:
            _authenticate(server, unquote(self._url.username), unquote(self._url.password or ""))

    def _close(self) -> None:
        """Close the socket without QUIT: a stalled server would not answer it."""
        server, self._server = self._server, None
        if server:
            server.close()


def _authenticate(server: smtplib.SMTP, user: str, password: str) -> None:
    """Log in, also with characters that `smtplib` cannot send: PLAIN is UTF-8, see RFC 4616."""
    if user.isascii() and password.isascii():
        server.login(user, password)
        return
    credentials = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    code, reply = server.docmd("AUTH", f"PLAIN {credentials}")
    if code != AUTHENTICATED:
        raise smtplib.SMTPAuthenticationError(code, reply)


def _is_permanent(error: Exception) -> bool:
    """Return True if the message or its recipient caused the error, so that a retry is useless."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code in PERMANENT_ERRORS for code, _text in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code in PERMANENT_ERRORS
    return isinstance(error, ValueError | smtplib.SMTPNotSupportedError)


def _describe(error: Exception) -> str:
    """Return the error as one line of at most 300 characters, to be stored with the mail."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
