"""No route reads a body or a query parameter that it does not declare, and none ignores one."""

import io
import json
import re
import time

import pytest
from flask import make_response

from eventapp.core.access.permissions import anonymous
from eventapp.core.http.blueprint import Blueprint, get_input_schemas
from eventapp.core.http.undeclared_input import BODY_LOCATIONS
from tests.factories import make_event

# The ids exist nowhere, so that a request whose input is accepted changes nothing.
PATH_VALUES = {
    "event_id": "77",
    "ticket_type_id": "7",
    "code_id": "7",
    "quota_id": "7",
    "capability": "x",
    "file": "page.css",
    "language": "el",
    "number": "7",
}
PATH_VALUES |= {"ticket_type_index": "0", "schedule_index": "0", "path": "favicon-16x16.png"}
ACCEPT_ANY_PARAMETER = (
    "/android/api/",
    "/images/",
    "/dashboard",
    "/account",
    "/api/docs",
    "/mails/",
    "/invitation",
    *("/static/", "/e/", "/o/", "/b/", "/console", "/door", "/robots.txt", "/sitemap"),
)
# Calendar feeds. The calendar of a booking is for its holder, and is none of them.
FEEDS = ("/events.ics", "/events/77/calendar.ics")
NO_BODY_ERRORS = {
    "not json": ("malformed_json", None),
    "[]": ("validation_error", ["body"]),
    "null": ("validation_error", ["body"]),
    '"x"': ("validation_error", ["body"]),
    '{"items": [], "$set": 1}': ("validation_error", ["items", "$set"]),
}


def fill_path(rule):
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: PATH_VALUES.get(match[1], "0" * 24), rule.rule)


def accepts_any_parameter(path):
    return path == "/" or path.startswith(ACCEPT_ANY_PARAMETER) or path.endswith(FEEDS)


def list_routes(app):
    """Return the method, the path and the declared input of every route."""
    return [
        (method, fill_path(rule), get_input_schemas(app.view_functions[rule.endpoint]))
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


def is_page(answer):
    """Return whether an answer is a page, on which errors have no code."""
    return answer.content_type == "text/html; charset=utf-8"


@pytest.fixture
def send(client, admin):
    """Send a request as an admin, and close a stream at once."""

    def call(method, path, **more):
        headers = {**admin["headers"], **more.pop("headers", {})}
        answer = client.open(path, method=method, headers=headers, **more)
        answer.close()
        return answer

    return call


@pytest.fixture
def read_database(db):
    def read():
        return {name: list(db[name].find()) for name in db.list_collection_names()}

    return read


def test_a_route_without_a_body_refuses_any_but_an_empty_one(app, send, read_database):
    routes = [each for each in list_routes(app) if not BODY_LOCATIONS & set(each[2])]
    assert len(routes) >= 40
    before = read_database()
    for method, path, _ in routes:
        for raw, (code, fields) in NO_BODY_ERRORS.items():
            for content_type in ("application/json", "text/plain", None):
                answer = send(method, path, data=raw, content_type=content_type)
                assert answer.status_code == 400, (method, path, raw)
                if is_page(answer):
                    continue
                assert answer.json["code"] == code, (method, path, raw)
                assert (list(answer.json["errors"]) if fields else None) == fields
    assert read_database() == before


def test_a_route_without_a_body_accepts_an_empty_object(app, send):
    for method, path, declared in list_routes(app):
        if not declared and "logout" not in path:
            status = send(method, path).status_code
            for raw in ("{}", b"\xef\xbb\xbf{}", ""):
                answer = send(method, path, data=raw, content_type="text/plain")
                assert answer.status_code == status, (method, path)
            answer = send(method, path, data=b"", headers={"Content-Length": "0"})
            assert answer.status_code == status, (method, path)


def test_the_permission_is_checked_before_undeclared_input(client, attendee):
    for method, path, status in (
        ("GET", "/api/users/" + "0" * 24, 403),
        ("GET", "/api/admin/health", 403),
        ("POST", "/api/events/77/publish", 403),
    ):
        for more in ({"json": {"x": 1}}, {"query_string": {"x": 1}}):
            answer = client.open(path, method=method, headers=attendee["headers"], **more)
            assert answer.status_code == status
            assert client.open(path, method=method, **more).status_code == 401


def test_every_route_refuses_an_unknown_parameter(app, send, read_database):
    before = read_database()
    for method, path, _ in list_routes(app):
        if accepts_any_parameter(path):
            continue
        answer = send(method, f"{path}?nonsense=1")
        assert answer.status_code == 400, (method, path, answer.status_code)
        assert answer.json["message"] == "Unknown parameter nonsense"
        assert answer.json["errors"] == {"nonsense": ["Unknown parameter."]}
    assert read_database() == before


def test_every_route_accepts_the_parameters_that_others_add_to_an_address(app, send):
    for method, path, _ in list_routes(app):
        if method == "GET":
            expected = send(method, path).status_code
            query = "?utm_source=mail&utm_x=1&_=1&_&__a=2"
            if accepts_any_parameter(path):
                query += "&v=3&nonsense"
            assert send(method, path + query).status_code == expected, path


@pytest.mark.parametrize(
    ("query", "message", "names"),
    [
        ("dateform=2031-01-01", "Unknown parameter dateform; did you mean dateFrom?", ["dateform"]),
        ("DATEFROM=x", "Unknown parameter DATEFROM; did you mean dateFrom?", ["DATEFROM"]),
        ("sort=title&x=1", "Unknown parameter sort; did you mean sortBy?", ["sort", "x"]),
        ("x=1&x=2", "Unknown parameter x", ["x"]),
        ("search[$gt]=", "Unknown parameter search[$gt]; did you mean search?", ["search[$gt]"]),
        ("$where=1", "Unknown parameter $where", ["$where"]),
        ("=1", "Unknown parameter ", [""]),
    ],
)
def test_an_unknown_parameter_is_named_with_one_that_is_like_it(client, query, message, names):
    answer = client.get(f"/api/events?{query}")
    assert (answer.status_code, answer.json["message"]) == (400, message)
    assert answer.json["code"] == "validation_error"
    assert list(answer.json["errors"]) == names


def test_long_queries_are_refused_with_a_small_answer(client):
    for path in ("/api/events", "/api/favorites", "/api/admin/users"):
        for query in ("&".join(f"n{number}" for number in range(8_000)), "x" * 60_000):
            answer = client.get(f"{path}?{query}")
            assert answer.status_code in (400, 401)
            assert len(answer.data) < 16_000


def test_a_cancellation_with_a_body_changes_nothing(client, db, organizer):
    event = make_event(db, organizer_id=organizer["id"])
    path = f"/api/events/{event['eventId']}/cancel"
    answer = client.post(path, json={"notify": False}, headers=organizer["headers"])
    assert (answer.status_code, answer.json["message"]) == (400, "Invalid notify")
    assert db.events.find_one({"eventId": event["eventId"]})["status"] == "published"


def test_a_body_larger_than_a_megabyte_is_413(send):
    for method, path in (("POST", "/api/notifications/read"), ("GET", "/api/events")):
        answer = send(method, path, data=b" " * 1_000_001)
        assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_an_encoded_body_is_415_on_every_route(app, send):
    for method, path, _ in list_routes(app):
        answer = send(method, path, data=b"\x1f\x8b{}", headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 415, path
        if is_page(answer):
            continue
        assert answer.json["code"] == "unsupported_media_type", path
        assert answer.json["message"] == "Send the body without Content-Encoding"
    headers = {"Content-Encoding": "identity"}
    assert send("POST", "/api/notifications/read", data=b"{}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("parts", "errors"),
    [
        ({"caption": "x"}, {"caption": ["Unknown field."]}),
        ({"other": "FILE"}, {"other": ["Unknown field."]}),
        ({"file": ["FILE", "FILE"]}, {"file": ["Given more than once."]}),
        ({"file": "text"}, {"file": ["Must be a file."]}),
    ],
)
def test_an_upload_has_exactly_one_file(client, organizer, db, parts, errors):
    make_event(db, organizer_id=organizer["id"])
    user = f"/api/users/{organizer['id']}"
    for method, path in (
        ("PUT", "/api/events/1/image"),
        ("PUT", f"{user}/photo"),
        ("POST", f"{user}/gallery"),
    ):
        data = {
            "file": make_part("FILE"),
            **{name: make_part(part) for name, part in parts.items()},
        }
        answer = client.open(
            path,
            method=method,
            data=data,
            content_type="multipart/form-data",
            headers=organizer["headers"],
        )
        assert (answer.status_code, answer.json["errors"]) == (400, errors)


def test_a_form_of_many_or_long_parts_costs_little_time(client, organizer, db):
    make_event(db, organizer_id=organizer["id"])
    for names in (
        [f"{number}{'y' * 5_000}" for number in range(900)],
        ["y" * 450_000 for _ in range(10)],
        [f"{number}{'y' * 60_000}" for number in range(80)],
        [f"{number}{'y' * 60_000}" for number in range(2)],
    ):
        body = "".join(
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\nx\r\n' for name in names
        )
        started = time.thread_time()
        answer = client.put(
            "/api/events/1/image",
            data=f"{body}--b--\r\n",
            content_type="multipart/form-data; boundary=b",
            headers=organizer["headers"],
        )
        assert time.thread_time() - started < 0.2
        assert answer.status_code in (400, 413)
        assert len(answer.data) < 16_000


def make_part(part):
    if isinstance(part, list):
        return [make_part(each) for each in part]
    return (io.BytesIO(b"x"), "x.png") if part == "FILE" else part


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_body_may_begin_with_a_byte_order_mark(client, bom):
    raw = bom + json.dumps(["concert"]).encode()
    answer = client.post("/api/recoms", data=raw, content_type="application/json")
    assert (answer.status_code, answer.json) == (200, [])


@pytest.fixture(scope="module")
def raw_client(make_app):
    """A client of an application whose route /raw answers the body that it reads, of 100 bytes."""
    blueprint = Blueprint("raw", __name__)

    @blueprint.route("/raw", methods=["POST"])
    @anonymous
    @blueprint.raw_body(100)
    def answer_body(body):
        return make_response(body)

    app = make_app()
    app.register_blueprint(blueprint)
    return app.test_client()


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{ "a":1,\r\n"a": 2}', b"not json", b"\xff\x00", b"x" * 100]
)
@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", None])
def test_a_raw_body_arrives_as_it_was_sent(raw_client, body, content_type):
    answer = raw_client.post("/raw", data=body, content_type=content_type)
    assert (answer.status_code, answer.data) == (200, body)


def test_a_raw_body_has_a_greatest_size(raw_client):
    known = raw_client.post("/raw", data=b"x" * 101)
    chunked = raw_client.post(
        "/raw",
        input_stream=io.BytesIO(b"x" * 101),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    for answer in (known, chunked):
        assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    fits = raw_client.post(
        "/raw",
        input_stream=io.BytesIO(b"x" * 100),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (fits.status_code, fits.data) == (200, b"x" * 100)


def test_a_route_with_a_raw_body_reads_no_parameter(raw_client):
    assert raw_client.post("/raw?x=1", data=b"{}").status_code == 400
