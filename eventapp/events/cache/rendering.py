"""An event as JSON, rendered once per change; what differs by caller or by sale is put in last."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bson import ObjectId

from eventapp.core import json
from eventapp.core.database import Document
from eventapp.events import rules

# An event's edits, counted, and which of its types have no ticket left: what lists go by.
Shape = tuple[int, tuple[bool, ...]]
_IMAGE = b',"image":"'
_LIKED = {False: b',"favorited":false,', True: b',"favorited":true,'}
_SOLD_OUT = {False: b',"soldOut":false}', True: b',"soldOut":true}'}
# Of an event beside its texts: the object, its place among others, and what else it holds.
_BESIDE = 700


@dataclass(frozen=True, slots=True)
class Rendered:
    """What everyone sees of an event but its organizer and admins, who also see counts.

    Attributes:
        rev: of the stored event; every write raises it. `version` only edits do.
        image_at: where in `head` the link of a photo of our own begins.
    """

    event_id: int
    rev: int
    version: int
    organizer_id: ObjectId | None
    draft: bool
    head: bytes
    image_at: int | None
    types: bytes
    tail: bytes
    sold_out: bool
    emptied: tuple[bool, ...]

    @property
    def shape(self) -> Shape:
        """What lists go by."""
        return self.version, self.emptied

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes to remember it."""
        return len(self.head) + len(self.types) + len(self.tail) + _BESIDE

    def body(self, image_base_url: bytes, *, favorited: bool) -> bytes:
        """The event's JSON for a caller who has it as a favorite, or not."""
        head, place = self.head, self.image_at
        if place is not None:
            head = b"".join((head[:place], image_base_url, head[place:]))
        liked, sold_out = _LIKED[favorited], _SOLD_OUT[self.sold_out]
        return b"".join((head, self.types, liked, self.tail, sold_out))

    def after_sale(self, sale: Mapping[str, Any]) -> "Rendered":
        """The same with the stock of a later state of the event."""
        empty = emptied(sale)
        return replace(
            self, rev=sale["rev"], types=_types(sale), emptied=empty, sold_out=all(empty)
        )


def render(event: Document) -> Rendered:
    """The event's JSON in pieces, from the view that everyone gets."""
    shown = rules.view(event, favorited=False, with_counts=False, image_base_url="")
    first = {name: shown[name] for name in rules.SHOWN if name != "ticketTypes"}
    head = json.dumps(first)[:-1] + b',"ticketTypes":'
    own_photo = shown["image"].startswith("/")
    last = {name: shown[name] for name in rules.SHOWN_LAST}
    return Rendered(
        event_id=event["eventId"],
        rev=event["rev"],
        version=event["__v"],
        organizer_id=event["organizerId"],
        draft=event["status"] == rules.DRAFT,
        head=head,
        # No text holds these bytes: a quote within a JSON text is escaped.
        image_at=head.index(_IMAGE) + len(_IMAGE) if own_photo else None,
        types=_types(event),
        tail=json.dumps(last)[1:-1],
        sold_out=shown["soldOut"],
        emptied=emptied(event),
    )


def emptied(event: Mapping[str, Any]) -> tuple[bool, ...]:
    """Which types have no ticket left: all that a sale changes of what lists go by."""
    return tuple(kind["availableTickets"] == 0 for kind in event["ticketTypes"])


def shape_of(event: Mapping[str, Any]) -> Shape:
    """The same of a stored event."""
    return event["__v"], emptied(event)


def _types(event: Mapping[str, Any]) -> bytes:
    kinds = (rules.type_view(kind, with_counts=False) for kind in event["ticketTypes"])
    return json.dumps(list(kinds))


@dataclass(slots=True)
class Listed:
    """A page of a list: whose events, what stands beside them, and for how long that is true."""

    key: tuple[Any, ...]
    generation: int
    event_ids: tuple[int, ...]
    beside: bytes
    # Its answer is kept from the second time on: most searches are never asked again.
    asked: bool = False

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes to remember it."""
        key = sum(sys.getsizeof(part) for part in self.key)
        return key + 40 * len(self.event_ids) + len(self.beside) + _BESIDE


@dataclass(frozen=True, slots=True)
class Answer:
    """A page's JSON as some callers see it: to what it is true, its bytes, its ETag."""

    as_seen: object
    body: bytes
    etag: str

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes to remember it."""
        return len(self.body) + _BESIDE
