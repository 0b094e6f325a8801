"""Pages that mailed links open: verify an address, void its change, set a password, join a team.

A GET changes nothing. The token is in the fragment of the URL, which browsers send to no server and
in no Referer header. A token that comes in the query is moved to the fragment by a redirect. The
script of the page removes it from the address bar, and sends it when the user presses the button.
"""

from pathlib import Path
from urllib.parse import quote

from flask import Response, request, send_from_directory

from eventapp.core.access.permissions import anonymous
from eventapp.core.errors import NotFound
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.headers import PAGE_WITH_FILES_POLICY, POLICY
from eventapp.core.http.responses import NOT_STORED

bp = Blueprint(
    "account_pages",
    __name__,
    url_prefix="/account",
    description="Accounts",
    ignores_unknown_parameters=True,
)
# The page of invitations is mailed to people who may have no account yet.
invitation_bp = Blueprint(
    "invitation_page", __name__, description="Organizers", ignores_unknown_parameters=True
)
PAGE_FOLDER = Path(__file__).resolve().parent.parent / "page"
FILES = frozenset({"account.css", "account.js"})


@bp.route("/verify")
@anonymous
@bp.response(200, content_type="text/html")
def verify() -> Response:
    """Return the page on which a user verifies an email address, by the token in the fragment."""
    return send_page("verify.html")


@bp.route("/void-email-change")
@anonymous
@bp.response(200, content_type="text/html")
def void_email_change() -> Response:
    """Return the page on which the change of an email is voided, by the token in the fragment."""
    return send_page("void.html")


@bp.route("/reset")
@anonymous
@bp.response(200, content_type="text/html")
def reset() -> Response:
    """Return the page on which a user chooses a new password, by the token in the fragment."""
    return send_page("reset.html")


@invitation_bp.route("/invitation")
@anonymous
@invitation_bp.response(200, content_type="text/html")
def invitation() -> Response:
    """Return the page on which an invitation is accepted, by the token in the fragment.

    Its script logs in with a password, accepts the invitation, and logs out again.
    """
    return send_page("invitation.html")


@bp.route("/files/<file>")
@anonymous
@bp.response(200, content_type="text/javascript")
@bp.error_responses(404)
def file(file: str) -> Response:
    """Return the style sheet or the script of these pages."""
    if file not in FILES:
        raise NotFound
    response = _send(file)
    response.headers["Cache-Control"] = "no-cache"  # A cache must revalidate it by its ETag.
    return response


def send_page(name: str, secret_name: str = "token") -> Response:
    """Return a page, or a redirect that moves the secret of the query to the fragment.

    Args:
        secret_name: the name of the secret in the query and in the fragment.
    """
    secret = request.args.get(secret_name)
    if secret is not None:
        location = f"{request.path}#{secret_name}={quote(secret, safe='')}"
        response = Response(status=303, headers={"Location": location})
    else:
        response = _send(name)
    response.headers["Cache-Control"] = NOT_STORED
    return response


def _send(name: str) -> Response:
    response = send_from_directory(PAGE_FOLDER, name)
    response.headers[POLICY] = PAGE_WITH_FILES_POLICY
    return response
