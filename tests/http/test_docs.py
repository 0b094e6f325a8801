"""Swagger UI is served by this server, for an OpenAPI 3.1 document of its routes."""

import re
from urllib.parse import urljoin

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from eventapp.core.access.passwords import hash_password
from tests.factories import make_event, make_user

# What some examples are answered on a server with one event, where not with a success. They hold a
# secret of the caller, or need something that is not there yet.
NO_SUCCESS = {
    ("post", "/api/auth/refresh"): 401,
    ("post", "/api/auth/reset-password"): 400,
    ("post", "/api/auth/verify-email"): 400,
    ("post", "/api/bookings/link"): 404,
    ("post", "/api/auth/void-email-change"): 400,
    ("post", "/api/organizers/invitations/accept"): 403,
    ("patch", "/api/organizers/me/members/{member_id}"): 404,
    ("post", "/api/payments/webhooks/{provider}"): 404,
    ("post", "/api/devices/pair"): 400,
    ("post", "/api/waitlist"): 409,
    ("post", "/api/waitlist/join"): 409,
    ("post", "/api/waitlist/{event_id}/accept"): 404,
    ("post", "/api/events/{event_id}/check-in"): 404,
    ("post", "/api/events/{event_id}/check-in/undo"): 404,
    ("put", "/android/api/users/{capability}"): 401,
}


@pytest.fixture
def document(client):
    return client.get("/api/openapi.json").get_json()


def test_the_document_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "eventapp"


def test_the_page_and_its_files_are_served_by_this_server(client):
    page = client.get("/api/docs", follow_redirects=True)
    assert page.status_code == 200
    assert "text/html" in page.content_type
    html = page.get_data(as_text=True)
    links = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(links) >= 3
    for link in links:
        assert not link.startswith(("http", "//")), f"{link} is on another server"
        assert client.get(urljoin("/api/docs/", link)).status_code == 200, link
    script = client.get("/api/docs/swagger-ui-bundle.js")
    assert "javascript" in script.content_type
    assert len(script.get_data()) > 100_000


def test_the_page_shows_this_document(client):
    page = client.get("/api/docs/").get_data(as_text=True)
    assert "/api/openapi.json" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def list_operations(document):
    """Return the method, the path and the object of each operation."""
    methods = {"get", "post", "put", "patch", "delete"}
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in methods
    ]


def test_every_api_route_is_documented(app, document):
    paths = {
        re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
    }
    undocumented = {
        path
        for path in paths - set(document["paths"])
        if not path.startswith(("/api/docs", "/api/openapi.json"))
    }
    assert undocumented == set()


def test_the_document_describes_the_methods_and_parameters_of_a_path(document):
    paths = document["paths"]
    assert {"get", "post"} <= set(paths["/api/events"])
    assert {"get", "put", "delete"} <= set(paths["/api/events/{event_id}"])
    assert {"get", "post", "delete"} <= set(paths["/api/favorites"])
    assert (
        paths["/api/recoms"]["post"]["requestBody"]["content"]["application/json"]["schema"]["type"]
        == "array"
    )
    names = {parameter["name"] for parameter in paths["/api/events"]["get"]["parameters"]}
    assert {"search", "city", "dateFrom", "cursor", "page", "limit", "sortBy"} <= names


def test_every_operation_has_a_summary_and_a_success(document):
    for method, path, operation in list_operations(document):
        assert operation.get("summary"), f"{method} {path} has no docstring"
        successes = [status for status in operation["responses"] if status.startswith(("2", "3"))]
        assert successes, f"{method} {path} documents no success"


def test_the_document_is_valid(document):
    faults = [fault.message for fault in OpenAPIV31SpecValidator(document).iter_errors()]
    assert faults == []


def test_every_operation_has_a_description_a_tag_and_its_errors(document):
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in list_operations(document):
        assert operation["description"].endswith("."), f"{method} {path}"
        assert set(operation["tags"]) <= tags, f"{method} {path}"
        assert "400" in operation["responses"], f"{method} {path}"
    assert all(re.fullmatch(r"[A-Z][A-Za-z ]+", tag) for tag in tags), tags
    assert document["servers"] == [{"url": "/", "description": "This server"}]
    assert document["info"]["description"]


def list_json_bodies(document):
    """Return the method, the path and the JSON body's media type object of each operation."""
    return [
        (method, path, operation["requestBody"]["content"]["application/json"])
        for method, path, operation in list_operations(document)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


def test_no_body_is_of_an_unknown_type_or_requires_a_field_with_a_default(document):
    schemas = document["components"]["schemas"]
    for method, path, body in list_json_bodies(document):
        schema = body["schema"]
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        assert schema["type"] in ("object", "array"), f"{method} {path}"
        assert not {"anyOf", "oneOf"} & set(schema), f"{method} {path}"
    assert schemas["BookingBody"]["required"] == ["eventId"]
    assert schemas["BookingBody"]["properties"]["hold"] == {
        "type": "boolean",
        "description": "Default: false",
    }


def test_the_examples_of_bodies_can_be_sent_as_they_stand(app, client, db, document):
    admin = make_user(app, "admin")
    password_hash = hash_password("correct horse", rounds=4)
    types = [
        {"type": "Seat", "price": 20, "availableTickets": 10},
        {"type": "Standing", "price": 10, "availableTickets": 10},
    ]
    for _event in range(3):
        make_event(db, ticketTypes=types)
    booking = {"eventId": 3, "ticketTypeId": 1, "quantity": 2}
    booked = client.post("/api/bookings", json=booking, headers=admin["headers"]).json["data"]
    indexes = {"ticket_type_index": 0, "schedule_index": 0}
    ids = {"user_id": admin["id"], "booking_id": booked["booking"]["_id"]}
    ids["ticket_id"] = f"{ids['booking_id']}-1-1"
    ids["member_id"] = admin["id"]
    hook = {"url": "https://hooks.example.org/", "events": ["event.updated"]}
    hooked = client.post("/api/webhooks", json=hook, headers=admin["headers"]).json
    ids["webhook_id"] = hooked["webhook"]["webhookId"]
    values = {**ids, "capability": "none", **indexes}
    seen = []
    for method, path, body in list_json_bodies(document):
        # An event that is replaced as a whole gets other ticket types.
        values["event_id"] = 2 if method == "put" else 1
        url = re.sub(r"{(\w+)}", lambda name: str(values.get(name[1], 1)), path)
        # The account of an example can be made once.
        if method == "post" and path.endswith("/users"):
            db.users.delete_many({"email": "ada@example.org"})
        caller = make_user(app, "admin") if path.endswith("/logout") else admin
        # The example of `change-password` changes the password that others contain.
        db.users.update_one({"_id": admin["id"]}, {"$set": {"passwordHash": password_hash}})
        headers = {} if path.startswith("/android") else caller["headers"]
        response = client.open(url, method=method.upper(), json=body["example"], headers=headers)
        expected = NO_SUCCESS.get((method, path), range(200, 300))
        expected = expected if isinstance(expected, range) else [expected]
        assert response.status_code in expected, f"{method} {path}: {response.get_data()}"
        seen.append((method, path))
    assert set(NO_SUCCESS) <= set(seen)


def test_errors_have_one_documented_shape(document):
    (shape,) = {
        schema["properties"]["code"]["type"]
        for name, schema in document["components"]["schemas"].items()
        if name == "ErrorBody"
    }
    assert shape == "string"


def test_every_reference_has_a_target(document):
    def iter_references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
            node = list(node.values())
        for inner in node if isinstance(node, list) else []:
            yield from iter_references(inner)

    for reference in set(iter_references(document)):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]


def test_links_name_operations_and_their_parameters(document):
    by_id = {
        operation["operationId"]: (path, operation)
        for _, path, operation in list_operations(document)
    }
    links = [
        link
        for _, _, operation in list_operations(document)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) > 10
    for link in links:
        path, operation = by_id[link["operationId"]]
        parameters = {parameter["name"] for parameter in operation.get("parameters", [])}
        parameters |= set(re.findall(r"{(\w+)}", path))
        assert set(link.get("parameters", {})) <= parameters, link
        assert "requestBody" not in link or "requestBody" in operation, link


def test_the_calls_of_the_tickest_client_are_documented(document):
    documented = {(method, path) for method, path, _ in list_operations(document)}
    for call in [
        ("get", "/api/events"),
        ("post", "/api/events"),
        ("get", "/api/events/{event_id}"),
        ("put", "/api/events/{event_id}"),
        ("delete", "/api/events/{event_id}"),
        ("get", "/api/favorites"),
        ("post", "/api/favorites"),
        ("post", "/api/recoms"),
        ("post", "/api/auth/login"),
        ("post", "/api/auth/register"),
    ]:
        assert call in documented
