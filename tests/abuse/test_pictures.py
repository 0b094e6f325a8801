"""Costly pictures take little memory, and nobody waits while they are decoded."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests import pictures
from tests.abuse.attacks import attack
from tests.http.test_streams_live import register

# What decoding may take beside the memory of the server.
MAX_EXTRA_MB = 300
PICTURES = {
    "one very long side": (lambda: pictures.png_bomb(1, 40_000_000), 413),
    "too many pixels": (lambda: pictures.png_bomb(50_000, 50_000), 413),
    "a thin JPEG": (lambda: pictures.photo("JPEG", 3, 16_000), 200),
    "40 megapixels": (lambda: pictures.photo("PNG", 8000, 5000), 200),
    "text that expands": (pictures.png_text_bomb, 200),
}


@pytest.fixture(scope="module")
def user(server):
    return register(server, "Paula")


def read_peak_megabytes(pid):
    """Return the most memory that a process has had since its start."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


@pytest.mark.parametrize("name", PICTURES)
def test_a_costly_picture_slows_nobody_down(server, user, name):
    make, status = PICTURES[name]
    data = make()
    url = f"{server.url}/api/users/{read_user_id(server, user)}/photo"

    def upload(_number):
        answer = requests.put(url, files={"file": ("a", data)}, headers=user, timeout=60)
        return answer.status_code

    peaks = {pid: read_peak_megabytes(pid) for pid in server.workers()}
    with attack(server), ThreadPoolExecutor(3) as pool:
        statuses = set(pool.map(upload, range(3)))
    assert statuses == {status}
    for pid, before in peaks.items():
        assert read_peak_megabytes(pid) < before + MAX_EXTRA_MB


def read_user_id(server, headers):
    return server.get("/api/auth/profile", headers=headers).json()["_id"]
