"""Rendered events in the shared cache, where other processes find them.

Whether a process may show what it finds there is decided by `Freshness.keep_shared`.
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
from eventapp.core.shared_cache import SharedCache
from eventapp.events import rules
from eventapp.events.cache import rendering
from eventapp.events.cache.rendering import RenderedEvent

# Long enough for other processes to find an event. The answers are fresh without this limit; it
# only bounds how long a database that was restored from a backup is shown as it was before.
LIFETIME_MS = 60_000
# The modules whose code decides how an event is rendered.
_RENDERING_MODULES = (json, rules, rendering)
_FIELD_NAMES = tuple(field.name for field in fields(RenderedEvent))
_AWARE_TIMES: CodecOptions[Document] = CodecOptions(tz_aware=True)


class SharedEvents:
    """The rendered events of one database in a shared cache."""

    def __init__(self, cache: SharedCache, database_name: str) -> None:
        """Use the names that begin with this database's name and the version of the rendering."""
        self._cache = cache
        self._prefix = f"eventapp:{database_name}:{_rendering_version()}:event:"

    def find(self, event_ids: Iterable[int]) -> list[tuple[RenderedEvent, datetime]]:
        """Return the events that are found, each with the `complete_up_to` of its read."""
        values = self._cache.get([self._name_of(event_id) for event_id in event_ids])
        return [_unpack(value) for value in values if value is not None]

    def store(self, events: Sequence[RenderedEvent], complete_up_to: datetime) -> None:
        """Store events that a read found which contains every change made up to that time."""
        pairs = ((self._name_of(event.event_id), _pack(event, complete_up_to)) for event in events)
        self._cache.put(pairs, LIFETIME_MS)

    def _name_of(self, event_id: int) -> str:
        return f"{self._prefix}{event_id}"


def _pack(event: RenderedEvent, complete_up_to: datetime) -> bytes:
    values = {name: getattr(event, name) for name in _FIELD_NAMES}
    return bson.encode({"complete_up_to": complete_up_to, **values})


def _unpack(packed: bytes) -> tuple[RenderedEvent, datetime]:
    values = bson.decode(packed, _AWARE_TIMES)
    complete_up_to = values.pop("complete_up_to")
    # BSON has no tuples.
    values["sold_out_types"] = tuple(values["sold_out_types"])
    return RenderedEvent(**values), complete_up_to


def _rendering_version() -> str:
    """Return a hash of the code that renders events.

    During an update, processes of the old and the new version do not find each other's events.
    """
    sources = [Path(str(module.__file__)).read_bytes() for module in _RENDERING_MODULES]
    return hashlib.blake2b(b"".join(sources), digest_size=6).hexdigest()
