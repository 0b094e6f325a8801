"""Schemathesis over the live OpenAPI document, in the name of each role.

`hooks.py` and `schemathesis.toml` say what is checked. FUZZ_SECONDS=600 fuzzes so long a role,
FUZZ_SEED=7 otherwise than the last time.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eventapp.config import ROOT

CONFIG = Path(__file__).with_name("schemathesis.toml")
SECONDS, SEED = os.environ.get("FUZZ_SECONDS"), os.environ.get("FUZZ_SEED")
# An admin may do most, and so comes furthest in what is tried of each operation one by one; what
# leads from one to the next is tried as who books and as whose events are booked.
QUICK = {
    "admin": ["--phases=coverage"],
    "organizer": ["--phases=stateful", "--max-time=20"],
    "attendee": ["--phases=stateful", "--max-time=20"],
}


@pytest.mark.parametrize("role", QUICK)
def test_every_answer_is_as_documented(stage, role, tmp_path):
    extent = ["--max-time", SECONDS] if SECONDS else QUICK[role]
    chance = ["--seed", SEED] if SEED else ["--generation-deterministic"]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
        + ["--no-color", "--continue-on-failure", *extent, *chance]
        + [f"{stage.server.url}/api/openapi.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FUZZ_PEOPLE": str(stage.people[role])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
