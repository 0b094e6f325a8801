"""Convert the events and users of the API to what the Android app's Gson models can read."""

import math
from collections.abc import Mapping
from typing import Any

from eventapp.accounts.types import StoredUser
from eventapp.android.types import AppUser

MIN_PASSWORD, MAX_PASSWORD_BYTES = 6, 72
# The fields of an event that are left out: they may be null, and the app does not know them.
UNREADABLE_FIELDS = ("organizerId",)


def render_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of the API with whole prices, because the app reads an int.

    Prices are rounded up: 12.5 becomes 13.
    """
    rendered = {name: value for name, value in event.items() if name not in UNREADABLE_FIELDS}
    rendered["ticketTypes"] = [
        {**ticket_type, "price": math.ceil(ticket_type["price"])}
        for ticket_type in event["ticketTypes"]
    ]
    return rendered


def render_user(user: StoredUser, capability: str) -> AppUser:
    """Return a user as the app reads it, with the capability to change the profile as its id."""
    return {
        "_id": capability,
        "name": user["name"],
        "email": user["email"],
        "about": user["about"],
        "userImg": user["userImg"],
        "createdAt": user["createdAt"],
        "updatedAt": user["updatedAt"],
        "__v": user["__v"],
    }
