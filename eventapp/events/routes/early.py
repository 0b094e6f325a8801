"""Events and their list as they are answered before Flask: see `core.http.early_answers`.

`show_event` and `list_events` in `routes.events` are the same by Flask.
"""

import re
from functools import partial
from typing import TYPE_CHECKING, cast

from flask import Flask

from eventapp.core.access.actor import Actor
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.errors import ValidationFailed
from eventapp.core.http.app_context import CONFIG, find_image_base_url
from eventapp.core.http.blueprint import MAX_CACHED_QUERY_BYTES, get_query_parser
from eventapp.core.http.early_answers import EarlyRequest
from eventapp.core.http.early_sending import EarlyAnswer
from eventapp.core.json import make_etag
from eventapp.events import listing, service
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


def read_request(app: Flask, environ: "WSGIEnvironment") -> EarlyRequest | None:
    """Read a request for an event or for the public list of events."""
    path: str = environ.get("PATH_INFO", "")
    if not path.startswith(LIST_PATH) or not OPEN_DATABASE.get(app).is_prepared_for_today:
        return None
    query: str = environ.get("QUERY_STRING", "")
    if path == LIST_PATH:
        return _read_list_request(app, environ, query)
    match = _match_event_path(path)
    if match is None or query:
        return None
    asked = app, int(match[1]), find_image_base_url(CONFIG.get(app), environ)
    return EarlyRequest(EVENT_ROUTE, partial(_peek_event, *asked), partial(_load_event, *asked))


def _peek_event(app: Flask, event_id: int, image_base_url: str) -> EarlyAnswer | None:
    body = EVENT_CACHE.get(app).peek_event(event_id, image_base_url)
    if body is None:
        return None
    count_view = partial(POPULARITY.get(app).add_view, event_id)
    return EarlyAnswer(body, make_etag(body), count_view)


def _load_event(app: Flask, event_id: int, image_base_url: str, actor: Actor) -> EarlyAnswer:
    opened = OPEN_DATABASE.get(app)
    body = service.view_event(
        opened.db,
        event_id,
        event_cache=EVENT_CACHE.get(app),
        popularity=POPULARITY.get(app),
        actor=actor,
        now=opened.clock.now(),
        image_base_url=image_base_url,
    )
    return EarlyAnswer(body, make_etag(body))


def _read_list_request(app: Flask, environ: "WSGIEnvironment", query: str) -> EarlyRequest | None:
    if len(query) > MAX_CACHED_QUERY_BYTES:
        return None
    try:
        request = cast(ListRequest, _parse_query(query.encode("latin-1")))
    except ValidationFailed:  # Flask finds and renders the same faults.
        return None
    if request.mine:
        return None
    asked = app, request, find_image_base_url(CONFIG.get(app), environ)
    return EarlyRequest(LIST_PATH, partial(_peek_list, *asked), partial(_load_list, *asked))


def _peek_list(app: Flask, request: ListRequest, image_base_url: str) -> EarlyAnswer | None:
    page = EVENT_CACHE.get(app).peek_page(request, image_base_url)
    return EarlyAnswer(page.body, page.etag) if page else None


def _load_list(app: Flask, request: ListRequest, image_base_url: str, actor: Actor) -> EarlyAnswer:
    opened = OPEN_DATABASE.get(app)
    body, etag = listing.list_events(
        opened.db,
        request,
        event_cache=EVENT_CACHE.get(app),
        actor=actor,
        now=opened.clock.now(),
        image_base_url=image_base_url,
    )
    return EarlyAnswer(body, etag)
