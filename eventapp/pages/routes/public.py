"""The public pages: the list of events, an event, an organizer. They ignore who reads them."""

from collections.abc import Mapping
from typing import cast
from urllib.parse import urlencode

from bson import ObjectId
from flask import Response, request
from marshmallow import Schema, fields

from eventapp.core import json
from eventapp.core.access.permissions import anonymous
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.accept_html import prefers_html
from eventapp.core.http.app_context import current_config, get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import PUBLIC, json_response
from eventapp.pages import event_views, list_views, structured_data
from eventapp.pages.event_views import POPULARITY
from eventapp.pages.list_views import EVENT_CACHE
from eventapp.pages.page_language import make_link
from eventapp.pages.payment import current_page_payment
from eventapp.pages.plain_text import shorten, split_text
from eventapp.pages.rendering import PUBLIC_PICTURES, Sources, render_page

home = Blueprint("home", __name__, description="Health", ignores_unknown_parameters=True)
bp = Blueprint("public_pages", __name__, ignores_unknown_parameters=True)
MAX_SUMMARY = 200  # characters of what search engines and shared links show of a page


class Addresses(Schema):
    """Where the parts of this site are."""

    name = fields.String(required=True)
    api = fields.Url(required=True, require_tld=False)
    documentation = fields.Url(required=True, require_tld=False)
    openapi = fields.Url(required=True, require_tld=False)
    dashboard = fields.Url(required=True, require_tld=False)


@home.route("/")
@anonymous
@home.response(200, Addresses)
def show_home() -> Response:
    """Return the addresses of the API, of its documentation and of the console.

    With an Accept that names `text/html`, return the page with the upcoming events.
    """
    response = _render_home() if prefers_html() else json_response(_list_addresses())
    response.vary.update(("Accept", "Accept-Language"))
    return response


def _list_addresses() -> dict[str, str]:
    site = get_image_base_url()
    return {
        "name": "eventapp",
        "api": f"{site}/api",
        "documentation": f"{site}/api/docs/",
        "openapi": f"{site}/api/openapi.json",
        "dashboard": f"{site}/console",
    }


def _render_home() -> Response:
    query = request.args.to_dict()
    events = list_views.list_home(
        get_db(),
        query,
        event_cache=EVENT_CACHE.get(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    names = ("q", *list_views.FILTERS, "sort")
    typed = {name: query.get(name, "").strip() for name in names}
    context = {
        "events": events,
        "typed": typed,
        "is_narrowed": any(typed[name] for name in list_views.FILTERS),
        "orders": list(list_views.ORDERS),
        "currency": current_config().currency,
        "canonical": f"{get_image_base_url()}/{_encode_query(typed, events.page)}",
        "make_page_link": lambda page: make_link(
            "/", **{name: value or None for name, value in typed.items()}, page=_name_page(page)
        ),
    }
    return render_public_page("home.html", context)


def _encode_query(typed: Mapping[str, str], page: int) -> str:
    """Return the query of a page of the list, without what is empty and without the language."""
    parameters = {**typed, "page": str(page) if page > 1 else ""}
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"?{query}" if query else ""


def _name_page(page: int) -> int | None:
    """Return the number of a page for its address. The first has none, so it has one address."""
    return page if page > 1 else None


@bp.route("/e/<whole:event_id>")
@anonymous
def show_event(event_id: int) -> Response:
    """Return the page of an event. A draft is not found."""
    site = get_image_base_url()
    event = event_views.show_event(
        get_db(),
        event_id,
        popularity=POPULARITY.get(),
        now=get_database_time(),
        image_base_url=site,
    )
    currency, payment = current_config().currency, current_page_payment()
    described = structured_data.describe_event(event, site=site, currency=currency)
    context = {
        "event": event,
        "currency": currency,
        "max_tickets": current_config().max_tickets_per_booking,
        "payment": payment,
        "site": site,
        "summary": shorten(event.view["description"], MAX_SUMMARY),
        "picture": structured_data.make_absolute(event.image, site),
        "structured_data": structured_data.render_json(described),
    }
    sources = payment.sources if event.can_be_booked else None
    return render_public_page("event.html", context, sources)


@bp.route("/o/<oid:organizer_id>")
@anonymous
def show_organizer(organizer_id: ObjectId) -> Response:
    """Return the page of an organizer. One without an event that everyone sees is not found."""
    site = get_image_base_url()
    profile, events = list_views.list_organizer(
        get_db(),
        organizer_id,
        list_views.parse_page(request.args.get("page", "")),
        event_cache=EVENT_CACHE.get(),
        now=get_database_time(),
        image_base_url=site,
    )
    photo = list_views.choose_picture(profile["photo"], site)
    described = structured_data.describe_organizer(profile, site=site, photo=photo)
    path = f"/o/{organizer_id}"
    context = {
        "profile": profile,
        "photo": photo,
        "about": split_text(profile["about"]),
        "events": events,
        "currency": current_config().currency,
        "site": site,
        "summary": shorten(profile["about"], MAX_SUMMARY),
        "picture": structured_data.make_absolute(photo, site),
        "structured_data": structured_data.render_json(described),
        "make_page_link": lambda page: make_link(path, page=_name_page(page)),
    }
    return render_public_page("organizer.html", context)


def render_public_page(
    template: str, context: dict[str, object], sources: Sources | None = None
) -> Response:
    """Return a page that does not depend on who reads it, or 304 if the client has it.

    Args:
        sources: what its policy allows besides PUBLIC_PICTURES.
    """
    allowed = {**PUBLIC_PICTURES, **(sources or {})}
    response = render_page(template, context, sources=allowed, cache_control=PUBLIC)
    response.headers["ETag"] = f'"{json.make_etag(response.get_data())}"'
    return cast(Response, response.make_conditional(request))
