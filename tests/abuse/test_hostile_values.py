"""60 kB of any shape, in any header, parameter or string of a request, cost little CPU time.

A parser that needs quadratic time takes seconds for such a value, and one that needs linear time a
few milliseconds. So the limit is generous, and a busy machine does not fail the test.
"""

import time
from functools import partial
from urllib.parse import urlencode

import pytest
from flask import Response

from eventapp.core.logging import redact_secrets
from tests.factories import make_event

SIZE = 60_000
MAX_CPU_SECONDS = 0.5

# Each is repeated to SIZE characters.
UNITS = {
    "spaces": " ",
    "tabs and spaces": "\t ",
    "commas": ",",
    "commas and spaces": ", ",
    "semicolons": ";",
    "quotes": '"',
    "escaped quotes": '\\"',
    "backslashes": "\\",
    "parameters": ";a=b",
    "parameters with an asterisk": ";a*0=b",
    "weights": "gzip;q=0.5,",
    "languages": "de-DE-x,",
    "entity tags": 'W/"a",',
    "byte ranges": "0-0,",
    "addresses": "1.1.1.1, ",
    "digits": "9",
    "minus signs": "-",
    "dots": "a.",
    "colons": "a:",
    "slashes": "/",
    "parts of a URL": "http://",
    "at signs": "a@",
    "apostrophes": "a'",
    "percent signs": "%",
    "encoded percent signs": "%25",
    "ampersands": "&",
    "pairs": "a=b&",
    "brackets": "[",
    "braces": '{"a":',
    "base64 of brackets": "W1tb",
    "the start of a token": "eyJ",
    "three parts of a token": "eyJh.W1tb.",
    "accents": "e\u0301",
    "ligatures": "\ufdfa",
    "letters": "x",
}
# The headers that are sent together, and what each value begins with, so that its parser reads on.
HEADERS = [
    ("GET", "/api/events", {"Authorization": "Bearer x"}),
    ("GET", "/api/favorites", {"X-Device-Id": ""}),
    ("POST", "/api/bookings", {"Idempotency-Key": ""}),
    ("GET", "/api/events", {"If-None-Match": '"', "If-Match": "W/", "Cache-Control": "no-cache,"}),
    (
        "GET",
        "/healthz",
        {
            "X-Request-Id": "",
            "Cookie": "a=",
            "User-Agent": "",
            "Origin": "https://",
            "Accept-Language": "de,",
            "X-Forwarded-For": "1.1.1.1",
            "X-Forwarded-Host": "",
            "X-Forwarded-Proto": "",
        },
    ),
    ("GET", "/images/midnight-bakery.webp", {"Range": "bytes="}),
    ("GET", "/images/midnight-bakery.webp", {"If-Modified-Since": "Mon,", "If-Range": '"'}),
    ("GET", "/api/docs/", {"Accept": "text/html;", "Accept-Charset": "utf-8;"}),
    ("GET", "/api/openapi.json", {"Accept-Encoding": "gzip;q=0.5,"}),
    ("POST", "/api/auth/login", {"Content-Type": "application/json;"}),
    ("PUT", "/api/events/1/image", {"Content-Type": "multipart/form-data; boundary="}),
    ("POST", "/api/auth/login", {"Content-Encoding": "gzip,"}),
    ("GET", "/api/events/1", {"Host": "x:"}),
    (
        "OPTIONS",
        "/api/events",
        {
            "Access-Control-Request-Headers": "a,",
            "Access-Control-Request-Method": "P",
            "Origin": "",
        },
    ),
    ("HEAD", "/api/events/1/stream", {"Last-Event-ID": "1."}),
]
PARAMETERS = """
search city category dateFrom dateTo availableOnly upcoming minPrice maxPrice tags organizerId mine
sortBy sortOrder order page limit cursor x
"""


def repeat(unit, size=SIZE):
    """Return `size` bytes of a unit that is repeated, as a WSGI server passes them on."""
    data = unit.encode()
    return (data * (size // len(data))).decode("latin-1")


def get_environ_name(header):
    """Return the name of a header in a WSGI environment."""
    name = header.upper().replace("-", "_")
    return name if name == "CONTENT_TYPE" else f"HTTP_{name}"


@pytest.fixture(autouse=True)
def event(db):
    return make_event(db)


def measure(send):
    """Return the answer, and the CPU time that it took on this thread, in seconds."""
    started = time.thread_time()
    answer = send()
    return answer, time.thread_time() - started


def check_all(calls):
    """Make all calls, and check that none fails or takes long. The calls are functions by name."""
    slow, failed = {}, {}
    for name, send in calls.items():
        answer, seconds = measure(send)
        if seconds > MAX_CPU_SECONDS:
            slow[name] = round(seconds, 2)
        if answer.status_code >= 500:
            failed[name] = answer.status_code
        answer.close()
    assert (slow, failed) == ({}, {})


@pytest.mark.parametrize(("method", "path", "prefixes"), HEADERS)
def test_a_header_of_60_kb_costs_little(client, admin, method, path, prefixes):
    token = {} if "Authorization" in prefixes else admin["headers"]

    def send(unit, end):
        values = {name: prefix + repeat(unit) + end for name, prefix in prefixes.items()}
        environ = {get_environ_name(name): value for name, value in values.items()}
        return client.open(path, method=method, headers=token, environ_overrides=environ)

    calls = {
        f"{name}, then {end!r}": partial(send, unit, end)
        for name, unit in UNITS.items()
        for end in ("", "x")
    }
    check_all(calls)


def test_parameters_of_60_kb_cost_little(client):
    names = PARAMETERS.split()

    def send(unit):
        value = repeat(unit, SIZE // len(names)).encode("latin-1")
        return client.get("/api/events", query_string=urlencode(dict.fromkeys(names, value)))

    check_all({name: partial(send, unit) for name, unit in UNITS.items()})


@pytest.mark.parametrize("path", ["/api/events?", "/api/events/", "/images/", "/api/"])
def test_a_query_string_or_path_of_60_kb_costs_little(client, path):
    def send(unit):
        target, question_mark, query = (path + repeat(unit)).partition("?")
        # A path has no question mark, which would begin the query.
        environ = {"PATH_INFO": target, "QUERY_STRING": query if question_mark else ""}
        return client.get("/", environ_overrides=environ)

    check_all({name: partial(send, unit) for name, unit in UNITS.items()})


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/auth/login", "email"),
        ("/api/auth/login", "password"),
        ("/api/auth/register", "name"),
        ("/api/auth/refresh", "refreshToken"),
        ("/api/recoms", "search"),
        ("/api/recoms", "city"),
    ],
)
def test_a_string_of_60_kb_in_a_body_costs_little(client, path, field):
    body = {"email": "a@example.org", "password": "long enough"}

    def send(unit):
        text = unit * (SIZE // len(unit.encode()))
        return client.post(path, json={**body, field: text})

    check_all({name: partial(send, unit) for name, unit in UNITS.items()})


@pytest.mark.parametrize(
    "head", ["--b\r\n", "--b\r\nContent-Disposition: form-data; ", "\r\n--b", "--b\r\nX: "]
)
def test_a_multipart_body_of_60_kb_costs_little(client, admin, head):
    headers = {**admin["headers"], "Content-Type": "multipart/form-data; boundary=b"}

    def send(unit):
        data = head.encode() + repeat(unit).encode("latin-1")
        return client.put("/api/events/1/image", data=data, headers=headers)

    units = {**UNITS, "dashes": "--b", "lines": "\r\n", "half lines": "\r", "parts": "--b\r\n"}
    check_all({name: partial(send, unit) for name, unit in units.items()})


def test_a_text_of_60_kb_in_a_log_line_costs_little():
    def send(unit):
        redact_secrets(None, "info", {"path": repeat(unit)})
        return Response()

    check_all({name: partial(send, unit) for name, unit in UNITS.items()})


def test_a_boundary_has_at_most_200_characters(client, admin):
    for boundary, status in (("b" * 200, 400), ("b" * 201, 415)):
        content_type = f"multipart/form-data; boundary={boundary}"
        headers = {**admin["headers"], "Content-Type": content_type}
        assert client.put("/api/events/1/image", data=b"x", headers=headers).status_code == status
