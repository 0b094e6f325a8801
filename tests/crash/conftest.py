"""How long the crash tests go on, and what they need."""

import os
import sys

import pytest

from tests.conftest import MONGO_URI

# The full number of rounds of quality.md; without it each test is quick.
FULL = bool(os.environ.get("CRASH_FULL"))


@pytest.fixture(scope="session")
def on_a_server():
    if not MONGO_URI:
        pytest.skip("several processes need a server: set MONGO_URI")


@pytest.fixture
def figures(capsys):
    """Say figures, for who runs the full numbers."""

    def say(words):
        with capsys.disabled():
            sys.stdout.write(f"\n  {words}\n" if FULL else "")

    return say
