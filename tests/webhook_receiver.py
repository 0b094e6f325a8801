"""A receiver of webhooks on 127.0.0.1, over TLS or not, that behaves as a test says.

with Receiver(answer_with(200, b"ok")) as receiver:
    send(receiver.url, ...)
    assert receiver.requests[0].startswith(b"POST /hook")
"""

import contextlib
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
# The longest that a receiver waits for anything.
LIMIT_SECONDS = 20


class Authority:
    """A certificate authority. `path` is the file of its certificate."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = make_name("Test authority")
        builder = self._begin(self._name, self._key.public_key(), DAY)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = directory / "authority.pem"
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def make_context(self, *hosts: str, valid_for: timedelta = DAY) -> ssl.SSLContext:
        """Return what a server needs to show a certificate for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._begin(make_name(hosts[0]), key.public_key(), valid_for)
        certificate = (
            builder.add_extension(x509.SubjectAlternativeName(map(make_alternative, hosts)), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .sign(self._key, hashes.SHA256())
        )
        path = self._directory / f"server-{certificate.serial_number}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _begin(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, valid_for: timedelta
    ) -> x509.CertificateBuilder:
        """Begin a certificate that ends in `valid_for`, which is negative for an expired one."""
        now, issuer_key = datetime.now(UTC), self._key.public_key()
        identifier = x509.SubjectKeyIdentifier.from_public_key(key)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 10 * DAY)
            .not_valid_after(now + valid_for)
            .add_extension(identifier, critical=False)
            .add_extension(authority, critical=False)
        )


def make_name(text: str) -> x509.Name:
    """Return a distinguished name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_alternative(host: str) -> x509.GeneralName:
    """Return a host as a certificate names it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class Receiver:
    """A server on a free port. Each connection is handled in a thread.

    Attributes:
        behave: what happens to new connections. It may be changed.
        requests: what was read of each request.
        server_names: the names that clients asked for when they began with TLS.
        connections: how many there were.
    """

    def __init__(
        self, behave: "Callable[[Recording], None]", tls: ssl.SSLContext | None = None
    ) -> None:
        self.behave, self._tls = behave, tls
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self.requests: list[bytes] = []
        self.server_names: list[str | None] = []
        self.connections = 0
        if tls:
            tls.sni_callback = lambda _socket, name, _context: self.server_names.append(name)

    def __enter__(self) -> "Receiver":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        # Wakes the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(LIMIT_SECONDS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _address = self._listener.accept()
            except OSError:  # The listener is closed.
                return
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(LIMIT_SECONDS)
        # A client may go away at any time, and refuse the certificate.
        with contextlib.suppress(OSError), connection:
            if self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secure:
                    self.behave(Recording(secure, self.requests, self._stopped))
            else:
                self.behave(Recording(connection, self.requests, self._stopped))


class Recording:
    """A connection of a receiver, with what its behavior needs."""

    def __init__(
        self, connection: socket.socket, requests: list[bytes], stopped: threading.Event
    ) -> None:
        self.connection, self._requests, self.stopped = connection, requests, stopped

    def read_request(self) -> None:
        """Read a request whole, and note it."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self._receive()
        self._requests.append(head + b"\r\n\r\n" + body)

    def _receive(self) -> bytes:
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionResetError
        return data

    def drip(self, data: bytes, pause_seconds: float) -> None:
        """Send byte by byte."""
        for byte in data:
            self.connection.sendall(bytes([byte]))
            if self.stopped.wait(pause_seconds):
                return

    def reset(self) -> None:
        """Break the connection with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def render_answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Return an answer as it is sent."""
    lines = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer_with(status: int, body: bytes = b"", *headers: str) -> Callable[[Recording], None]:
    """Return the behavior of a receiver that reads each request and gives this answer."""

    def behave(recording: Recording) -> None:
        recording.read_request()
        recording.connection.sendall(render_answer(status, body, *headers))

    return behave


def wait_silently(recording: Recording) -> None:
    """Neither read nor answer until the test ends."""
    recording.stopped.wait(LIMIT_SECONDS)


def read_and_wait(recording: Recording) -> None:
    """Read the request, and never answer it."""
    recording.read_request()
    recording.stopped.wait(LIMIT_SECONDS)


@contextlib.contextmanager
def unused_port() -> Iterator[int]:
    """Yield a port of 127.0.0.1 on which nobody listens and which nobody else takes."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
