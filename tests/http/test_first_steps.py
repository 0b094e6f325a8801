"""The commands of README.md, and the usage of every script."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventapp.config import ROOT, SETTINGS
from tests.live import Server

SECONDS = 120
SHELL_SCRIPTS = ("serve", "test", "newman")
PACKAGES = ("scripts.bench", "scripts.soak")


def list_usage_commands():
    """Return the command that asks each script for its usage."""
    python = [[sys.executable, str(path)] for path in sorted((ROOT / "scripts").glob("*.py"))]
    shell = [[str(ROOT / "scripts" / name)] for name in SHELL_SCRIPTS]
    packages = [[sys.executable, "-m", name] for name in PACKAGES]
    return [[*command, "--help"] for command in (*python, *shell, *packages)]


def run_for_usage(command):
    """Return what is wrong about the usage that a command prints, or None."""
    environ = {**os.environ, **dict.fromkeys(SETTINGS, ""), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=SECONDS
    )
    is_right = done.returncode == 0 and done.stdout.startswith("usage: ") and done.stderr == ""
    return None if is_right else (command, done.returncode, done.stdout[:200], done.stderr[-500:])


def test_every_script_prints_its_usage():
    commands = list_usage_commands()
    assert len(commands) > 12
    with ThreadPoolExecutor(4) as pool:
        assert [fault for fault in pool.map(run_for_usage, commands) if fault] == []


def test_no_script_is_left_out():
    named = {*SHELL_SCRIPTS, "environment", "bench", "soak", "race_adapters"}
    found = {path.name for path in (ROOT / "scripts").iterdir() if path.suffix != ".py"}
    assert found - {"__pycache__"} == named


@pytest.fixture
def server(tmp_path):
    """A server on a database with the sample events."""
    with Server(tmp_path) as started:
        started.wait().stop()
        environ = {**os.environ, **dict.fromkeys(SETTINGS, ""), **started.settings}
        seed = [sys.executable, str(ROOT / "scripts" / "seed.py")]
        subprocess.run(seed, env=environ, check=True, capture_output=True)
        again = Server(tmp_path, **started.settings)
    with again:
        yield again.wait()


def read_commands(heading):
    """Return the shell commands below a heading of README.md."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_first_requests_of_the_readme_can_be_repeated(server, tmp_path):
    commands = read_commands("First requests")
    assert "http://127.0.0.1:10000" in commands
    script = "set -eu\n" + commands.replace("http://127.0.0.1:10000", server.url)
    for _run in range(2):
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert '"status":"cancelled"' in done.stdout.replace(" ", "")


def test_the_root_names_the_addresses_that_the_start_prints(server):
    addresses = server.get("/").json()
    assert addresses["api"] == f"{server.url}/api"
    printed = server.log_text()
    for name in ("api", "documentation", "dashboard"):
        assert addresses[name] in printed
    for name in ("documentation", "openapi", "dashboard"):
        assert server.get(addresses[name].removeprefix(server.url)).status_code == 200
