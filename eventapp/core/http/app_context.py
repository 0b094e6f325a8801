"""The settings of the running application, and the base of its image URLs."""

from functools import lru_cache
from typing import TYPE_CHECKING

from flask import request
from werkzeug.sansio.utils import get_host

from eventapp.config import Config
from eventapp.core.app_key import AppKey

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

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


def find_image_base_url(config: Config, environ: "WSGIEnvironment") -> str:
    """Return what `get_image_base_url` returns, for a request that Flask has not received yet.

    Args:
        environ: of a request with a short header Host, because its result is cached.
    """
    if config.public_base_url:
        return config.public_base_url.rstrip("/")
    return _make_base_url(environ["wsgi.url_scheme"], environ["HTTP_HOST"])


@lru_cache(maxsize=1024)
def _make_base_url(scheme: str, host: str) -> str:
    return f"{scheme}://{get_host(scheme, host)}".rstrip("/")
