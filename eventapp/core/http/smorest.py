"""What a route says of itself for the OpenAPI document alone."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from flask_smorest import Blueprint as SmorestBlueprint

from eventapp.core.http import openapi

View = TypeVar("View", bound=Callable[..., Any])


class DocumentedBlueprint(SmorestBlueprint):  # type: ignore[misc]
    """flask_smorest's decorators, here without their wrappers.

    Our views make their own answers, and a wrapper round the view for each of these would cost
    more than most views do.
    """

    def response(self, *args: Any, **kwargs: Any) -> Callable[[View], View]:
        return _documented(super().response(*args, **kwargs))

    def alt_response(self, *args: Any, **kwargs: Any) -> Callable[[View], View]:
        return _documented(super().alt_response(*args, **kwargs))

    def doc(self, **kwargs: Any) -> Callable[[View], View]:
        return _documented(super().doc(**kwargs))

    def error_responses(self, *statuses: int) -> Callable[[View], View]:
        """Errors of this call, beyond those that `openapi` knows every such route to have."""

        def decorate(view: View) -> View:
            for status in statuses:
                view = self.alt_response(status, HTTPStatus(status).name)(view)
            return view

        return decorate

    def header_parameter(self, name: str, **schema: Any) -> Callable[[View], View]:
        """Documents a header that the view takes from the request itself."""
        return self.doc(parameters=[openapi.header(name, **schema)])

    def response_link(
        self, status: int, operation: str, body: Any = None, **path_or_query: str
    ) -> Callable[[View], View]:
        """Documents how an answer of this status goes on, as an OpenAPI link.

        Args:
            operation: its operationId.
            body, path_or_query: what it is called with, as runtime expressions; only where the
                names alone don't tell.
        """
        return self.doc(responses={status: {"links": openapi.link(operation, body, path_or_query)}})


def _documented(wrap: Callable[[View], Any]) -> Callable[[View], View]:
    """Take over what a flask_smorest decorator notes of a view, without its wrapper."""

    def decorate(view: View) -> View:
        view._apidoc = wrap(view)._apidoc  # type: ignore[attr-defined]
        return view

    return decorate
