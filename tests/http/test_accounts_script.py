"""`scripts/create_admin.py` creates the first admin from the command line."""

import os
import pty
import subprocess
import sys

import pytest

from eventapp.config import ROOT, load_config
from eventapp.core.embedded.locking import lock_directory
from tests.conftest import MONGO_URI, drop_database, make_settings, needs_no_server

PASSWORD = "correct horse"
ROOT_ADMIN = ("--name", "Root", "--email", "root@example.org")


@pytest.fixture
def environ(tmp_path):
    settings = make_settings(tmp_path, WEB_CONCURRENCY="1")
    yield {**os.environ, **settings}
    drop_database(load_config(settings))


def run(environ, *arguments, **more):
    return subprocess.run(
        [sys.executable, "scripts/create_admin.py", *(arguments or ROOT_ADMIN)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        **more,
    )


def test_it_creates_an_admin_who_can_log_in(environ, make_app):
    done = run({**environ, "ADMIN_PASSWORD": PASSWORD})
    assert (done.returncode, done.stdout) == (0, "root@example.org is an admin\n")
    uri = {"MONGO_URI": environ["MONGO_URI"]} if MONGO_URI else {}
    app = make_app(INSTANCE_DIR=environ["INSTANCE_DIR"], **uri)
    login = {"email": "root@example.org", "password": PASSWORD}
    answer = app.test_client().post("/api/auth/login", json=login)
    assert answer.json["user"]["role"] == "admin"


@needs_no_server
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ADMIN_PASSWORD": "short"}, "password: Must have at least 8 characters."),
        ({"ADMIN_PASSWORD": PASSWORD, "PORT": "x"}, "PORT"),
        ({"ADMIN_PASSWORD": PASSWORD, "MONGO_URI": "mongodb://127.0.0.1:1/x"}, "does not answer"),
    ],
)
def test_each_error_is_one_line(environ, changes, message):
    done = run({**environ, **changes})
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("create_admin: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_email_is_refused(environ):
    with_password = {**environ, "ADMIN_PASSWORD": PASSWORD}
    assert run(with_password).returncode == 0
    again = run(with_password)
    assert again.returncode == 1
    assert again.stderr == "create_admin: This email is already registered\n"


@needs_no_server
def test_a_bad_email_is_refused(environ):
    done = run({**environ, "ADMIN_PASSWORD": PASSWORD}, "--name", "Root", "--email", "nonsense")
    assert done.stderr == "create_admin: email: Not a valid email address.\n"


@needs_no_server
def test_an_embedded_store_in_use_is_reported_in_one_line(environ, tmp_path):
    lock = lock_directory(tmp_path)
    done = run({**environ, "ADMIN_PASSWORD": PASSWORD})
    os.close(lock)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "in use by another" in done.stderr


@needs_no_server
@pytest.mark.parametrize(
    ("typed", "code", "message"),
    [
        (f"{PASSWORD}\n{PASSWORD}\n", 0, "root@example.org is an admin"),
        (f"{PASSWORD}\nanother one\n", 1, "the two passwords differ"),
    ],
)
def test_the_password_is_asked_for_twice_and_not_shown(environ, typed, code, message):
    environ = {name: value for name, value in environ.items() if name != "ADMIN_PASSWORD"}
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, "scripts/create_admin.py", *ROOT_ADMIN], environ)
    shown = b""
    for line in typed.splitlines(keepends=True):
        while not shown.rstrip().endswith((b"Password:", b"Once more:")):
            shown += os.read(terminal, 1000)
        os.write(terminal, line.encode())
        shown += b"|"
    shown += read_to_end(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    assert message in shown.decode()
    assert PASSWORD not in shown.decode()


def read_to_end(terminal):
    shown = b""
    while True:
        try:
            read = os.read(terminal, 1000)
        except OSError:  # Linux raises this when the other end was closed.
            return shown
        if not read:
            return shown
        shown += read
