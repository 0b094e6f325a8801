"""Events as other processes rendered them, in the shared cache of `CACHE_URL`.

What lies there is only believed as far as `service_known` says.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import bson
from bson.codec_options import CodecOptions

from eventapp.core import json
from eventapp.core.database import Document
from eventapp.core.metrics import SHARED_CACHE
from eventapp.core.shared_cache import SharedCache
from eventapp.events import rules
from eventapp.events.cache import rendering
from eventapp.events.cache.rendering import Rendered

# Long enough to be shared. It is no part of what keeps answers fresh, but bounds what a database
# that was put back to an older state, behind everyone's back, can still be shown as.
LIFETIME_MS = 60_000
HITS, OUTDATED = SHARED_CACHE.labels("hit"), SHARED_CACHE.labels("outdated")
_RENDERING = (json, rules, rendering)
_NAMES = tuple(field.name for field in fields(Rendered))
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


class SharedEvents:
    """The rendered events of one database in the shared cache."""

    def __init__(self, cache: SharedCache, database: str) -> None:
        self._cache = cache
        self._prefix = f"eventapp:{database}:{_version()}:event:"

    def find(self, event_ids: Iterable[int]) -> list[tuple[Rendered, datetime]]:
        """Those that are there, each with a time, by the database's, up to which it has changes."""
        found = self._cache.get([self._name(event_id) for event_id in event_ids])
        return [_unpacked(value) for value in found if value is not None]

    def offer(self, events: Sequence[Rendered], as_of: datetime) -> None:
        """Leave what was read when all changes up to that time could be seen."""
        values = {self._name(event.event_id): _packed(event, as_of) for event in events}
        self._cache.put(values, LIFETIME_MS)

    def _name(self, event_id: int) -> str:
        return f"{self._prefix}{event_id}"


def _packed(event: Rendered, as_of: datetime) -> bytes:
    return bson.encode({"as_of": as_of, **{name: getattr(event, name) for name in _NAMES}})


def _unpacked(value: bytes) -> tuple[Rendered, datetime]:
    kept = bson.decode(value, _AWARE)
    as_of = kept.pop("as_of")
    return Rendered(**{**kept, "emptied": tuple(kept["emptied"])}), as_of


def _version() -> str:
    """Changes with how events are rendered: during an update old and new processes share not."""
    sources = [Path(str(module.__file__)).read_bytes() for module in _RENDERING]
    return hashlib.blake2b(b"".join(sources), digest_size=6).hexdigest()
