"""The routes of calendars to subscribe to: of one event, of a list, and of an organizer."""

from urllib.parse import urlsplit

from bson import ObjectId
from flask import Response

from eventapp.core.access.permissions import anonymous
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import shared_response
from eventapp.core.json import JsonObject
from eventapp.events import calendar_feeds
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.schemas.queries import FeedQuery

MEDIA_TYPE = "text/calendar"
# How long a cache or a calendar may keep a feed, in seconds.
MAX_AGE = 3600
bp = Blueprint(
    "feeds",
    __name__,
    url_prefix="/api",
    description="Calendar feeds",
    ignores_unknown_parameters=True,
)


@bp.route("/events/<whole:event_id>/calendar.ics")
@anonymous
@bp.response(200, content_type=MEDIA_TYPE)
@bp.alt_response(304, success=True)
@bp.error_responses(404)
def event_feed(event_id: int) -> Response:
    """Return an event as a calendar, with an entry for each of its dates.

    The entries of a cancelled event have the status CANCELLED. A draft is not found.
    """
    return _answer(
        calendar_feeds.render_event_feed(
            get_db(), event_id, host=_get_host(), now=get_database_time()
        )
    )


@bp.route("/events.ics")
@anonymous
@bp.arguments(FeedQuery, location="query")
@bp.response(200, content_type=MEDIA_TYPE)
@bp.alt_response(304, success=True)
def list_feed(query: JsonObject) -> Response:
    """Return the next dates of public events as a calendar, soonest first, at most 500.

    It takes the search and the filters of `GET /events`. An event that matches is in it with the
    dates that are not over and meet the filters by date and place. Other parameters are ignored.
    """
    return _answer(
        calendar_feeds.render_list_feed(
            get_db(),
            query,
            event_cache=EVENT_CACHE.get(),
            host=_get_host(),
            now=get_database_time(),
        )
    )


@bp.route("/organizers/<oid:organizer_id>/events.ics")
@anonymous
@bp.response(200, content_type=MEDIA_TYPE)
@bp.alt_response(304, success=True)
@bp.error_responses(404)
def organizer_feed(organizer_id: ObjectId) -> Response:
    """Return the next dates of the events of an organizer as a calendar, at most 500.

    An organizer without a public profile is not found.
    """
    return _answer(
        calendar_feeds.render_organizer_feed(
            get_db(),
            organizer_id,
            event_cache=EVENT_CACHE.get(),
            host=_get_host(),
            now=get_database_time(),
        )
    )


def _get_host() -> str:
    """Return the host of PUBLIC_BASE_URL if it is set, and otherwise that of this request."""
    return urlsplit(get_image_base_url()).hostname or ""


def _answer(calendar: bytes) -> Response:
    response = Response(calendar, content_type=f"{MEDIA_TYPE}; charset=utf-8")
    return shared_response(response, MAX_AGE)
