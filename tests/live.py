"""A real server, `python wsgi.py` in a process of its own, and a line to a database to cut."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import requests

from eventapp.config import ROOT, SETTINGS
from tests.conftest import settings_for

START_SECONDS = 60


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def eventually(look, seconds=30.0):
    """What `look` gives, as soon as it is true."""
    limit = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < limit, f"not within {seconds} s"
        time.sleep(0.02)
    return seen


def has_read(line):
    """Whether the server at the other end of this line, here on Linux, has read all it was sent."""
    ends = [f"{end[1]:04X}" for end in (line.getpeername(), line.getsockname())]
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, near, far, _, queues, *_, inode = row.split()[:10]
        if [near[-4:], far[-4:]] == ends:
            return inode != "0" and queues.endswith(":00000000")
    return False


class Server:
    """`python wsgi.py` with these settings and no others, from its start to its end."""

    script = "wsgi.py"

    def __init__(self, directory: Path, **settings):
        self.port = int(settings.get("PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = settings_for(directory, **{"PORT": str(self.port), **settings})
        # Blank, so that neither a developer's environment nor a .env file counts.
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
        """End it whatever state it is in, with its workers."""
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

    def wait(self):
        """Until it answers."""
        eventually(lambda: self.answers("/healthz"), START_SECONDS)
        return self

    def answers(self, path, status=200):
        assert self.process.poll() is None, self.said()
        with suppress(requests.RequestException):
            return self.get(path).status_code == status
        return False

    def workers(self):
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def said(self):
        return self.log.read_text()


class Line:
    """A TCP line to a database that can be cut (refuses and resets) and stalled (goes silent)."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.flowing = threading.Event()
        self.flowing.set()
        self._open, self._ends = None, []
        self.port = free_port()

    def __enter__(self):
        self.mend()
        return self

    def __exit__(self, *_):
        self.cut()

    def mend(self):
        """Take connections, and pass on what comes."""
        self.flowing.set()
        if self._open is None:
            self._open = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._open,), daemon=True).start()

    def stall(self):
        """Take connections still, but pass nothing on."""
        self.flowing.clear()

    def cut(self):
        """Close all connections and take no more."""
        if self._open:
            # Without a shutdown the waiting accept() would hold the port.
            self._open.shutdown(socket.SHUT_RDWR)
            self._open.close()
            self._open = None
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()
        self.flowing.set()

    def _accept(self, listener):
        with ExitStack() as stack, suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.target)
                self._ends += [stack.enter_context(near), stack.enter_context(far)]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source, drain):
        with suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                drain.sendall(data)
            drain.shutdown(socket.SHUT_RDWR)
