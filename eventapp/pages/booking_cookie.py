"""The cookie that keeps the key of a booking's link, so that no address of a page holds the key.

The link leads to `/b/<reference>?key=...`, which sets the cookie and redirects to the address
without the key. The cookie is for the pages below `/b/<reference>` alone, and ends with the
browser. Nothing is read from the database for that, so it tells nothing of the booking.
"""

import re

from flask import Response, redirect, request

from eventapp.core.access.form_tokens import is_form_token, make_form_token
from eventapp.core.access.rate_limits import limit_guesses
from eventapp.core.clock import utc_now
from eventapp.core.errors import NotFound
from eventapp.core.http.app_context import current_config
from eventapp.core.http.responses import NOT_STORED
from eventapp.pages import booking_page
from eventapp.pages.booking_page import KEY_REFUSALS, LinkInvalid, OpenedLink
from eventapp.pages.page_language import make_link
from eventapp.pages.page_session import (
    CSRF_FIELD,
    FormRefused,
    check_origin,
    current_page_session,
    is_https,
)

COOKIE, SECURE_COOKIE = "eventapp_booking", "__Secure-eventapp_booking"
PARAMETER = "key"
_REFERENCE = re.compile(r"[A-Z0-9-]{1,40}", re.ASCII)
_KEY = re.compile(r"lnk_[\w-]{43}", re.ASCII)


def keep_key(reference: str, key: str) -> Response:
    """Return the redirect to the page of a booking, which gives the browser the key of its link.

    What has not the form of a key is dropped.

    Raises:
        NotFound: the reference has not the form of one.
    """
    reference = reference.upper()
    if not _REFERENCE.fullmatch(reference):
        raise NotFound
    path = f"/b/{reference}"
    response = redirect(make_link(path), 303)
    if _KEY.fullmatch(key):
        response.set_cookie(
            _get_cookie_name(), key, secure=is_https(), httponly=True, samesite="Lax", path=path
        )
    response.headers["Cache-Control"] = NOT_STORED
    return response  # type: ignore[return-value]


def _get_cookie_name() -> str:
    # Only a page of https can set a cookie with this prefix.
    return SECURE_COOKIE if is_https() else COOKIE


def _read_key() -> str:
    key = request.cookies.get(_get_cookie_name(), "")
    return key if _KEY.fullmatch(key) else ""


def open_booking(reference: str) -> OpenedLink:
    """Return the booking of the page: by the page session of its holder, else by the cookie.

    Raises:
        LinkInvalid: neither opens it, or there is no such booking.
        TooManyRequests: the address has sent too many wrong keys.
    """
    context, now = booking_page.current_booking_context(), utc_now()
    session = current_page_session()
    if session:
        own = booking_page.open_own_booking(context, reference, session.user_id)
        if own:
            return own
    key = _read_key()
    if not key:
        raise LinkInvalid
    with limit_guesses(KEY_REFUSALS):
        return booking_page.open_by_key(context, reference, key, now)


def make_booking_form_token() -> str:
    """Return the token of a form on the page of a booking, bound to what has opened the page."""
    return make_form_token(current_config().jwt_secret, _describe_opening())


def check_booking_form() -> None:
    """Check that the form of this request was rendered for its browser, and sent by this site.

    Raises:
        FormRefused: it was not.
    """
    check_origin()
    token = request.form.get(CSRF_FIELD, "")
    if not is_form_token(current_config().jwt_secret, _describe_opening(), token):
        raise FormRefused


def _describe_opening() -> str:
    session = current_page_session()
    return f"booking {_read_key()} {session.secret if session else ''}"
