"""Invalid input of any kind is refused with a clear error, and nothing is written."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import event_body, make_event

QUICK = settings(
    max_examples=100,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
BODIES = [
    ("POST", "/api/events"),
    ("PUT", "/api/events/1"),
    ("PATCH", "/api/events/1/ticketTypes/0"),
    ("PATCH", "/api/events/1/schedule/0"),
    ("POST", "/api/events/1/ticket-types"),
    ("PATCH", "/api/events/1/ticket-types/1"),
    ("POST", "/api/favorites"),
    ("DELETE", "/api/favorites"),
    ("POST", "/api/recoms"),
    ("POST", "/android/api/users"),
    ("POST", "/android/api/users/login"),
    ("POST", "/android/api/recoms"),
    ("POST", "/android/api/favorites"),
]
MALFORMED = [
    b"{",
    b"{'title': 1}",
    b'{"title": NaN}',
    b'{"title": 1e400}',
    b'{"title": "\\ud800"}',
    b'{"title": "\xed\xa0\x80"}',
    b"\xff\xfe{\x00}\x00",
    b'{"a": 1} {}',
    b"[" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
]
INVALID_DAYS = ["2025-02-30", "2025-13-01", "2025-2-3", "20250203", "2025-W05-1", "0000-01-01"]
MALFORMED_DATES = [
    "",
    "2",
    "2025",
    "2025-01",
    "2025-01-0",
    "2025-01-01X",
    "x" * 99,
    "٢٠٢٥-٠١-٠١",
    5,
    {},
]
BAD_DATES = [*INVALID_DAYS, *(date + "T10:00:00Z" for date in INVALID_DAYS), *MALFORMED_DATES]
ODD_WORDS = """
%22 - -- %27 %5C : :* %26 ! ( ) | <-> %22a -a %22%22 %25 the %ED%A0%80 %FF
"""
ODD_CITIES = ".* ( [ %5C %5E.%2B$ (a%2B)%2B$ %F0%9F%8E%AD %ED%A0%80"
PARAMETERS = """
search city category dateFrom dateTo availableOnly upcoming minPrice maxPrice tags organizerId mine
sortBy sortOrder order page limit cursor
"""
TWENTY_MEGABYTES = b" " * 20_000_000
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["2026-01-01", "9" * 30, "$where", "a.b", "\0", "-1", "true", "1e400"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(autouse=True)
def event(db, organizer):
    return make_event(db, organizer_id=organizer["id"])


@pytest.fixture
def send(client, organizer):
    def call(method, path, data, content_type="application/json"):
        return client.open(
            path,
            method=method,
            data=data,
            content_type=content_type,
            headers=organizer["headers"],
        )

    return call


@pytest.fixture
def unchanged(db):
    """Check after the test that nothing has been written."""
    before = [list(db[name].find()) for name in ("events", "favorites", "counters")]
    yield
    assert [list(db[name].find()) for name in ("events", "favorites", "counters")] == before


def for_every_body(test):
    """Run a test for every route with a body, and check that it writes nothing."""
    return pytest.mark.parametrize(("method", "path"), BODIES)(
        pytest.mark.usefixtures("unchanged")(test)
    )


@for_every_body
def test_malformed_json_is_400(send, method, path):
    for raw in MALFORMED:
        answer = send(method, path, raw)
        assert answer.status_code == 400, raw[:40]
        assert answer.json == {"message": "The body is not valid JSON", "code": "malformed_json"}


@for_every_body
def test_another_content_type_is_415(send, method, path):
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "", "x"):
        answer = send(method, path, json.dumps(event_body()), content_type)
        assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


@for_every_body
def test_a_body_of_another_type_is_400(send, method, path):
    for raw in ("null", '"x"', "5", "true", "[1]", "[null]", "{}", ""):
        answer = send(method, path, raw)
        assert (answer.status_code, answer.json["code"]) == (400, "validation_error"), raw
        assert answer.json["errors"]


@for_every_body
def test_a_body_of_twenty_megabytes_is_413(send, method, path):
    answer = send(method, path, TWENTY_MEGABYTES)
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


@pytest.mark.parametrize("name", ["title", "description", "category", "image", "organizer"])
@pytest.mark.usefixtures("unchanged")
def test_a_value_that_is_no_string_is_400(client, organizer, name):
    for value in ({"$gt": ""}, ["x"], 5, True, None):
        body = event_body(**{name: value})
        answer = client.post("/api/events", json=body, headers=organizer["headers"])
        assert (answer.status_code, answer.json["message"]) == (400, f"Invalid {name}")


@pytest.mark.parametrize(
    "name", ["$set", "$where", "a.b", "title.x", "ticketTypes.0.price", "", "a\0b"]
)
@pytest.mark.usefixtures("unchanged")
def test_operators_and_dotted_keys_are_400(client, organizer, name):
    for body in (event_body(**{name: 1}), event_body(schedule=[{name: 1}])):
        answer = client.post("/api/events", json=body, headers=organizer["headers"])
        assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
    patch = {"price": 1, name: 1}
    answer = client.patch("/api/events/1/ticketTypes/0", json=patch, headers=organizer["headers"])
    assert answer.status_code == 400


@pytest.mark.usefixtures("unchanged")
def test_invalid_dates_are_400(client, organizer):
    for date in BAD_DATES:
        body = event_body(schedule=[{"date": date, "location": "X"}])
        answer = client.post("/api/events", json=body, headers=organizer["headers"])
        assert (answer.status_code, answer.json["message"]) == (400, "Invalid schedule.0.date"), (
            date
        )
        answer = client.get("/api/events", query_string={"dateTo": str(date)})
        assert (answer.status_code, answer.json["message"]) == (400, "Invalid dateTo"), date


@pytest.mark.parametrize("number", [2**63, 2**64, 2**70, 10**40, -1])
@pytest.mark.usefixtures("unchanged")
def test_numbers_outside_64_bits_are_400(send, number):
    assert send("GET", f"/api/events/{number}", None).json["message"] == "Invalid eventId"
    for method in ("POST", "DELETE"):
        answer = send(method, "/api/favorites", json.dumps({"eventId": number}))
        assert (answer.status_code, answer.json["message"]) == (400, "Invalid eventId")
    for name in ("page", "limit"):
        assert send("GET", f"/api/events?{name}={number}", None).status_code == 400
    answer = send("PATCH", "/api/events/1/ticketTypes/0", f'{{"availableTickets": {number}}}')
    assert (answer.status_code, answer.json["message"]) == (400, "Invalid availableTickets")


@pytest.mark.parametrize(
    "query",
    [
        "search=%00",
        "city=%00",
        "tags=%00",
        "tags=" + ",".join("abcdefghijklmnopqrstu"),
        "tags=" + "x" * 101,
        "category=%00",
        "search=" + "x" * 201,
        "city=" + "x" * 101,
        "cursor=" + "A" * 20_000,
        "page=1&page=2",
        "search=a&search=b",
        "tags=a&tags=b",
    ],
)
def test_invalid_query_parameters_are_400(client, query):
    answer = client.get(f"/api/events?{query}")
    name = query.split("=")[0]
    assert (answer.status_code, answer.json["message"]) == (400, f"Invalid {name}")


def test_special_characters_in_a_query_are_plain_text(client):
    queries = [f"search={word}" for word in ODD_WORDS.split()]
    queries += ["city=%CC%81", "search=$gt", "tags=$where"]
    for query in queries:
        assert client.get(f"/api/events?{query}").status_code == 200, query
    for city in ODD_CITIES.split():
        answer = client.get(f"/api/events?city={city}")
        assert (answer.status_code, answer.json["events"]) == (200, []), city


def encode_cursor(position):
    return base64.urlsafe_b64encode(json.dumps(position).encode()).rstrip(b"=").decode()


def follow(client, cursor):
    answer = client.get("/api/events", query_string={"cursor": cursor})
    assert answer.status_code in (200, 400, 401), (cursor, answer.json)
    return answer


@QUICK
@given(cursor=st.text(min_size=1, max_size=200))
def test_other_text_is_no_cursor(client, cursor):
    assert follow(client, cursor).json["message"] == "Invalid cursor"


@QUICK
@given(position=VALUES)
def test_other_json_is_no_cursor(client, position):
    assert follow(client, encode_cursor(position)).json["message"] == "Invalid cursor"


@QUICK
@given(
    query=st.sampled_from(
        [{}, {"sortBy": "title"}, {"sortBy": "price"}, {"sortBy": "date"}, {"search": "sample"}]
    ),
    field=st.sampled_from(["value", "id", "counted", "page", "query", "more"]),
    value=VALUES,
)
def test_a_cursor_with_a_changed_field_is_handled(client, query, field, value):
    position = {"value": 1, "id": 1, "counted": 5, "page": 1, "query": query}
    follow(client, encode_cursor({**position, field: value}))


@QUICK
@given(name=st.sampled_from(PARAMETERS.split()), value=VALUES)
def test_a_cursor_with_changed_filters_is_handled(client, name, value):
    follow(
        client,
        encode_cursor({"value": 1, "id": 1, "counted": 5, "page": 1, "query": {name: value}}),
    )


@pytest.mark.parametrize("sort", ["eventId", "price", "date", "title", "popularity"])
def test_a_cursor_to_an_impossible_position_is_handled(client, sort):
    for value in (2**63, 2**64, -(2**63) - 1, 1e308, "x", "\0", None, [], {}, True):
        position = {"value": value, "id": 1, "counted": 5, "page": 1, "query": {"sortBy": sort}}
        follow(client, encode_cursor(position))


@pytest.mark.parametrize("method_path", BODIES[:9])
@QUICK
@given(body=VALUES)
def test_any_json_as_a_body_is_handled(send, method_path, body):
    answer = send(*method_path, json.dumps(body))
    assert answer.status_code < 500, answer.json


@QUICK
@given(name=st.deferred(lambda: st.sampled_from(sorted(event_body()))), value=VALUES)
def test_any_json_in_one_field_of_an_event_is_handled(send, name, value):
    answer = send("PUT", "/api/events/1", json.dumps({**event_body(), name: value}))
    assert answer.status_code in (200, 400), answer.json


@QUICK
@given(query=st.dictionaries(st.sampled_from(["search", "city", "tags"]), st.text(max_size=30)))
def test_any_text_in_a_query_is_handled(client, query):
    assert client.get("/api/events", query_string=query).status_code in (200, 400)


@QUICK
@given(name=st.sampled_from(["before", "search", "role", "more"]), value=VALUES)
def test_a_changed_cursor_of_users_is_handled(client, admin, name, value):
    position = {"before": "0" * 24, "search": "", "role": None, name: value}
    query = {"cursor": encode_cursor(position)}
    answer = client.get("/api/users", query_string=query, headers=admin["headers"])
    assert answer.status_code in (200, 400), (position, answer.json)
