"""A server logs one JSON line for each request, and no secrets."""

import json
import os
import subprocess
import sys

import pytest

from eventapp.config import ROOT
from eventapp.core.logging import redact_secrets

SERVER = """
import json, logging, sys
from eventapp import create_app
from eventapp.core.database import OPEN_DATABASE
from tests.factories import event_body
TOKEN_FIELDS = ("name", "scopes", "currentPassword")
app = create_app()
client = app.test_client()
body = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
body["role"] = "organizer"
signed_in = client.post("/api/users", json=body).json
headers = {"Authorization": f"Bearer {signed_in['token']}", "X-Request-Id": "my-id-1"}
client.get("/api/auth/profile", headers=headers)
body |= {"scopes": ["bookings:read"], "currentPassword": body["password"]}
made = client.post("/api/auth/tokens", json={k: body[k] for k in TOKEN_FIELDS}, headers=headers)
signed_in["apiToken"] = made.json["secret"]
client.get("/api/bookings", headers={"Authorization": f"Bearer {made.json['secret']}"})
logging.getLogger("library").warning("no %s", made.json["secret"])
event_id = client.post("/api/events", json=event_body(), headers=headers).json["eventId"]
device = {"name": "Door"}
link = client.post(f"/api/events/{event_id}/devices", json=device, headers=headers).json["link"]
signed_in["code"] = link.partition("#")[2]
paired = client.post("/api/devices/pair", json={"code": signed_in["code"]})
signed_in["deviceSecret"] = paired.json["secret"]
client.post("/api/devices/pair", json={"code": signed_in["code"]})
logging.getLogger("library").warning("no %s", link)
body = {name: body[name] for name in ("name", "email", "password")}
client.post("/api/auth/login", json={**body, "password": "wrong horse"})
client.post("/api/auth/refresh", json={"refreshToken": signed_in["refreshToken"]})
broken = b'{"currentPassword": "correct horse'
client.put("/api/auth/change-password", data=broken, headers=headers)
logging.getLogger("library").warning("Bearer %s", signed_in["token"])
OPEN_DATABASE.get(app).client.close()
print(json.dumps(signed_in))
"""


def serve(directory, **changes):
    """Run a server; return what it printed and what it logged."""
    environ = {name: value for name, value in os.environ.items() if name != "MONGO_URI"}
    environ |= {"INSTANCE_DIR": str(directory), "BCRYPT_ROUNDS": "4", **changes}
    done = subprocess.run(
        [sys.executable, "-c", SERVER], cwd=ROOT, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_is_logged(tmp_path, log_format):
    signed_in, logged = serve(tmp_path, LOG_FORMAT=log_format, LOG_LEVEL="debug")
    signature = signed_in["token"].rsplit(".")[-1]
    names = ("token", "refreshToken", "apiToken", "code", "deviceSecret")
    secrets = [signed_in[name] for name in names]
    for secret in ("horse", *secrets, signature, "$2b$"):
        assert secret not in logged
    assert "Bearer [hidden]" in logged


def test_each_request_is_one_json_line(tmp_path):
    signed_in, logged = serve(tmp_path, LOG_FORMAT="json")
    lines = [json.loads(line) for line in logged.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) == 11
    profile = next(line for line in requests if line["request_id"] == "my-id-1")
    assert profile["user"] == signed_in["user"]["_id"]
    assert profile["route"] == "/api/auth/profile"
    assert (profile["method"], profile["status"], profile["level"]) == ("GET", 200, "info")
    assert profile["ms"] >= 0
    assert profile["timestamp"].endswith("Z")


def test_demo_open_is_logged_at_start(tmp_path):
    _, logged = serve(tmp_path / "open", DEMO_OPEN="1", LOG_LEVEL="warning")
    assert "DEMO_OPEN: anyone may change events and accounts without a token" in logged
    _, quiet = serve(tmp_path / "shut", LOG_LEVEL="warning")
    assert "DEMO_OPEN" not in quiet


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("password", "x", "[hidden]"),
        ("refreshToken", "x", "[hidden]"),
        ("passwordHash", None, None),
        ("uri", "mongodb://root:pass@db:27017/x", "mongodb://[hidden]@db:27017/x"),
        ("uri", "mongodb://db:27017/x", "mongodb://db:27017/x"),
        ("event", "Bearer abc.def", "Bearer [hidden]"),
        ("route", "/api/events/<whole:event_id>", "/api/events/<whole:event_id>"),
        ("error", "$2b$12$" + "a" * 53, "[hidden]"),
        ("headers", {"X": "eyJhbGciOi.eyJzdWIi.sig"}, "{'X': '[hidden]'}"),
        ("error", "evt_" + "a1B2" * 10, "[hidden]"),
        ("link", "https://x.example/door#evp_" + "a1B2" * 10, "https://x.example/door#[hidden]"),
        ("prefix", "evt_a1B2c3", "evt_a1B2c3"),
        ("status", 200, 200),
    ],
)
def test_secrets_are_recognized_by_name_and_by_form(name, value, shown):
    assert redact_secrets(None, "info", {name: value}) == {name: shown}
