"""The programs of docs/webhooks.md verify what is sent, and its table has every word for errors."""

import json
import re
import shutil
import subprocess
import time
from typing import get_args

import pytest

from eventapp.config import ROOT
from eventapp.webhooks.sending import UNREADABLE_SECRET
from eventapp.webhooks.signatures import make_secret, sign
from eventapp.webhooks.transport import SendError

PAGE = (ROOT / "docs" / "webhooks.md").read_text()
PYTHON_PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(JAVASCRIPT_PROGRAM,) = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
PAYLOAD = {"type": "booking.confirmed", "data": {"name": "Ζωή"}}
BODY = json.dumps(PAYLOAD, ensure_ascii=False).encode()
OLD_SECRET, NEW_SECRET = make_secret(), make_secret()
# Reads a list of arguments of `verify`, and writes the payload of each, or null if it is refused.
NODE_DRIVER = """
import { readFileSync } from "node:fs";
const results = JSON.parse(readFileSync(0)).map(([secret, headers, body]) => {
  try { return verify(secret, headers, Buffer.from(body)); } catch { return null; }
});
console.log(JSON.stringify(results));
"""


def make_cases():
    """Return what is verified: name, secret, headers, body, and whether it is accepted."""
    now = int(time.time())
    headers = sign([NEW_SECRET, OLD_SECRET], "msg_1", now, BODY)
    one = sign([NEW_SECRET], "msg_1", now, BODY)
    return [
        ("one secret", NEW_SECRET, one, BODY, True),
        ("new secret in a rotation", NEW_SECRET, headers, BODY, True),
        ("old secret in a rotation", OLD_SECRET, headers, BODY, True),
        ("old secret after a rotation", OLD_SECRET, one, BODY, False),
        ("other secret", make_secret(), headers, BODY, False),
        ("other body", NEW_SECRET, headers, BODY + b" ", False),
        ("other id", NEW_SECRET, headers | {"webhook-id": "msg_2"}, BODY, False),
        ("other timestamp", NEW_SECRET, headers | {"webhook-timestamp": str(now + 9)}, BODY, False),
        ("too old", NEW_SECRET, sign([NEW_SECRET], "msg_1", now - 400, BODY), BODY, False),
        ("too new", NEW_SECRET, sign([NEW_SECRET], "msg_1", now + 400, BODY), BODY, False),
        ("no number", NEW_SECRET, headers | {"webhook-timestamp": "x"}, BODY, False),
        ("no signature", NEW_SECRET, headers | {"webhook-signature": "v1,é"}, BODY, False),
    ]


def test_the_page_has_a_program_with_the_library_and_one_without():
    assert ["standardwebhooks" in program for program in PYTHON_PROGRAMS] == [True, False]


@pytest.mark.parametrize("program", PYTHON_PROGRAMS, ids=["library", "plain"])
def test_the_programs_in_python_verify_deliveries(program):
    names = {}
    exec(program, names)
    for name, secret, headers, body, is_accepted in make_cases():
        if is_accepted:
            assert names["verify"](secret, headers, body) == PAYLOAD, name
        else:
            with pytest.raises(Exception, match=r"\w"):
                names["verify"](secret, headers, body)


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js, which scripts/newman installs")
def test_the_program_in_javascript_verifies_deliveries(tmp_path):
    path, cases = tmp_path / "verify.mjs", make_cases()
    path.write_text(JAVASCRIPT_PROGRAM + NODE_DRIVER)
    given = [(secret, headers, body.decode()) for _, secret, headers, body, _ in cases]
    ended = subprocess.run(
        ["node", path], input=json.dumps(given), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    accepted = [(case[0], PAYLOAD if case[4] else None) for case in cases]
    assert list(zip([case[0] for case in cases], json.loads(ended.stdout), strict=True)) == accepted


def test_the_page_explains_each_word_for_an_error():
    table = PAGE.partition("| `error` |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [
        *get_args(SendError),
        UNREADABLE_SECRET,
    ]
