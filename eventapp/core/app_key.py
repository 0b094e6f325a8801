"""Typed keys for what `create_app` builds and routes need.

A key is a module constant with the type of its value, so that a misspelt method of what it gives
is found by the type checker: `INVENTORY: AppKey[Inventory] = AppKey("inventory")`.
"""

from typing import Generic, TypeVar, cast

from flask import Flask, current_app

Value = TypeVar("Value")


class AppKey(Generic[Value]):
    """The place of one value in an application's extensions."""

    def __init__(self, name: str) -> None:
        """Name the place; `name` must differ from those of all other extensions."""
        self._name = name

    def set(self, app: Flask, value: Value) -> None:
        """Keep the value with the application."""
        app.extensions[self._name] = value

    def get(self, app: Flask | None = None) -> Value:
        """Return the value of an application, by default of the one that handles this request."""
        return cast(Value, (app or current_app).extensions[self._name])
