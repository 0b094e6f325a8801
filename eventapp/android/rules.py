"""Convert the events and users of the API to what the Android app's Gson models can read."""

import math

from eventapp.accounts.types import StoredUser
from eventapp.android.types import AppEntry, AppEvent, AppTicketType, AppUser
from eventapp.events.bodies import EventView, ScheduleEntryView, TicketTypeView

MIN_PASSWORD = 6  # characters


def render_event(event: EventView) -> AppEvent:
    """Return an event of the API as the app reads it.

    `organizerId` is left out, because it may be null and the app does not read it.
    """
    return {
        "_id": event["_id"],
        "eventId": event["eventId"],
        "title": event["title"],
        "description": event["description"],
        "category": event["category"],
        "image": event["image"],
        "schedule": [_render_entry(entry) for entry in event["schedule"]],
        "ticketTypes": [_render_ticket_type(each) for each in event["ticketTypes"]],
        "favorited": event["favorited"],
        "organizer": event["organizer"],
        "tags": event["tags"],
        "status": event["status"],
        "createdAt": event["createdAt"],
        "updatedAt": event["updatedAt"],
        "__v": event["__v"],
        "soldOut": event["soldOut"],
    }


def _render_entry(entry: ScheduleEntryView) -> AppEntry:
    """Return a schedule entry without the fields that the app does not know."""
    rendered: AppEntry = {"date": entry["date"], "location": entry["location"]}
    if "lat" in entry:
        rendered["lat"] = entry["lat"]
    if "lng" in entry:
        rendered["lng"] = entry["lng"]
    return rendered


def _render_ticket_type(ticket_type: TicketTypeView) -> AppTicketType:
    """Return a ticket type with its price rounded up: 12.5 becomes 13."""
    return {
        "ticketTypeId": ticket_type["ticketTypeId"],
        "type": ticket_type["type"],
        "price": math.ceil(ticket_type["price"]),
        "availableTickets": ticket_type["availableTickets"],
    }


def render_user(user: StoredUser, capability: str, photo_url: str) -> AppUser:
    """Return a user as the app reads it, with the capability to change the profile as its id.

    Args:
        photo_url: the URL of the photo; an empty text without one.
    """
    return {
        "_id": capability,
        "name": user["name"],
        "email": user["email"],
        "about": user["about"],
        "userImg": photo_url,
        "createdAt": user["createdAt"],
        "updatedAt": user["updatedAt"],
        "__v": user["__v"],
    }
