"""Generators accept the OpenAPI document, and the clients that they make work.

The generators are openapi-python-client and openapi-typescript. The packages for TypeScript are
installed into tests/clients/node_modules on the first run.
"""

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventapp.config import load_config
from tests.conftest import drop_database, make_settings
from tests.live import Server

FOLDER = Path(__file__).parent
TYPESCRIPT_OPTIONS = [
    *("--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"),
    *("--module", "nodenext", "--moduleResolution", "nodenext"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the sample events."""
    directory = tmp_path_factory.mktemp("clients")
    settings = make_settings(directory)
    seed = [sys.executable, "scripts/seed.py"]
    subprocess.run(seed, env={**os.environ, **settings}, check=True, capture_output=True)
    try:
        with Server(directory, **settings) as server:
            yield server.wait()
    finally:
        drop_database(load_config(settings))


@pytest.fixture
def document(server: Server, tmp_path: Path) -> Path:
    """A file with the OpenAPI document of the server."""
    path = tmp_path / "openapi.json"
    path.write_bytes(server.get("/api/openapi.json").content)
    return path


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and return its output; fail with the output if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_generated_python_client_works(server: Server, document: Path, tmp_path: Path) -> None:
    command = ("generate", "--path", document, "--output-path", tmp_path / "client")
    options = ("--meta", "none", "--fail-on-warning")
    run(sys.executable, "-m", "openapi_python_client", *command, *options)
    untyped = [
        path.name
        for path in (tmp_path / "client/api").rglob("*.py")
        if "body: Any" in path.read_text()
    ]
    assert untyped == []
    run(sys.executable, FOLDER / "python_calls.py", server.url, tmp_path)


def test_a_generated_typescript_client_works(
    server: Server, document: Path, tmp_path: Path
) -> None:
    if not shutil.which("npm"):
        pytest.skip("needs Node.js with npm")
    bin_folder = _install_packages() / ".bin"
    shutil.copy(FOLDER / "calls.ts", tmp_path)
    shutil.copy(FOLDER / "package.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(bin_folder.parent)
    run(bin_folder / "openapi-typescript", document, "--output", tmp_path / "api.d.ts")
    run(bin_folder / "tsc", *TYPESCRIPT_OPTIONS, "calls.ts", cwd=tmp_path)
    run("node", "calls.js", server.url, cwd=tmp_path)


def _install_packages() -> Path:
    """Install the packages unless the installed ones are those of the lock file."""
    modules = FOLDER / "node_modules"
    marker, checksum = modules / ".installed", str(zlib.crc32(_read_lock_file()))
    if not marker.exists() or marker.read_text() != checksum:
        run("npm", "ci", "--prefix", FOLDER, "--loglevel", "error")
        marker.write_text(checksum)
    return modules


def _read_lock_file() -> bytes:
    return (FOLDER / "package-lock.json").read_bytes()
