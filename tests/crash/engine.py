"""A second engine, for tests that crash it: the one that MONGO_URI names is others' too."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from eventapp.config import ROOT
from tests.live import free_port

SCRIPT = ROOT.parent / "shared" / "engine" / "engine"
COMMAND_SECONDS = 180


class Engine:
    """An engine with a home, a port and data of its own; gone at the end but for its programs."""

    def __init__(self):
        self.home = Path(f"{default_home()}-crash-tests")
        port = free_port()
        self.uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        self.environ = {
            **os.environ,
            "ENGINE_HOME": str(self.home),
            "ENGINE_PORT": str(port),
            "ENGINE_PG_PORT": str(free_port()),
        }

    def __enter__(self):
        install(self.home)
        self.run("start")
        return self

    def __exit__(self, *_):
        self.run("wipe")

    def run(self, command):
        # Not captured: the processes it leaves behind would keep the pipe open.
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
    """Where the engine of this machine lives, as its script has it."""
    found = re.search(r"ENGINE_HOME=\$\{ENGINE_HOME:-([^}]+)\}", SCRIPT.read_text())
    return os.environ.get("ENGINE_HOME") or found[1]


def why_not():
    """The reason why there can be no second engine here."""
    if not SCRIPT.exists():
        return "there is no engine beside this repository to crash"
    if os.geteuid() != 0:
        return "the engine needs root"
    return None


def skip_without():
    if reason := why_not():
        pytest.skip(reason)


def install(home):
    """Take the programs, not the data, from the engine that is there: quicker than fetching."""
    first = Path(default_home())
    if (home / "root.done").exists() or not (first / "root.done").exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    packed = subprocess.Popen(
        ["tar", "-C", str(first), "--one-file-system", "--exclude=root/var/lib/docdb"]
        + ["--exclude=root/tmp/*", "-cf", "-", "root"],
        stdout=subprocess.PIPE,
    )
    subprocess.run(["tar", "-C", str(home), "-xf", "-"], stdin=packed.stdout, check=True)
    assert packed.wait() == 0
    shutil.copytree(first / "venv", home / "venv", symlinks=True)
    (home / "root.done").touch()
