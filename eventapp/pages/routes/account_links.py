"""Pages that mailed links open: verify an address, void its change, set a password, and others.

A GET changes nothing. The secret is in the fragment of the URL, which browsers send to no server
and in no Referer header. A secret that comes in the query is moved to the fragment by a redirect.
The script of the page removes it from the address bar, and sends it when the user presses the
button.
"""

from urllib.parse import quote, urlencode

from flask import Response, request

from eventapp.core.access.permissions import anonymous
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import NOT_STORED
from eventapp.core.languages import LANGUAGES
from eventapp.pages.failures import show_failure_as_page
from eventapp.pages.page_language import PARAMETER
from eventapp.pages.page_session import current_page_session
from eventapp.pages.rendering import render_page

bp = Blueprint("account_links", __name__, description="Pages", ignores_unknown_parameters=True)
bp.after_request(show_failure_as_page)
# Its path is that of a call, so the OpenAPI document has both.
unsubscribe_bp = Blueprint(
    "unsubscribe_page", __name__, description="Accounts", ignores_unknown_parameters=True
)
unsubscribe_bp.after_request(show_failure_as_page)
TOKEN, KEY = "token", "key"


@bp.route("/account/verify")
@anonymous
@bp.response(200, content_type="text/html")
def verify() -> Response:
    """Return the page on which a user verifies an email address."""
    return _move_secret(TOKEN) or render_page("account/verify.html", {})


@bp.route("/account/void-email-change")
@anonymous
@bp.response(200, content_type="text/html")
def void_email_change() -> Response:
    """Return the page on which the change of an email is voided."""
    return _move_secret(TOKEN) or render_page("account/void_email_change.html", {})


@bp.route("/account/reset")
@anonymous
@bp.response(200, content_type="text/html")
def reset() -> Response:
    """Return the page on which a user chooses a new password."""
    return _move_secret(TOKEN) or render_page("account/reset.html", {})


@bp.route("/account/forgot")
@anonymous
@bp.response(200, content_type="text/html")
def forgot() -> Response:
    """Return the page on which a user asks for a link to choose a new password."""
    return render_page("account/forgot.html", {})


@bp.route("/invitation")
@anonymous
@bp.response(200, content_type="text/html")
def invitation() -> Response:
    """Return the page on which an invitation to a team is accepted.

    The invited person may have no account yet. The page keeps the token for this tab while the
    person signs in or makes an account.
    """
    moved = _move_secret(TOKEN)
    return moved or render_page("account/invitation.html", {"session": current_page_session()})


@unsubscribe_bp.route("/mails/unsubscribe")
@anonymous
@unsubscribe_bp.response(200, content_type="text/html")
def unsubscribe() -> Response:
    """Return the page on which the reader of a mail unsubscribes, by the key in the fragment."""
    return _move_secret(KEY) or render_page("account/unsubscribe.html", {})


def _move_secret(name: str) -> Response | None:
    """Return a redirect that moves the secret of the query to the fragment; None without one.

    Args:
        name: of the secret, in the query and in the fragment.
    """
    secret = request.args.get(name)
    if secret is None:
        return None
    chosen = request.args.get(PARAMETER)
    query = f"?{urlencode({PARAMETER: chosen})}" if chosen in LANGUAGES else ""
    location = f"{request.path}{query}#{name}={quote(secret, safe='')}"
    headers = {"Location": location, "Cache-Control": NOT_STORED}
    return Response(status=303, headers=headers)
