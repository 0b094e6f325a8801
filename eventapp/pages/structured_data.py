"""Describe events and organizers to search engines, as JSON-LD in the vocabulary of schema.org.

The text stands in an element `script`, where browsers resolve no entities. So `<`, `>`, `&` and the
line separators of JavaScript are written as escapes of JSON, and no value can end the element.
"""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from eventapp.core import json
from eventapp.core.json import JsonObject
from eventapp.events.bodies import ScheduleEntryView, TicketTypeView
from eventapp.organizers.types import PublicProfileView
from eventapp.pages.event_views import EventPage
from eventapp.pages.plain_text import shorten

CONTEXT = "https://schema.org"
# The most dates that are described, and the most offers of all of them, so that an event with a
# date for each day of a year does not double the size of its page.
MAX_DATES, MAX_OFFERS = 30, 60
MAX_DESCRIPTION = 500
AVAILABILITIES = {
    "on_sale": f"{CONTEXT}/InStock",
    "scheduled": f"{CONTEXT}/PreOrder",
    "sold_out": f"{CONTEXT}/SoldOut",
    "ended": f"{CONTEXT}/OutOfStock",
}
_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


def render_json(value: JsonObject) -> Markup:
    """Return JSON that may stand in an element `script`."""
    return Markup(json.dumps(value).decode().translate(_ESCAPES))


def describe_event(page: EventPage, *, site: str, currency: str) -> JsonObject:
    """Return the description of an event: one `Event` for each date.

    Args:
        site: the scheme and host of the site.
        currency: of the prices, as ISO 4217 names it.
    """
    count = max(1, min(MAX_DATES, MAX_OFFERS // max(1, len(page.types))))
    states = {(each["scheduleId"], each["ticketTypeId"]): each["saleState"] for each in page.pairs}
    dated = [_describe_date(page, each, states, site, currency) for each in page.entries[:count]]
    return {"@context": CONTEXT, "@graph": dated}


def _describe_date(
    page: EventPage,
    entry: ScheduleEntryView,
    states: Mapping[tuple[int, int], str],
    site: str,
    currency: str,
) -> JsonObject:
    view, url = page.view, f"{site}/e/{page.event_id}"
    status = "EventCancelled" if page.is_cancelled else "EventScheduled"
    described: JsonObject = {
        "@type": "Event",
        "@id": f"{url}#date-{entry['scheduleId']}",
        "name": view["title"],
        "url": url,
        **_describe_times(entry),
        "eventStatus": f"{CONTEXT}/{status}",
        "eventAttendanceMode": f"{CONTEXT}/OfflineEventAttendanceMode",
        "location": _describe_place(entry),
        "organizer": _describe_organizer_of(page, site),
        "offers": [
            _describe_offer(each, states.get((entry["scheduleId"], each["ticketTypeId"])), url)
            | {"priceCurrency": currency}
            for each in page.types
        ],
    }
    if view["description"]:
        described["description"] = shorten(view["description"], MAX_DESCRIPTION)
    if page.image:
        described["image"] = [make_absolute(page.image, site)]
    return described


def _describe_times(entry: ScheduleEntryView) -> JsonObject:
    """Return when an entry begins and ends, with the offset of its zone, or its date alone."""
    zone = ZoneInfo(entry["timezone"])
    times: JsonObject = {"startDate": entry["date"]}
    if "startsAt" in entry:
        times["startDate"] = _write_local(entry["startsAt"], zone)
    if "endsAt" in entry:
        times["endDate"] = _write_local(entry["endsAt"], zone)
    return times


def _write_local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="seconds")


def _describe_place(entry: ScheduleEntryView) -> JsonObject:
    place: JsonObject = {
        "@type": "Place",
        "name": entry["location"],
        "address": entry["location"],
    }
    if "lat" in entry and "lng" in entry:
        place["geo"] = {
            "@type": "GeoCoordinates",
            "latitude": entry["lat"],
            "longitude": entry["lng"],
        }
    return place


def _describe_organizer_of(page: EventPage, site: str) -> JsonObject:
    organizer: JsonObject = {"@type": "Organization", "name": page.view["organizer"]}
    if page.organizer_path:
        organizer["url"] = site + page.organizer_path
    return organizer


def _describe_offer(ticket_type: TicketTypeView, state: str | None, url: str) -> JsonObject:
    """Return an offer; `state` is that of its date, None for a date that is over."""
    offer: JsonObject = {
        "@type": "Offer",
        "name": ticket_type["type"],
        "price": ticket_type["price"],
        "availability": AVAILABILITIES[state or "ended"],
        "url": url,
    }
    if "salesFrom" in ticket_type:
        offer["validFrom"] = json.format_rfc3339(ticket_type["salesFrom"])
    if "salesUntil" in ticket_type:
        offer["validThrough"] = json.format_rfc3339(ticket_type["salesUntil"])
    return offer


def describe_organizer(profile: PublicProfileView, *, site: str, photo: str) -> JsonObject:
    """Return the description of an organizer; `photo` is empty if the page shows none."""
    described: JsonObject = {
        "@context": CONTEXT,
        "@type": "Organization",
        "name": profile["name"],
        "url": f"{site}/o/{profile['organizerId']}",
    }
    if profile["about"]:
        described["description"] = shorten(profile["about"], MAX_DESCRIPTION)
    if photo:
        described["logo"] = make_absolute(photo, site)
    if profile["links"]:
        described["sameAs"] = [each["url"] for each in profile["links"]]
    return described


def make_absolute(url: str, site: str) -> str:
    """Return the whole address of a picture, which may be a path of this site."""
    return site + url if url.startswith("/") else url
