"""Answers before Flask are compressed and conditional as those of Flask."""

import pytest

from eventapp.core.http import compressed_bodies
from tests.early_answers import EVENT, LIST, SETTINGS, check, send

# What clients accept, and how it is compressed.
ACCEPTED_ENCODINGS = {
    "gzip": "gzip",
    "deflate": "deflate",
    "br": "br",
    "zstd": "zstd",
    "gzip, deflate, br": "br",
    "gzip, deflate, br, zstd": "zstd",
    "br;q=0.5, gzip;q=0.8, *;q=0.1": "gzip",
    "*": "zstd",
    "identity": None,
    "gzip;q=x, br;q=0": "gzip",
}


@pytest.fixture(scope="module")
def app(make_app):
    return make_app(**SETTINGS)


@pytest.mark.parametrize("path", [EVENT, LIST])
@pytest.mark.parametrize(("accepted", "algorithm"), ACCEPTED_ENCODINGS.items())
def test_compressed_answers_are_early_and_as_by_flask(ask_both, early, path, accepted, algorithm):
    for method in ("GET", "HEAD"):
        headers = {"Accept-Encoding": accepted}
        answer = check(ask_both, path, method=method, headers=headers)
        assert answer["status"] == "200 OK"
        assert dict(answer["headers"]).get("Content-Encoding") == algorithm
        assert early[-1] == "memory"
        assert bool(answer["body"]) == (method == "GET")


@pytest.mark.parametrize("path", [EVENT, LIST])
@pytest.mark.parametrize("accepted", ["", *ACCEPTED_ENCODINGS])
def test_conditional_answers_are_early_and_as_by_flask(ask_both, early, app, path, accepted):
    plain = dict(send(app, path)[2])["ETag"]
    headers = {"Accept-Encoding": accepted}
    own = dict(send(app, path, headers=headers)[2])["ETag"]
    for known in (plain, own, f"W/{own}", f'"x", {own}', plain.strip('"'), "*"):
        for method in ("GET", "HEAD"):
            conditional = headers | {"If-None-Match": known}
            answer = check(ask_both, path, method=method, headers=conditional)
            assert answer["status"] == "304 NOT MODIFIED"
            assert early[-1] == "memory"
    for unknown in (
        '"x"',
        plain[:-2],
        own.replace('"', ""),
        f'"{own[1:-1]}:br"',
        "",
        ",",
        "\u00ff",
    ):
        check(ask_both, path, headers=headers | {"If-None-Match": unknown})
        assert early[-1] == "memory"


def test_a_body_is_compressed_once_until_it_changes(ask_both, app, monkeypatch):
    calls = []
    real = compressed_bodies._compress_data
    monkeypatch.setattr(
        compressed_bodies, "_compress_data", lambda *call: calls.append(call) or real(*call)
    )
    headers = {"Accept-Encoding": "gzip"}
    check(ask_both, EVENT, headers=headers)
    del calls[:]
    bodies = {send(app, EVENT, headers=headers)[0] for _ in range(3)}
    assert not calls
    assert len(bodies) == 1
    send(app, EVENT, headers={"Accept-Encoding": "br"})
    assert len(calls) == 1
