"""The length of crash tests, the server that they need, and the report of measurements."""

import os
import sys

import pytest

from tests.conftest import MONGO_URI

# With CRASH_FULL set, the tests run the full number of rounds; without it, each is short.
FULL = bool(os.environ.get("CRASH_FULL"))


@pytest.fixture(scope="session")
def mongo_server():
    """Skip the test unless MONGO_URI names a server: it needs several processes."""
    if not MONGO_URI:
        pytest.skip("several processes need a server: set MONGO_URI")


@pytest.fixture
def report(capsys):
    """A function that prints measurements in a full run."""

    def print_measurements(text):
        with capsys.disabled():
            sys.stdout.write(f"\n  {text}\n" if FULL else "")

    return print_measurements
