"""The answers that need no events from the database: see `core.http.early_answers`."""

import re
from functools import partial
from typing import TYPE_CHECKING, cast

from flask import Flask

from eventapp.core.access.actor import Actor
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.errors import ValidationFailed
from eventapp.core.http.app_context import CONFIG, find_image_base_url
from eventapp.core.http.blueprint import MAX_CACHED_QUERY_BYTES, get_query_parser
from eventapp.core.http.early_answers import EarlyAnswer
from eventapp.core.json import make_etag
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.list_requests import ListRequest
from eventapp.events.popularity import POPULARITY
from eventapp.events.routes.events import list_events

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LIST_PATH = "/api/events"
EVENT_ROUTE = "/api/events/<whole:event_id>"
# Other numbers, and all that are no numbers, are left to Flask.
_match_event_path = re.compile(r"/api/events/([1-9][0-9]{0,17})", re.ASCII).fullmatch
_parse_query = get_query_parser(list_events)


def find_answer(app: Flask, environ: "WSGIEnvironment", actor: Actor) -> EarlyAnswer | None:
    """Return the answer to a request for an event or the list of events, if it is in memory."""
    path: str = environ.get("PATH_INFO", "")
    if not path.startswith(LIST_PATH) or not OPEN_DATABASE.get(app).is_prepared_for_today:
        return None
    query: str = environ.get("QUERY_STRING", "")
    if path == LIST_PATH:
        return _find_list(app, environ, actor, query)
    match = _match_event_path(path)
    return _find_event(app, environ, actor, int(match[1])) if match and not query else None


def _find_event(
    app: Flask, environ: "WSGIEnvironment", actor: Actor, event_id: int
) -> EarlyAnswer | None:
    base_url = find_image_base_url(CONFIG.get(app), environ)
    body = EVENT_CACHE.get(app).peek_event(event_id, actor, base_url)
    if body is None:
        return None
    count_view = partial(POPULARITY.get(app).add_view, event_id)
    return EarlyAnswer(EVENT_ROUTE, body, make_etag(body), on_answered=count_view)


def _find_list(
    app: Flask, environ: "WSGIEnvironment", actor: Actor, query: str
) -> EarlyAnswer | None:
    if len(query) > MAX_CACHED_QUERY_BYTES:
        return None
    try:
        request = cast(ListRequest, _parse_query(query.encode("latin-1")))
    except ValidationFailed:  # Flask finds and renders the same faults.
        return None
    base_url = find_image_base_url(CONFIG.get(app), environ)
    page = EVENT_CACHE.get(app).peek_page(request, actor, base_url)
    return EarlyAnswer(LIST_PATH, page.body, page.etag) if page else None
