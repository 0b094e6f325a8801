"""The class of all blueprints. Its decorators parse requests and document routes."""

from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Request, request
from marshmallow import EXCLUDE, Schema

from eventapp.core.http import openapi
from eventapp.core.http.request_parser import RequestParser, read_raw_body
from eventapp.core.http.smorest import UnwrappedBlueprint, document_query, get_example

# A cached result takes at most 10 times the memory of its query string, so a cache takes 10 MB.
QUERY_CACHE_SIZE, MAX_CACHED_QUERY_BYTES = 1024, 1024

View = TypeVar("View", bound=Callable[..., Any])


class RawBody(Schema):
    """Stands for a body that no schema reads."""


class Blueprint(UnwrappedBlueprint):
    """A feature's routes, documented by the schemas that validate their requests."""

    ARGUMENTS_PARSER = RequestParser()

    def __init__(self, *args: Any, ignores_unknown_parameters: bool = False, **kwargs: Any) -> None:
        """Create a blueprint without routes.

        Args:
            ignores_unknown_parameters: accept query parameters that a route does not declare.
                This is for pages, feeds and files, to whose addresses browsers, caches and mails
                add some, and for clients that cannot be changed.
        """
        super().__init__(*args, **kwargs)
        if ignores_unknown_parameters:
            self.ARGUMENTS_PARSER = RequestParser(ignores_unknown_parameters=True)
        self.ignores_unknown_parameters = ignores_unknown_parameters

    def arguments(self, schema: Schema | type[Schema], **kwargs: Any) -> Callable[[View], View]:
        """Parse the body, or another `location`, and pass it to the view as its first argument.

        The schema is instantiated once instead of for each request. The OpenAPI document requires a
        body unless the schema accepts `{}`, and shows the schema's `EXAMPLE`.
        """
        instance = schema() if isinstance(schema, type) else schema
        kwargs.setdefault("required", openapi.requires_value(instance))
        if example := get_example(instance):
            kwargs.setdefault("example", example)
        parse_input = cast(Callable[[View], View], super().arguments(instance, **kwargs))

        def decorate(view: View) -> View:
            return _declare_input(parse_input(view), kwargs.get("location", "json"), instance)

        return decorate

    def query_arguments(self, schema_class: type[Schema]) -> Callable[[View], View]:
        """Parse the query like `arguments(..., location="query")`, for routes with much traffic.

        The results are cached by the raw query string, so that an equal query is not parsed again.
        Requests share the results, so the schema must load an immutable object.
        """
        schema = schema_class(unknown=EXCLUDE)

        @lru_cache(maxsize=QUERY_CACHE_SIZE)
        def parse_short_query(query_string: bytes) -> object:
            sent = Request({"QUERY_STRING": query_string.decode("latin-1")})
            parsed: object = self.ARGUMENTS_PARSER.parse(schema, sent, location="query")
            return parsed

        def parse_query(query_string: bytes) -> object:
            is_short = len(query_string) <= MAX_CACHED_QUERY_BYTES
            parse = parse_short_query if is_short else parse_short_query.__wrapped__
            return parse(query_string)

        def decorate(view: View) -> View:
            @wraps(view)
            def with_query(*args: Any, **kwargs: Any) -> Any:
                return view(parse_query(request.query_string), *args, **kwargs)

            with_query.parse_query = parse_query  # type: ignore[attr-defined]
            document_query(with_query, schema)
            return _declare_input(cast(View, with_query), "query", schema)

        return decorate

    def raw_body(self, max_bytes: int) -> Callable[[View], View]:
        """Pass the body to the view as its first argument, as the bytes that were sent.

        This is for a body that is signed. The view parses it once the signature is verified.
        """

        def decorate(view: View) -> View:
            @wraps(view)
            def with_body(*args: Any, **kwargs: Any) -> Any:
                return view(read_raw_body(request, max_bytes), *args, **kwargs)

            documented = self.doc(requestBody=openapi.describe_raw_body())(cast(View, with_body))
            return _declare_input(documented, "raw", RawBody())

        return decorate

    def error_responses(self, *statuses: int) -> Callable[[View], View]:
        """Document errors of a route, besides the usual ones that `openapi` adds."""

        def decorate(view: View) -> View:
            for status in statuses:
                view = self.alt_response(status, HTTPStatus(status).name)(view)
            return view

        return decorate

    def header_parameter(self, name: str, **schema: Any) -> Callable[[View], View]:
        """Document a header that the view reads from the request itself."""
        return self.doc(parameters=[openapi.describe_header(name, **schema)])

    def response_link(
        self, status: int, operation_id: str, body: Any = None, **parameters: str
    ) -> Callable[[View], View]:
        """Document an operation that can follow a response, as an OpenAPI link.

        Args:
            status: the status of the response.
            operation_id: the operation of the next request.
            body: the body of the next request, which may contain runtime expressions.
            parameters: its path and query parameters, as runtime expressions.
        """
        links = openapi.describe_link(operation_id, body, parameters)
        return self.doc(responses={status: {"links": links}})

    if TYPE_CHECKING:  # flask-smorest has no types. These decorators return the view they get.
        route: Callable[..., Callable[[View], View]]
        after_request: Callable[[View], View]


def _declare_input(view: View, location: str, schema: Schema) -> View:
    """Record on a view which part of the request it reads, and by which schema."""
    declared = get_input_schemas(view)
    view.input_schemas = {**declared, location: schema}  # type: ignore[attr-defined]
    return view


def get_input_schemas(view: Callable[..., Any]) -> Mapping[str, Schema]:
    """Return the schemas of what a view reads, by location: `json`, `query`, `files` or `raw`."""
    schemas: Mapping[str, Schema] = getattr(view, "input_schemas", {})
    return schemas


def get_query_parser(view: Callable[..., Any]) -> Callable[[bytes], object]:
    """Return the function that parses the query string of a view with `query_arguments`.

    It raises ValidationFailed.
    """
    parse: Callable[[bytes], object] = view.parse_query  # type: ignore[attr-defined]
    return parse


def ignores_unknown_parameters(blueprint: object) -> bool:
    """Return True if the routes of a blueprint accept query parameters that they do not declare."""
    return bool(getattr(blueprint, "ignores_unknown_parameters", False))
