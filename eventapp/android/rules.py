"""What the app's Gson models can read of an event and of a user."""

import math
from collections.abc import Mapping
from typing import Any

MIN_PASSWORD, MAX_PASSWORD_BYTES = 6, 72
USER_FIELDS = ("name", "email", "about", "userImg", "createdAt", "updatedAt", "__v")
# Fields of an event that may be null, and that the app does not know.
UNREADABLE = ("organizerId",)


def app_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event of the API with whole prices: the app reads an int, so 12.5 becomes 13."""
    shown = {name: value for name, value in event.items() if name not in UNREADABLE}
    shown["ticketTypes"] = [
        {**kind, "price": math.ceil(kind["price"])} for kind in event["ticketTypes"]
    ]
    return shown


def app_user(user: Mapping[str, Any], capability: str) -> dict[str, Any]:
    """The flat user; its `_id` is what lets the app change this profile, and no real id."""
    return {"_id": capability, **{name: user[name] for name in USER_FIELDS}}
