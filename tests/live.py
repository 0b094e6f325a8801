"""A real server process, `python wsgi.py`, and a proxy that can break database connections."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import requests
from werkzeug.serving import make_server

from eventapp.config import ROOT, SETTINGS
from tests.conftest import make_settings

START_SECONDS = 60


def find_free_port():
    """Return a port that no socket uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def serve(app):
    """Serve a WSGI application by threads of this process, and yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def eventually(condition, seconds=30.0):
    """Wait until `condition()` is true, and return its value; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return value


def has_read_everything(connection):
    """Return whether the server at the other end, on this machine (Linux), has read all bytes."""
    ports = [f"{end[1]:04X}" for end in (connection.getpeername(), connection.getsockname())]
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_, inode = row.split()[:10]
        if [local[-4:], remote[-4:]] == ports:
            return inode != "0" and queues.endswith(":00000000")
    return False


class Server:
    """A process of `python wsgi.py` with these settings and no others.

    Attributes:
        url: the scheme, host and port of the server.
        settings: its environment variables.
        log: the file with its standard output and error.
        http: a session of requests.
    """

    script = "wsgi.py"

    def __init__(self, directory: Path, **settings):
        self.port = int(settings.get("PORT") or find_free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = make_settings(directory, **{"PORT": str(self.port), **settings})
        # Blank values override the environment of a developer and a .env file.
        blank = dict.fromkeys(SETTINGS, "")
        environ = {**os.environ, **blank, **self.settings, "TMPDIR": str(directory)}
        self.log = directory / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, self.script], cwd=ROOT, env=environ, stdout=log, stderr=log
            )
        self.http = requests.Session()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Kill the process and its workers."""
        with suppress(ProcessLookupError):
            workers = self.workers()
            self.process.kill()
            self.process.wait()
            for pid in workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.http.close()

    def get(self, path, **options):
        return self.http.get(self.url + path, **{"timeout": 10, **options})

    def post(self, path, body, **options):
        return self.http.post(self.url + path, json=body, **{"timeout": 10, **options})

    def wait(self, path="/readyz"):
        """Wait until the server answers with 200: by default, until it has prepared its database.

        "/healthz" answers without the database. A server under load may need seconds to create the
        indexes of a new database, and until then other routes answer 503.
        """
        eventually(lambda: self.answers(path), START_SECONDS)
        return self

    def answers(self, path, status=200):
        """Return whether the server answers a GET request with this status."""
        assert self.process.poll() is None, self.log_text()
        with suppress(requests.RequestException):
            return self.get(path).status_code == status
        return False

    def workers(self):
        """Return the process ids of the workers (on Linux)."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def stop(self):
        """Send SIGTERM, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def log_text(self):
        """Return the output of the process so far."""
        return self.log.read_text()


class TcpProxy:
    """A proxy to a server that tests can cut, so that it refuses connections, and stall."""

    def __init__(self, host, port):
        self.target = (host, port)
        self._forwarding = threading.Event()
        self._forwarding.set()
        self._listener, self._sockets = None, []
        self.port = find_free_port()

    def __enter__(self):
        self.restore()
        return self

    def __exit__(self, *_):
        self.cut()

    def restore(self):
        """Accept connections, and forward all data."""
        self._forwarding.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stall(self):
        """Accept connections, but forward nothing."""
        self._forwarding.clear()

    def cut(self):
        """Close all connections, and refuse new ones."""
        if self._listener:
            # Without a shutdown the blocked accept() would keep the port.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()
        self._forwarding.set()

    def _accept(self, listener):
        with ExitStack() as stack, suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
                self._sockets += [stack.enter_context(client), stack.enter_context(server)]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                self._forwarding.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
