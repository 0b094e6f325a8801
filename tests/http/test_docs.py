"""Swagger UI is served by this server, for an OpenAPI 3.1 document of its routes."""

import re
from urllib.parse import urljoin

import pytest


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
