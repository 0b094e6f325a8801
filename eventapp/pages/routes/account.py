"""The pages of an account: what its owner has booked and waits for, and the owner's settings.

The server renders them, so they can be read without a script. Changes are made by their scripts,
which call the API.
"""

from flask import Response, redirect, request

from eventapp.core.access.permissions import anonymous
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.pages import account_views
from eventapp.pages.account_views import CANCELLED, PAST, UPCOMING, current_booking_context
from eventapp.pages.failures import show_failure_as_page
from eventapp.pages.page_language import make_link
from eventapp.pages.page_session import make_csrf_token, require_page_session
from eventapp.pages.rendering import render_page
from eventapp.pages.sign_in import PageSession

bp = Blueprint(
    "account",
    __name__,
    url_prefix="/account",
    description="Pages",
    ignores_unknown_parameters=True,
)
bp.after_request(show_failure_as_page)
MAX_PAGE = 1000


@bp.route("")
@anonymous
@bp.response(303)
def show_start() -> Response:
    """Lead to the bookings of the account."""
    return redirect(make_link("/account/bookings"), 303)  # type: ignore[return-value]


@bp.route("/bookings")
@anonymous
@bp.response(200, content_type="text/html")
def show_bookings() -> Response:
    """Return the bookings of the account: what waits for an answer, and those to come, first."""
    session, context, now = require_page_session(), current_booking_context(), utc_now()
    show = request.args.get("show", UPCOMING)
    show = show if show in (UPCOMING, PAST, CANCELLED) else UPCOMING
    page = _get_page()
    return _render(
        "bookings",
        session,
        show=show,
        open_holds=account_views.list_open_holds(context, session.user_id, now),
        bookings=account_views.list_bookings(context, session.user_id, show, page, now),
    )


@bp.route("/waitlist")
@anonymous
@bp.response(200, content_type="text/html")
def show_waitlist() -> Response:
    """Return the places of the account on waitlists."""
    session = require_page_session()
    return _render(
        "waitlist", session, entries=account_views.list_waitlist(get_db(), session.user_id)
    )


@bp.route("/notifications")
@anonymous
@bp.response(200, content_type="text/html")
def show_notifications() -> Response:
    """Return the notifications of the account, newest first."""
    session = require_page_session()
    found, unread = account_views.list_notifications(get_db(), session.user_id, _get_page())
    return _render("notifications", session, notifications=found, unread=unread)


@bp.route("/profile")
@anonymous
@bp.response(200, content_type="text/html")
def show_profile() -> Response:
    """Return the page on which the owner changes the profile, the email and the language."""
    session = require_page_session()
    return _render("profile", session, user=account_views.get_user(get_db(), session.user_id))


@bp.route("/sessions")
@anonymous
@bp.response(200, content_type="text/html")
def show_sessions() -> Response:
    """Return where the account is signed in, and the form for another password."""
    session = require_page_session()
    sessions = account_views.list_sessions(get_db(), session.user_id, session.session_id, utc_now())
    return _render("sessions", session, sessions=sessions)


@bp.route("/preferences")
@anonymous
@bp.response(200, content_type="text/html")
def show_preferences() -> Response:
    """Return the page on which the owner chooses which mails come."""
    session = require_page_session()
    return _render(
        "preferences", session, wishes=account_views.get_mail_wishes(get_db(), session.user_id)
    )


@bp.route("/data")
@anonymous
@bp.response(200, content_type="text/html")
def show_data() -> Response:
    """Return the page on which the owner exports or deletes the account."""
    return _render("data", require_page_session())


def _get_page() -> int:
    """Return the number of the page of a list that the address names, 1 if it names none."""
    text = request.args.get("page", "1")
    return min(max(int(text), 1), MAX_PAGE) if text.isascii() and text.isdigit() else 1


def _render(name: str, session: PageSession, **values: object) -> Response:
    common = {
        "session": session,
        "csrf_token": make_csrf_token(),
        "zone": current_config().default_timezone,
    }
    return render_page(f"account/{name}.html", {**common, **values})
