"""Run schemathesis on the OpenAPI document of a live server, as a user of each role.

`hooks.py` and `schemathesis.toml` define the checks. FUZZ_SECONDS=600 fuzzes each role for ten
minutes, and FUZZ_SEED=7 tries other requests than the fixed ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eventapp.config import ROOT
from tests.conftest import needs_no_server

CONFIG = Path(__file__).with_name("schemathesis.toml")
SECONDS, SEED = os.environ.get("FUZZ_SECONDS"), os.environ.get("FUZZ_SEED")
# Most operations accept an admin, so single operations are tested as an admin. Sequences of
# operations are tested as users who book and as users whose events are booked. They run on the
# embedded store alone, because they take a minute on a server.
QUICK = {
    "admin": ["--phases=coverage", "--max-time=50"],
    "organizer": ["--phases=stateful", "--max-time=20"],
    "attendee": ["--phases=stateful", "--max-time=20"],
}
ROLES = [
    "admin",
    *(pytest.param(role, marks=needs_no_server) for role in ("organizer", "attendee")),
]
NUMBER = {
    "description": "A number",
    "content": {"application/json": {"schema": {"type": "integer"}}},
}


@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_as_documented(target, role):
    limits = ["--max-time", SECONDS] if SECONDS else QUICK[role]
    done = run_schemathesis(target, role, f"{target.server.url}/api/openapi.json", *limits)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_no_server
def test_control_a_wrong_document_is_detected(target, tmp_path):
    path, document = "/api/healthz", target.server.get("/api/openapi.json").json()
    for part, wrong, failure in (
        ("responses", {"200": NUMBER}, "Response violates schema"),
        ("responses", {"201": NUMBER}, "Undocumented status code"),
        ("security", [{"bearer": []}], "without authentication"),
    ):
        operation = {**document["paths"][path]["get"], part: wrong}
        written = tmp_path / "wrong.json"
        written.write_text(json.dumps({**document, "paths": {path: {"get": operation}}}))
        done = run_schemathesis(target, "admin", str(written), "--url", target.server.url)
        assert (done.returncode, failure in done.stdout) == (1, True), done.stdout + done.stderr


def run_schemathesis(target, role, document, *limits):
    seed = ["--seed", SEED] if SEED else ["--generation-deterministic"]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    return subprocess.run(
        [*command, "--no-color", "--continue-on-failure", *seed, *limits, document],
        cwd=target.tokens[role].parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FUZZ_TOKENS": str(target.tokens[role])},
        capture_output=True,
        text=True,
    )
