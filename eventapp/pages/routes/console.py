"""Pages of the organizers' console about events: the list, an event, and its form."""

from flask import Response

from eventapp.core.access.permissions import anonymous
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.json import JsonObject
from eventapp.pages.console_access import MANAGERS, WHOLE_TEAM
from eventapp.pages.console_pages import render_console_page, render_event_page
from eventapp.pages.failures import show_failure_as_page
from eventapp.pages.rendering import PUBLIC_PICTURES

bp = Blueprint(
    "console",
    __name__,
    url_prefix="/console",
    description="Pages",
    ignores_unknown_parameters=True,
)
bp.after_request(show_failure_as_page)


@bp.route("")
@anonymous
@bp.response(200, content_type="text/html")
def show_events() -> Response:
    """Return the page with the events of the person who is signed in."""
    return render_console_page("console/events.html", "events")


@bp.route("/events/<whole:event_id>")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(404)
def show_event(event_id: int) -> Response:
    """Return the page that shows the state of an event, and what can be done with it."""
    return render_event_page(
        "console/event.html",
        event_id,
        "overview",
        roles=WHOLE_TEAM,
        context=_make_settings(),
        sources=PUBLIC_PICTURES,
    )


@bp.route("/events/new")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403)
def show_new_event() -> Response:
    """Return the form for a new event."""
    context = {**_make_settings(), "event": None}
    return render_console_page("console/event_new.html", "events", context, sources=PUBLIC_PICTURES)


@bp.route("/events/<whole:event_id>/edit")
@anonymous
@bp.response(200, content_type="text/html")
@bp.error_responses(403, 404)
def edit_event(event_id: int) -> Response:
    """Return the form that edits an event."""
    return render_event_page(
        "console/event_edit.html",
        event_id,
        "edit",
        roles=MANAGERS,
        context=_make_settings(),
        sources=PUBLIC_PICTURES,
    )


def _make_settings() -> JsonObject:
    """Return the settings of this server that pages about an event show."""
    config = current_config()
    return {"currency": config.currency, "zone": config.default_zone.key}
