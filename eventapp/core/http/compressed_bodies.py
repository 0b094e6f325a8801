"""Compress the bodies of answers once, with the bytes and by the choice of flask_compress.

A cached body is found by its ETag, which is a hash of it or of what it was made of. So no entry is
ever outdated. A body is kept from its second answer on: many are for one caller and one answer.
Both answers before Flask and those of Flask use the same cache; of the latter, those that
`cached_response` makes.
"""

from flask import Flask, Request, Response, g
from flask_compress import Compress

# These are private, but no others make the same choice and the same bytes as the hook.
from flask_compress.flask_compress import _choose_algorithm, _compress_data

from eventapp.core.app_key import AppKey
from eventapp.core.http.headers import COMPRESSED_BYTES, COMPRESSION_ALGORITHMS
from eventapp.core.http.responses import bytes_response
from eventapp.core.lru_cache import CacheBudget, LRUCache

# The approximate bytes that an entry takes besides the body.
_OVERHEAD_BYTES = 350
# What is kept of a body that was sent once.
_SENT_ONCE = b""


def choose_algorithm(accept_encoding: str, size: int) -> str | None:
    """Return the algorithm by which to compress a body of this size; None for none.

    Args:
        accept_encoding: the header of the request; empty if it has none.
    """
    if not accept_encoding or size < COMPRESSED_BYTES:
        return None
    chosen: str | None = _choose_algorithm(COMPRESSION_ALGORITHMS, accept_encoding)
    return chosen


class CompressedBodies:
    """The compressed bodies that were sent last, and more than once."""

    def __init__(self, app: Flask, budget: CacheBudget) -> None:
        """Create an empty cache; the settings of `app` decide how strongly it compresses."""
        self._app = app
        self._bodies: LRUCache[tuple[str, str], bytes] = LRUCache(
            budget.get_bytes("compressed bodies"), lambda body: len(body) + _OVERHEAD_BYTES
        )

    def compress(self, body: bytes, etag: str, algorithm: str) -> bytes:
        """Return a body as this algorithm compresses it.

        Args:
            etag: of the body.
        """
        compressed = self.find(etag, algorithm)
        if compressed is None:
            compressed = _compress_data(self._app, body, algorithm)
            self.add(etag, algorithm, compressed)
        return compressed

    def find(self, etag: str, algorithm: str) -> bytes | None:
        """Return the compressed body with this ETag, if it is kept."""
        return self._bodies.get((etag, algorithm)) or None

    def add(self, etag: str, algorithm: str, compressed: bytes) -> None:
        """Record that a compressed body is sent, and keep it if it was sent before."""
        kept = self._bodies.get((etag, algorithm))
        if not kept:
            self._bodies.put((etag, algorithm), _SENT_ONCE if kept is None else compressed)


COMPRESSED_BODIES: AppKey[CompressedBodies] = AppKey("compressed_bodies")


class _FlaskCompressCache:
    """The cache that flask_compress asks, by keys that it makes of an algorithm and an ETag."""

    def __init__(self, bodies: CompressedBodies) -> None:
        self._bodies = bodies

    def get(self, key: str) -> bytes | None:
        algorithm, _, etag = key.partition(";")
        return self._bodies.find(etag, algorithm) if etag else None

    def set(self, key: str, value: bytes) -> None:
        algorithm, _, etag = key.partition(";")
        if etag:
            self._bodies.add(etag, algorithm, value)


def init_app(app: Flask) -> None:
    """Compress the answers of Flask. COMPRESSED_BODIES must be set."""
    app.config["COMPRESS_MIN_SIZE"] = COMPRESSED_BYTES
    app.config["COMPRESS_ALGORITHM"] = COMPRESSION_ALGORITHMS
    app.config["COMPRESS_CACHE_BACKEND"] = lambda: _FlaskCompressCache(COMPRESSED_BODIES.get(app))
    app.config["COMPRESS_CACHE_KEY"] = _get_cached_etag
    Compress(app)


def _get_cached_etag(_request: Request) -> str:
    """Return the ETag of the body that this request is answered by, if it may be sent again."""
    etag: str = g.get("cached_etag", "")
    return etag


def cached_response(body: bytes, etag: str) -> Response:
    """Return an answer with JSON that comes from a cache, and whose compressed form is kept too.

    Args:
        etag: of the body, without quotes. The answer does not have it as a header.
    """
    g.cached_etag = etag
    return bytes_response(body)
