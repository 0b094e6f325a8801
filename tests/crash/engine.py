"""A second database server, for the tests that crash it. All others use that of MONGO_URI."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from eventapp.config import ROOT
from tests.live import find_free_port

SCRIPT = ROOT.parent / "shared" / "engine" / "engine"
COMMAND_SECONDS = 180


class Engine:
    """A database server with a directory, a port and data of its own.

    The data is removed at the end; the installed programs stay for the next run.
    """

    def __init__(self):
        self.home = Path(f"{default_home()}-crash-tests")
        port = find_free_port()
        self.uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        self.environ = {
            **os.environ,
            "ENGINE_HOME": str(self.home),
            "ENGINE_PORT": str(port),
            "ENGINE_PG_PORT": str(find_free_port()),
        }

    def __enter__(self):
        install(self.home)
        self.run("start")
        return self

    def __exit__(self, *_):
        self.run("wipe")

    def run(self, command):
        """Run a command of the engine's script: start, crash or wipe."""
        # The output is not captured, because the started processes would keep the pipe open.
        done = subprocess.run(
            [str(SCRIPT), command],
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"engine {command} failed; see {self.home}"


def default_home():
    """Return the directory of the installed engine, as its script defines it."""
    found = re.search(r"ENGINE_HOME=\$\{ENGINE_HOME:-([^}]+)\}", SCRIPT.read_text())
    return os.environ.get("ENGINE_HOME") or found[1]


def find_obstacle():
    """Return why a second engine cannot run on this machine, or None if it can."""
    if not SCRIPT.exists():
        return "the engine's script is not next to this repository"
    if os.geteuid() != 0:
        return "the engine needs root"
    return None


def skip_if_impossible():
    """Skip the test if a second engine cannot run on this machine."""
    if reason := find_obstacle():
        pytest.skip(reason)


def install(home):
    """Copy the programs of the installed engine without its data, instead of a download."""
    installed = Path(default_home())
    if (home / "root.done").exists() or not (installed / "root.done").exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    packed = subprocess.Popen(
        ["tar", "-C", str(installed), "--one-file-system", "--exclude=root/var/lib/docdb"]
        + ["--exclude=root/tmp/*", "-cf", "-", "root"],
        stdout=subprocess.PIPE,
    )
    subprocess.run(["tar", "-C", str(home), "-xf", "-"], stdin=packed.stdout, check=True)
    assert packed.wait() == 0
    shutil.copytree(installed / "venv", home / "venv", symlinks=True)
    (home / "root.done").touch()
