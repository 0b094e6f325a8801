"""Keep the JSON of a page of events once for all callers, and put in the favorites of each.

Only `favorited` of its events differs between callers. The JSON is kept as it is for a caller
without favorites, with the positions of these values. For another caller, some of them are replaced
while the bytes are copied.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eventapp.core.json import make_etag

# The member of an event that differs between callers, with the commas around it.
FAVORITED = {False: b',"favorited":false,', True: b',"favorited":true,'}
_FALSE, _TRUE = b"false", b"true"
_VALUE_OFFSET = FAVORITED[False].index(_FALSE)
# The approximate bytes that the id and the position of an event take.
_POSITION_BYTES = 45


class EventsBody(NamedTuple):
    """The JSON of events for one caller, and its ETag without quotes."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class SharedBody:
    """The JSON of events, from which that of every caller is made.

    Attributes:
        plain: the JSON for a caller to whom none of the events is a favorite.
        event_ids: of the events, in their order in the JSON.
        offsets: where in the JSON the value of `favorited` of each event begins.
    """

    plain: EventsBody
    event_ids: tuple[int, ...]
    offsets: Sequence[int]

    @property
    def size_bytes(self) -> int:
        """The approximate bytes of memory that the JSON and the positions take."""
        return len(self.plain.body) + _POSITION_BYTES * len(self.event_ids)

    def show(self, favorites: frozenset[int]) -> EventsBody:
        """Return the JSON for a caller. Nothing is copied if it has no favorite of the caller.

        The ETag is a hash of that of the plain JSON and of the positions that differ from it. So,
        as a hash of the bytes, it is equal in all processes for equal bytes, and only for them.

        Args:
            favorites: the eventIds of the caller's favorites, also those of other events.
        """
        if favorites.isdisjoint(self.event_ids):
            return self.plain
        changed = [
            offset
            for event_id, offset in zip(self.event_ids, self.offsets, strict=True)
            if event_id in favorites
        ]
        etag = make_etag(f"{self.plain.etag} {changed}".encode())
        return EventsBody(_replace_values(self.plain.body, changed), etag)


class CallerPage(NamedTuple):
    """A page for all callers, and the eventIds of the favorites of one of them."""

    shared_body: SharedBody
    favorites: frozenset[int]

    def show(self) -> EventsBody:
        """Return the JSON for this caller."""
        return self.shared_body.show(self.favorites)


def make_shared_body(plain: bytes, event_ids: Sequence[int]) -> SharedBody:
    """Find the positions of `favorited` in the JSON of events.

    Args:
        plain: JSON with the member FAVORITED[False] in each event and nowhere else. No text
            contains these bytes, because JSON escapes the quotes in a text.
        event_ids: of the events, in their order in the JSON.

    Raises:
        ValueError: there are more or fewer of these members than events.
    """
    offsets = array("I")
    found = plain.find(FAVORITED[False])
    while found >= 0:
        offsets.append(found + _VALUE_OFFSET)
        found = plain.find(FAVORITED[False], found + _VALUE_OFFSET)
    if len(offsets) != len(event_ids):
        raise ValueError(f"{len(offsets)} values of `favorited` in {len(event_ids)} events")
    return SharedBody(EventsBody(plain, make_etag(plain)), tuple(event_ids), offsets)


def _replace_values(plain: bytes, offsets: Sequence[int]) -> bytes:
    """Return the JSON with `true` in place of the `false` at each of these positions."""
    view, parts, start = memoryview(plain), list[memoryview](), 0
    for offset in offsets:
        parts.append(view[start:offset])
        start = offset + len(_FALSE)
    parts.append(view[start:])
    return _TRUE.join(parts)
