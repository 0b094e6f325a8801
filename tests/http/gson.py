"""Decode answers as the Android app's Gson models do. A wrong type or a null crashes the app."""

from typing import Any

BASE = "/android/api/"
EVENT = {
    "__v": int,
    "_id": str,
    "eventId": int,
    "category": str,
    "createdAt": str,
    "updatedAt": str,
    "description": str,
    "image": str,
    "organizer": str,
    "title": str,
    "tags": [str],
    "favorited": bool,
    "schedule": [{"date": str, "location": str}],
    "ticketTypes": [{"availableTickets": int, "price": int, "type": str}],
}
USER = {"name": str, "email": str}
OPTIONAL_USER_FIELDS = {
    "_id": str,
    "password": str,
    "userImg": str,
    "about": str,
    "createdAt": str,
    "updatedAt": str,
    "__v": int,
}


def decode(value: Any, model: Any, where: str = "$") -> Any:
    """Return the value as Gson reads it into the model. Fail where the app would crash."""
    if isinstance(model, list):
        assert isinstance(value, list), where
        return [decode(item, model[0], f"{where}[]") for item in value]
    if isinstance(model, dict):
        assert isinstance(value, dict), where
        return {
            name: decode(value[name], type_, f"{where}.{name}") for name, type_ in model.items()
        }
    assert type(value) is model, f"{where}: {value!r} is no {model.__name__}"
    return value


def decode_user(value: Any) -> dict[str, Any]:
    """Return a user as the app reads it."""
    present = {name: type_ for name, type_ in OPTIONAL_USER_FIELDS.items() if name in value}
    return decode(value, {**USER, **present})


def decode_events(answer: Any) -> list[dict[str, Any]]:
    """Return the events of an answer as the app reads them."""
    assert answer.status_code == 200
    events = decode(answer.json, [EVENT])
    assert all(event["schedule"] and event["ticketTypes"] for event in events)
    return events
