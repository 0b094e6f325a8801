"""Typed keys for the objects that `create_app` builds and routes need.

A key is a module constant with the type of its value, so that the type checker finds a misspelt
method of that value: `INVENTORY: AppKey[Inventory] = AppKey("inventory")`.
"""

from typing import Generic, TypeVar, cast

from flask import Flask, current_app

Value = TypeVar("Value")


class AppKey(Generic[Value]):
    """The key of one value in `app.extensions`."""

    def __init__(self, name: str) -> None:
        """Create the key of a name that no other extension uses."""
        self._name = name

    def set(self, app: Flask, value: Value) -> None:
        """Store the value in an application."""
        app.extensions[self._name] = value

    def get(self, app: Flask | None = None) -> Value:
        """Return the value of an application, by default the one that handles this request."""
        return cast(Value, (app or current_app).extensions[self._name])
