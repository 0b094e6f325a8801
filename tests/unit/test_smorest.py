"""The private parts of flask-smorest and apispec that core.http.smorest overrides still exist."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask, Response
from marshmallow import Schema, fields

from eventapp.core.access.permissions import anonymous
from eventapp.core.http import setup
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response


class Query(Schema):
    """A query whose `limit` may be left out."""

    limit = fields.Integer(load_default=20)
    city = fields.String()


class Answer(Schema):
    """An answer with one field."""

    limit = fields.Integer(required=True)


class ContactBody(Schema):
    """A body that needs one of two fields, which marshmallow cannot express."""

    email = fields.String()
    phone = fields.String()

    class Meta:
        json_schema = {"anyOf": [{"required": ["email"]}, {"required": ["phone"]}]}


@pytest.fixture
def blueprint():
    return Blueprint("things", __name__, url_prefix="/api/things")


def serve(blueprint):
    """Return an application with the blueprint, and its OpenAPI document."""
    app = Flask(__name__, static_folder=None)
    setup.init_app(app).register_blueprint(blueprint)
    return app, app.test_client().get("/api/openapi.json").get_json()


def test_documenting_decorators_do_not_wrap_the_view(blueprint):
    def view():
        return Response()

    for decorator in (
        blueprint.response(200, Answer),
        blueprint.alt_response(404, "NOT_FOUND"),
        blueprint.doc(description="More about it"),
        blueprint.error_responses(409, 410),
        blueprint.header_parameter("X-Key"),
        blueprint.response_link(200, "things_show"),
    ):
        assert decorator(view) is view


def test_decorators_without_wrappers_document_the_view(blueprint):
    @blueprint.route("")
    @anonymous
    @blueprint.response(200, Answer)
    @blueprint.error_responses(404, 409)
    @blueprint.header_parameter("X-Key", maxLength=8)
    @blueprint.response_link(200, "things_show", id="$response.body#/limit")
    @blueprint.doc(description="More about it")
    def show():
        """Show a thing."""
        return json_response({"limit": 1})

    app, document = serve(blueprint)
    operation = document["paths"]["/api/things"]["get"]
    assert operation["summary"] == "Show a thing."
    assert operation["description"] == "More about it\n\nFor anyone."
    assert operation["operationId"] == "things_show"
    assert {"200", "404", "409"} <= set(operation["responses"])
    succeeded = operation["responses"]["200"]
    schema = {"$ref": "#/components/schemas/Answer"}
    assert succeeded["content"] == {"application/json": {"schema": schema}}
    assert succeeded["links"]["things_show"]["parameters"] == {"id": "$response.body#/limit"}
    header = {"type": "string", "maxLength": 8}
    assert operation["parameters"] == [{"in": "header", "name": "X-Key", "schema": header}]
    assert app.test_client().get("/api/things").json == {"limit": 1}


def test_cached_queries_are_documented_and_parsed_like_others(blueprint):
    def view(query):
        return json_response(query)

    cached = anonymous(blueprint.query_arguments(Query)(lambda query: view(query)))
    parsed = anonymous(blueprint.arguments(Query, location="query")(lambda query: view(query)))
    for endpoint, decorated in {"cached": cached, "parsed": parsed}.items():
        decorated = blueprint.response(200)(decorated)
        blueprint.route(f"/{endpoint}", endpoint=endpoint)(decorated)
    app, document = serve(blueprint)
    paths = document["paths"]
    one, other = paths["/api/things/cached"]["get"], paths["/api/things/parsed"]["get"]
    assert one["parameters"] == other["parameters"]
    assert {parameter["name"] for parameter in one["parameters"]} == {"limit", "city"}
    client = app.test_client()
    for query in ("", "?limit=5&city=Volos&other=1", "?limit=x", "?limit=1&limit=2"):
        answers = [client.get(f"/api/things/{name}{query}") for name in ("cached", "parsed")]
        assert answers[0].status_code == answers[1].status_code
        assert answers[0].json == answers[1].json


def test_a_query_that_was_parsed_before_is_not_parsed_again(blueprint):
    loads, seen = [], []

    class CountingQuery(Query):
        def load(self, *args, **kwargs):
            loads.append(args)
            return tuple(super().load(*args, **kwargs).items())

    @blueprint.route("")
    @anonymous
    @blueprint.query_arguments(CountingQuery)
    @blueprint.response(200)
    def show(query):
        """Show a thing."""
        seen.append(query)
        return Response()

    client = serve(blueprint)[0].test_client()
    for query in ("limit=5", "limit=5", "limit=6", "limit=5"):
        client.get(f"/api/things?{query}")
    assert seen == [(("limit", number),) for number in (5, 5, 6, 5)]
    assert len(loads) == 2


def test_the_json_schema_of_a_meta_is_part_of_the_document(blueprint):
    @blueprint.route("", methods=["POST"])
    @anonymous
    @blueprint.arguments(ContactBody)
    @blueprint.response(200)
    def create(body):
        """Create a thing."""
        return json_response(body)

    app, document = serve(blueprint)
    shown = document["components"]["schemas"]["ContactBody"]
    assert shown["allOf"] == [{"anyOf": ContactBody.Meta.json_schema["anyOf"]}]
    assert set(shown["properties"]) == {"email", "phone"}
    assert document["paths"]["/api/things"]["post"]["requestBody"]["required"] is True
    assert app.test_client().post("/api/things", json={"email": "a"}).json == {"email": "a"}


def test_threads_that_ask_first_and_at_once_get_the_whole_document():
    app = Flask(__name__, static_folder=None)
    api = setup.init_app(app)
    for number in range(20):
        blueprint = Blueprint(f"things{number}", __name__, url_prefix=f"/api/things{number}")
        show = blueprint.response(200, Answer)(anonymous(lambda: json_response({"limit": 1})))
        blueprint.route("", endpoint="show")(show)
        api.register_blueprint(blueprint)

    def ask(_number):
        return app.test_client().get("/api/openapi.json").json

    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(ask, range(8))
    assert sum(path.startswith("/api/things") for path in first["paths"]) == 20
    assert all(other == first for other in others)
