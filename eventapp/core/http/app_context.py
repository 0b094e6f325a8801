"""What a route asks of the running application."""

from typing import Any, cast

from flask import current_app, request

from eventapp.config import Config


def settings() -> Config:
    """The settings of the running application."""
    return cast(Config, current_app.config["SETTINGS"])


def box_office() -> Any:
    """The application's inventory.service.BoxOffice, which create_app made."""
    return current_app.extensions["box_office"]


def popularity() -> Any:
    """The application's events.service_popularity.Popularity, which create_app made."""
    return current_app.extensions["popularity"]


def image_base_url() -> str:
    """What the photos of this server start with: PUBLIC_BASE_URL, else as the caller reached it."""
    base = settings().public_base_url or f"{request.scheme}://{request.host}"
    return base.rstrip("/")
