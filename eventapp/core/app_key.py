"""Typed keys of the objects that `create_app` builds for the routes.

A key is a module constant that declares the type of its value, so that the type checker finds
misspelt methods of the value: `INVENTORY: AppKey[Inventory] = AppKey("inventory")`.
"""

from typing import Generic, TypeVar, cast

from flask import Flask, current_app

Value = TypeVar("Value")


class AppKey(Generic[Value]):
    """The key of one value in `app.extensions`."""

    def __init__(self, name: str) -> None:
        """Create a key; no other extension of the application may have the same name."""
        self._name = name

    def set(self, app: Flask, value: Value) -> None:
        """Store the value in an application."""
        app.extensions[self._name] = value

    def get(self, app: Flask | None = None) -> Value:
        """Return the value in an application, by default in the one that handles this request."""
        return cast(Value, (app or current_app).extensions[self._name])
