"""Say in a person's words why a page cannot be shown, or a form was refused.

An error becomes the JSON that clients of the API get. The pages then replace this body by a page in
`after_request`, so that errors of hooks, such as an exceeded rate limit, become pages too.
"""

import math
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response

from eventapp.core import json
from eventapp.core.translations import Translator
from eventapp.pages.page_language import current_translator
from eventapp.pages.rendering import render_page

JSON = "application/json"
# The headers of an error that its page has, too.
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


@dataclass(frozen=True)
class Failure:
    """Why a request failed.

    Attributes:
        status: of the answer.
        text: the sentence that a person reads.
        fields: the names of the fields that are refused.
    """

    status: int
    text: str
    fields: frozenset[str]


def read_failure(response: Response) -> Failure | None:
    """Return why a request failed; None for an answer that is no error, or a page already."""
    if response.status_code < HTTPStatus.BAD_REQUEST or response.mimetype != JSON:
        return None
    body = json.loads(response.get_data())
    text = _describe(
        body.get("code", ""),
        response.status_code,
        int(response.headers.get("Retry-After", 60)),
        current_translator(),
    )
    return Failure(response.status_code, text, frozenset(body.get("errors", ())))


def show_failure_as_page(response: Response) -> Response:
    """Return an error as a page, and another answer as it is. It is for `after_request`."""
    failure = read_failure(response)
    if failure is None:
        return response
    page = render_page("failure.html", {"failure": failure}, status=failure.status)
    for name in KEPT_HEADERS:
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page


def _describe(code: str, status: int, retry_after: int, translator: Translator) -> str:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _describe_wait(retry_after, translator)
    _ = translator.gettext
    meanings = {
        "bad_credentials": _("The email address or name and the password do not belong together."),
        "email_taken": _("There is an account with this email address. Sign in to it."),
        "form_refused": _("This form is out of date. Load the page again and try once more."),
        "validation_error": _("Some fields need your attention."),
    }
    if code in meanings:
        return meanings[code]
    if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE):
        return _("The server is busy or restarting. Try again in a moment.")
    if status == HTTPStatus.NOT_FOUND:
        return _("There is no such page.")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _("The server does not accept this request.")
    return _("Something went wrong on the server. Try again later.")


def _describe_wait(seconds: int, translator: Translator) -> str:
    minutes = math.ceil(seconds / 60)
    return translator.ngettext(
        "Too many attempts. Try again in %(num)s minute.",
        "Too many attempts. Try again in %(num)s minutes.",
        minutes,
    )
