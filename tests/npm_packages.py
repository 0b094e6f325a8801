"""Packages of npm that tests use, installed as the lock file beside the tests says."""

import shutil
import subprocess
import zlib

import pytest


def require_npm():
    """Skip the test if there is no npm."""
    if not shutil.which("npm"):
        pytest.skip("needs Node.js with npm")


def install(folder):
    """Install the packages of a folder, unless they are installed, and return `node_modules`.

    Args:
        folder: contains `package.json` and `package-lock.json`.
    """
    require_npm()
    modules = folder / "node_modules"
    marker = modules / ".installed"
    checksum = str(zlib.crc32((folder / "package-lock.json").read_bytes()))
    if not marker.exists() or marker.read_text() != checksum:
        command = ["npm", "ci", "--prefix", str(folder), "--loglevel", "error"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
        marker.write_text(checksum)
    return modules
