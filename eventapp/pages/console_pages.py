"""Render pages of the organizers' console for the person who is signed in.

A page of the console extends `console/base.html`, and one about an event `console/event_base.html`.
"""

from collections.abc import Mapping

from flask import Response

from eventapp.core.database import get_db
from eventapp.core.errors import Forbidden
from eventapp.pages.console_access import (
    READERS,
    ConsoleEvent,
    find_console_event,
    make_console_user,
)
from eventapp.pages.page_session import make_csrf_token, require_page_session
from eventapp.pages.rendering import Sources, render_page


def render_console_page(
    template: str,
    section: str,
    context: Mapping[str, object] | None = None,
    *,
    sources: Sources | None = None,
) -> Response:
    """Return a page of the console, or lead to the page for signing in.

    Args:
        section: the entry of the navigation that is the current one: `events`, `figures`, `team`,
            `webhooks` or `tokens`.
        context: values of the template, besides `user` (a ConsoleUser), `section` and
            `csrf_token`.
        sources: what the policy of the page allows besides, as for `render_page`.
    """
    session = require_page_session()
    user = make_console_user(
        get_db(), session.user_id, name=session.name, email=session.email, role=session.role
    )
    shared = {"user": user, "section": section, "csrf_token": make_csrf_token()}
    return render_page(template, {**shared, **(context or {})}, sources=sources)


def render_event_page(
    template: str,
    event_id: int,
    tab: str,
    *,
    roles: tuple[str, ...] = READERS,
    context: Mapping[str, object] | None = None,
    sources: Sources | None = None,
) -> Response:
    """Return a page of the console about an event.

    Args:
        tab: the entry of the event's navigation that is the current one, such as `overview`,
            `edit`, `orders`, `attendees`, `waitlist`, `announcements`, `devices`, `codes`, `log`
            or `figures`.
        roles: who may open it: a constant of `console_access`.
        context: values of the template, besides `event` (a ConsoleEvent), `tab` and those of
            `render_console_page`.
        sources: as for `render_console_page`.

    Raises:
        NotFound: there is no event on which the person may act.
        Forbidden: the person's role on the event is none of `roles`.
    """
    event = find_event(event_id)
    if event.role not in roles:
        raise Forbidden
    shared = {"event": event, "tab": tab}
    return render_console_page(template, "events", {**shared, **(context or {})}, sources=sources)


def find_event(event_id: int) -> ConsoleEvent:
    """Return an event as the person who is signed in sees it, or lead to signing in.

    Raises:
        NotFound: there is none on which the person may act.
    """
    session = require_page_session()
    return find_console_event(get_db(), event_id, session.user_id, session.role)
