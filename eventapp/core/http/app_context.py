"""The settings of the running application, and the base of its image URLs."""

from flask import request

from eventapp.config import Config
from eventapp.core.app_key import AppKey

CONFIG: AppKey[Config] = AppKey("config")


def current_config() -> Config:
    """Return the settings of the application that handles this request."""
    return CONFIG.get()


def get_image_base_url() -> str:
    """Return the scheme and host that image URLs begin with, without a slash at the end.

    They are those of PUBLIC_BASE_URL if it is set, and otherwise those of this request.
    """
    base = current_config().public_base_url or f"{request.scheme}://{request.host}"
    return base.rstrip("/")
