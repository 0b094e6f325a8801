"""The cookie of a page session, and the checks of what a browser sends with it.

The cookie is read by page routes alone; the API ignores it. A form is accepted if its token belongs
to the session and the request comes from a page of this site, as its header Origin says.
"""

from typing import cast
from urllib.parse import quote, unquote

from flask import Response, after_this_request, g, redirect, request
from werkzeug.exceptions import abort

from eventapp.core.access.form_tokens import is_form_token, make_form_token
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.errors import Forbidden
from eventapp.core.http.app_context import current_config
from eventapp.pages import sign_in
from eventapp.pages.sign_in import PageSession

COOKIE, SECURE_COOKIE = "eventapp_session", "__Host-eventapp_session"
SIGN_IN_PATH, START_PATH = "/account/sign-in", "/account"
# After signing in, the browser is never redirected to one of these pages.
SIGN_IN_PATHS = frozenset({SIGN_IN_PATH, "/account/sign-up", "/account/sign-out"})
# The name of the field of a form that holds its token.
CSRF_FIELD = "csrfToken"
MAX_NEXT = 1000  # characters of a path to go on to
MAX_COOKIE = 200  # characters; a secret has 47


class FormRefused(Forbidden):
    """A form was not rendered for this session, or was not sent by a page of this site."""

    code, message = "form_refused", "This form is out of date: send it again"


def current_page_session() -> PageSession | None:
    """Return the page session of this request, None without one. It is read once a request."""
    if "page_session" not in g:
        g.page_session = _find_page_session()
    return cast("PageSession | None", g.page_session)


def _find_page_session() -> PageSession | None:
    secret = request.cookies.get(_get_cookie_name(), "")
    if not secret or len(secret) > MAX_COOKIE:
        return None
    lifetime = current_config().jwt_refresh_expires_in
    found = sign_in.find_page_session(get_db(), secret, lifetime=lifetime, now=utc_now())
    if found:
        g.user_id = found.user_id  # for the line of this request in the log
        if found.is_extended:
            _set_cookie(secret)
    return found


def require_page_session() -> PageSession:
    """Return the page session of this request.

    Without one, the request is answered with a redirect to the page for signing in, which leads
    back.
    """
    session = current_page_session()
    if session is None:
        path = request.full_path.rstrip("?") if request.method == "GET" else START_PATH
        abort(redirect(f"{SIGN_IN_PATH}?next={quote(path, safe='/')}", 303))
    return session


def start_page_session(opened: PageSession) -> None:
    """Give the browser the cookie of a session that was just opened, and end its former one."""
    former = request.cookies.get(_get_cookie_name())
    if former:
        sign_in.sign_out(get_db(), former, utc_now())
    g.page_session, g.user_id = opened, opened.user_id
    _set_cookie(opened.secret)


def end_page_session() -> None:
    """End the session of this request, if there is one, and remove its cookie."""
    secret = request.cookies.get(_get_cookie_name())
    if secret:
        sign_in.sign_out(get_db(), secret, utc_now())
    g.page_session = None

    @after_this_request
    def remove_cookie(response: Response) -> Response:
        response.delete_cookie(
            _get_cookie_name(), secure=is_https(), httponly=True, samesite="Lax", path="/"
        )
        return response


def _set_cookie(secret: str) -> None:
    @after_this_request
    def set_cookie(response: Response) -> Response:
        response.set_cookie(
            _get_cookie_name(),
            secret,
            max_age=current_config().jwt_refresh_expires_in,
            secure=is_https(),
            httponly=True,
            samesite="Lax",
            path="/",
        )
        # Another browser must never get the cookie from a cache.
        response.headers["Cache-Control"] = "private, no-store"
        return response


def is_https() -> bool:
    """Return whether browsers reach this site by https."""
    return request.is_secure or (current_config().public_origin or "").startswith("https://")


def _get_cookie_name() -> str:
    # A cookie with this prefix cannot be set by another host of the same domain.
    return SECURE_COOKIE if is_https() else COOKIE


def make_csrf_token() -> str:
    """Return the token of a form, bound to the session of this request."""
    session = current_page_session()
    return make_form_token(current_config().jwt_secret, _describe(session))


def make_visitor_token() -> str:
    """Return the token of a form by which somebody signs in, bound to no session.

    So the form still works after the same person has signed in or out in another tab.
    """
    return make_form_token(current_config().jwt_secret, _describe(None))


def check_form(*, is_for_visitors: bool = False) -> None:
    """Check that the form of this request was rendered for its session, and sent by this site.

    Args:
        is_for_visitors: whether the form has the token of `make_visitor_token`.

    Raises:
        FormRefused: it was not.
    """
    check_origin()
    session = None if is_for_visitors else current_page_session()
    token = request.form.get(CSRF_FIELD, "")
    if not is_form_token(current_config().jwt_secret, _describe(session), token):
        raise FormRefused


def _describe(session: PageSession | None) -> str:
    """Return what form tokens of a session are bound to."""
    return session.secret if session else ""


def check_origin() -> None:
    """Check that a page of this site has sent this request. Browsers name the origin of each POST.

    Raises:
        FormRefused: another site has sent it, or no browser.
    """
    own = current_config().public_origin or f"{request.scheme}://{request.host}"
    if request.headers.getlist("Origin") != [own]:
        raise FormRefused("This request must come from a page of this site")


def choose_next(path: str | None, default: str = START_PATH) -> str:
    """Return the path to go on to after signing in, if it is one of this site.

    Args:
        path: what the address or the form names, which anybody may have written.
        default: what is returned in place of another site or a page to sign in on.
    """
    if not path or len(path) > MAX_NEXT or not path.isprintable():
        return default
    decoded = unquote(path)
    # Browsers take `//host` and `/\host` for another host.
    is_of_this_site = all(
        each.startswith("/") and not each.startswith("//") and "\\" not in each
        for each in (path, decoded)
    )
    is_loop = decoded.partition("?")[0].rstrip("/") in SIGN_IN_PATHS
    return path if is_of_this_site and not is_loop else default
