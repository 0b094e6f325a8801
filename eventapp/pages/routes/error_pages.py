"""Show errors as pages to who opens the address of a page in a browser.

Every other client gets JSON: calls of the API, files, and clients that do not name `text/html`.
"""

from http import HTTPStatus

from flask import Flask, Response, request

from eventapp.core.http.accept_html import prefers_html
from eventapp.pages.failures import show_failure_as_page

# Addresses below these are no pages.
NO_PAGES = ("/api", "/android", "/images", "/static", "/healthz", "/readyz", "/metrics")


def init_app(app: Flask) -> None:
    """Replace the errors of page routes, also of those that do not exist.

    Call this after the headers are set up: hooks after a request run in reverse order, and so the
    page gets the headers.
    """
    app.after_request(_show_error_as_page)


def _show_error_as_page(response: Response) -> Response:
    is_error = response.status_code >= HTTPStatus.BAD_REQUEST
    if not is_error or request.path.startswith(NO_PAGES):
        return response
    shown = show_failure_as_page(response) if prefers_html() else response
    shown.vary.update(("Accept", "Accept-Language"))
    return shown
