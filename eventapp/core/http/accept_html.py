"""Decide by the header Accept whether a client wants a page or JSON."""

from flask import request

HTML, JSON = "text/html", "application/json"


def prefers_html() -> bool:
    """Return whether the client names `text/html`, as browsers do, and prefers JSON no more.

    `*/*`, which command-line clients send, names nothing.
    """
    qualities = {name: quality for name, quality in request.accept_mimetypes if quality > 0}
    return HTML in qualities and qualities[HTML] >= qualities.get(JSON, 0)
