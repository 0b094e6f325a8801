"""Decodes answers as the Android app's Gson models do: a wrong type, or a null, is a crash."""

from typing import Any

BASE = "/android/api/"
TEXT, WHOLE, YES_NO = str, int, bool
EVENT = {
    "__v": WHOLE,
    "_id": TEXT,
    "eventId": WHOLE,
    "category": TEXT,
    "createdAt": TEXT,
    "updatedAt": TEXT,
    "description": TEXT,
    "image": TEXT,
    "organizer": TEXT,
    "title": TEXT,
    "tags": [TEXT],
    "favorited": YES_NO,
    "schedule": [{"date": TEXT, "location": TEXT}],
    "ticketTypes": [{"availableTickets": WHOLE, "price": WHOLE, "type": TEXT}],
}
USER = {"name": TEXT, "email": TEXT}
USER_MAY_LACK = {
    "_id": TEXT,
    "password": TEXT,
    "userImg": TEXT,
    "about": TEXT,
    "createdAt": TEXT,
    "updatedAt": TEXT,
    "__v": WHOLE,
}


def decoded(value: Any, model: Any, where: str = "$") -> Any:
    """The value if Gson could read it into the model; fails where the app would crash."""
    if isinstance(model, list):
        assert isinstance(value, list), where
        return [decoded(item, model[0], f"{where}[]") for item in value]
    if isinstance(model, dict):
        assert isinstance(value, dict), where
        return {name: decoded(value[name], kind, f"{where}.{name}") for name, kind in model.items()}
    assert type(value) is model, f"{where}: {value!r} is no {model.__name__}"
    return value


def decoded_user(value: Any) -> dict[str, Any]:
    there = {name: kind for name, kind in USER_MAY_LACK.items() if name in value}
    return decoded(value, {**USER, **there})


def decoded_events(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200
    shown = decoded(answer.json, [EVENT])
    assert all(event["schedule"] and event["ticketTypes"] for event in shown)
    return shown
