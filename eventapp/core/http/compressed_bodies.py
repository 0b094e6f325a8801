"""Compress the bodies of answers once, with the bytes and by the choice of flask_compress.

A cached body is found by its ETag, which is a hash of it. So no entry is ever outdated.
"""

from flask import Flask

# These are private, but no others make the same choice and the same bytes as the hook.
from flask_compress.flask_compress import _choose_algorithm, _compress_data

from eventapp.core.http.headers import COMPRESSED_BYTES, COMPRESSION_ALGORITHMS
from eventapp.core.lru_cache import CacheBudget, LRUCache

# The approximate bytes that an entry takes besides the body.
_OVERHEAD_BYTES = 350


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
    """The compressed bodies that were sent last."""

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
        key = etag, algorithm
        compressed = self._bodies.get(key)
        if compressed is None:
            compressed = _compress_data(self._app, body, algorithm)
            self._bodies.put(key, compressed)
        return compressed
