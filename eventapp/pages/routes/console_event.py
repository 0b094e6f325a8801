"""Pages of the organizers' console about what happens at an event: orders, people, figures.

The scripts of the pages read and change all of it by the API.
"""

from flask import Response

from eventapp.core.access.permissions import anonymous
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.pages.console_access import MANAGERS
from eventapp.pages.console_pages import render_event_page

bp = Blueprint(
    "console_event",
    __name__,
    url_prefix="/console/events/<whole:event_id>",
    description="Pages",
    ignores_unknown_parameters=True,
)


@bp.route("/orders")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def show_orders(event_id: int) -> Response:
    """Return the page with the orders of an event."""
    return render_event_page("console/event_orders.html", event_id, "orders")


@bp.route("/attendees")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def show_attendees(event_id: int) -> Response:
    """Return the page with those who come to an event."""
    return render_event_page("console/event_attendees.html", event_id, "attendees")


@bp.route("/waitlist")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def show_waitlist(event_id: int) -> Response:
    """Return the page with those who wait for tickets of an event."""
    return render_event_page("console/event_waitlist.html", event_id, "waitlist")


@bp.route("/announcements")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def show_announcements(event_id: int) -> Response:
    """Return the page by which the holders of an event's tickets are written to."""
    return render_event_page("console/event_announcements.html", event_id, "announcements")


@bp.route("/devices")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def show_devices(event_id: int) -> Response:
    """Return the page with the devices that check tickets of an event in."""
    return render_event_page("console/event_devices.html", event_id, "devices", roles=MANAGERS)


@bp.route("/codes")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def show_codes(event_id: int) -> Response:
    """Return the page with the promo codes of an event."""
    context = {"currency": current_config().currency}
    return render_event_page("console/event_codes.html", event_id, "codes", context=context)


@bp.route("/log")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def show_log(event_id: int) -> Response:
    """Return the page that says who changed what of an event."""
    return render_event_page("console/event_log.html", event_id, "log")


@bp.route("/figures")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def show_figures(event_id: int) -> Response:
    """Return the page with the figures of an event."""
    return render_event_page("console/event_figures.html", event_id, "figures")
