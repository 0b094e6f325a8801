"""Schemathesis over the live OpenAPI document, in the name of each role.

`hooks.py` and `schemathesis.toml` say what is checked. FUZZ_SECONDS=600 fuzzes so long a role,
FUZZ_SEED=7 otherwise than the last time.
"""

import json
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
    "admin": ["--phases=coverage", "--max-time=50"],
    "organizer": ["--phases=stateful", "--max-time=20"],
    "attendee": ["--phases=stateful", "--max-time=20"],
}
NUMBER = {
    "description": "A number",
    "content": {"application/json": {"schema": {"type": "integer"}}},
}


@pytest.mark.parametrize("role", QUICK)
def test_every_answer_is_as_documented(stage, role):
    extent = ["--max-time", SECONDS] if SECONDS else QUICK[role]
    done = schemathesis(stage, role, f"{stage.server.url}/api/openapi.json", *extent)
    assert done.returncode == 0, done.stdout + done.stderr


def test_control_a_document_that_lies_is_found_out(stage, tmp_path):
    path, document = "/api/healthz", stage.server.get("/api/openapi.json").json()
    for part, lie, failure in (
        ("responses", {"200": NUMBER}, "Response violates schema"),
        ("responses", {"201": NUMBER}, "Undocumented status code"),
        ("security", [{"bearer": []}], "without authentication"),
    ):
        operation = {**document["paths"][path]["get"], part: lie}
        written = tmp_path / "lies.json"
        written.write_text(json.dumps({**document, "paths": {path: {"get": operation}}}))
        done = schemathesis(stage, "admin", str(written), "--url", stage.server.url)
        assert (done.returncode, failure in done.stdout) == (1, True), done.stdout + done.stderr


def schemathesis(stage, role, document, *extent):
    chance = ["--seed", SEED] if SEED else ["--generation-deterministic"]
    st = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    return subprocess.run(
        [*st, "--no-color", "--continue-on-failure", *chance, *extent, document],
        cwd=stage.people[role].parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FUZZ_PEOPLE": str(stage.people[role])},
        capture_output=True,
        text=True,
    )
