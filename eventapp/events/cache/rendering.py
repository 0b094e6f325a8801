"""Render events and pages of lists as JSON bytes, once for all callers.

An event is rendered in parts. The values that differ between callers (the base URL of its image,
whether it is a favorite) are inserted into the answer without rendering the event again. A sale
replaces only the part with the ticket types. The favorites of a caller are put into a page by
`shared_body`.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple, cast

from bson import ObjectId

from eventapp.core import json
from eventapp.core.json import JsonObject
from eventapp.events import rules
from eventapp.events.cache.shared_body import FAVORITED, SharedBody, make_shared_body
from eventapp.events.list_requests import ListRequest
from eventapp.events.rules import ListState
from eventapp.events.ticket_types import (
    count_public,
    find_empty_stocks,
    find_next_edge,
    is_sold_out,
    present_ticket_types,
)
from eventapp.events.types import Event, SaleState

# What the JSON of a page begins with, before the array of its events.
ENVELOPE_START = b'{"events":'
_IMAGE_START = b',"image":"'
_SOLD_OUT = {False: b',"soldOut":false}', True: b',"soldOut":true}'}
# The approximate bytes that an entry of a cache takes in addition to its texts, for its objects and
# the cache's dictionaries.
_OVERHEAD_BYTES = 700


@dataclass(frozen=True, slots=True)
class RenderedEvent:
    """An event as JSON in parts, without the counts that only its organizer and admins see.

    The shared cache stores these fields under their names.

    Attributes:
        revision: `rev` of the stored event; edits and sales raise it.
        terms: of the stored event; every edit raises it, and no sale does.
        organizer_id: the user who manages the event; None for sample events.
        head: the JSON up to the ticket types.
        image_offset: where in `head` the base URL of the image belongs; None if the image's URL is
            absolute.
        ticket_types: the JSON array of the ticket types.
        tail: the JSON fields after `favorited`, without braces.
        empty_stocks: as in `ListState`.
        changes_at: when the JSON will be outdated though nothing is written, because a sale begins
            or ends or a schedule entry is over, by the database's clock; None for never.
    """

    event_id: int
    revision: int
    terms: int
    organizer_id: ObjectId | None
    is_draft: bool
    head: bytes
    image_offset: int | None
    ticket_types: bytes
    tail: bytes
    is_sold_out: bool
    empty_stocks: tuple[bool, ...]
    changes_at: datetime | None

    @property
    def list_state(self) -> ListState:
        """What decides which lists contain the event, and where."""
        return ListState(self.terms, self.empty_stocks)

    @property
    def may_be_listed(self) -> bool:
        """Whether lists may contain the event; the same rule as `rules.may_be_listed`."""
        return not self.is_draft and self.ticket_types != b"[]"

    @property
    def size_bytes(self) -> int:
        """The approximate bytes of memory that a cache needs for the event."""
        return len(self.head) + len(self.ticket_types) + len(self.tail) + _OVERHEAD_BYTES

    def is_outdated(self, now: datetime) -> bool:
        """Return whether `changes_at` has passed since the event was rendered."""
        return self.changes_at is not None and self.changes_at <= now

    def to_json(self, image_base_url: str, *, favorited: bool) -> bytes:
        """Return the event as JSON for a caller.

        Args:
            image_base_url: what the URL of an uploaded image begins with, such as `https://host`.
            favorited: whether the event is a favorite of the caller.
        """
        head, offset = self.head, self.image_offset
        if offset is not None:
            escaped_base_url = json.dumps(image_base_url)[1:-1]
            head = b"".join((head[:offset], escaped_base_url, head[offset:]))
        parts = (head, self.ticket_types, FAVORITED[favorited], self.tail)
        return b"".join((*parts, _SOLD_OUT[self.is_sold_out]))

    def after_sale(self, sale_state: SaleState, now: datetime) -> "RenderedEvent":
        """Return the event with the revision and the stock of this state, rendered at this time."""
        public = count_public(sale_state, now)
        return replace(
            self,
            revision=sale_state["rev"],
            ticket_types=_render_ticket_types(sale_state, public, now),
            empty_stocks=find_empty_stocks(sale_state),
            changes_at=find_next_edge(sale_state, now),
            is_sold_out=is_sold_out(sale_state, public),
        )


def render_event(event: Event, now: datetime) -> RenderedEvent:
    """Render an event as `rules.present_event` shows it to a caller without special permissions."""
    view = rules.present_event(
        event, favorited=False, with_counts=False, image_base_url="", now=now
    )
    fields = cast(JsonObject, view)
    first = {name: fields[name] for name in rules.HEAD_FIELDS if name != "ticketTypes"}
    head = json.dumps(first)[:-1] + b',"ticketTypes":'
    is_uploaded = view["image"].startswith("/")
    last = {name: fields[name] for name in (*rules.TAIL_FIELDS, "questions") if name in fields}
    return RenderedEvent(
        event_id=event["eventId"],
        revision=event["rev"],
        terms=rules.get_terms(event),
        organizer_id=event["organizerId"],
        is_draft=event["status"] == rules.DRAFT,
        head=head,
        # No text of the event contains these bytes, because JSON escapes the quotes in a text.
        image_offset=head.index(_IMAGE_START) + len(_IMAGE_START) if is_uploaded else None,
        ticket_types=json.dumps(view["ticketTypes"]),
        tail=json.dumps(last)[1:-1],
        is_sold_out=view["soldOut"],
        empty_stocks=find_empty_stocks(event),
        changes_at=find_next_edge(event, now),
    )


def _render_ticket_types(event: SaleState, public: list[int], now: datetime) -> bytes:
    return json.dumps(present_ticket_types(event, public, with_counts=False, now=now))


class PageKey(NamedTuple):
    """What decides which events a page shows, as long as no event changes.

    Attributes:
        request: the page that is requested.
        day: today, because events that are over leave the lists.
        interval: for a list by popularity, the number of the time interval for which a page is
            cached; None for other lists.
        is_bare: whether the JSON is the array of the events, without the other fields of the page.
    """

    request: ListRequest
    day: date
    interval: int | None = None
    is_bare: bool = False

    @property
    def size_bytes(self) -> int:
        """The approximate bytes of memory that the key takes."""
        return sum(sys.getsizeof(part) for part in self)


@dataclass(slots=True)
class CachedPage:
    """The events that a page of a list shows.

    Attributes:
        list_version: the list version of the cache when the page was found. The page is outdated
            when the cache has another list version.
        event_ids: of its events, in order.
        distances: as in FoundPage.
        envelope: the JSON fields that follow the events, with the closing brace.
        was_shown: the page was shown before. Its JSON is cached from the second time on, because
            most searches are made only once.
    """

    key: PageKey
    list_version: int
    event_ids: tuple[int, ...]
    distances: Mapping[int, float]
    envelope: bytes
    was_shown: bool = False

    @property
    def size_bytes(self) -> int:
        """The approximate bytes of memory that a cache needs for the page."""
        ids_bytes = 40 * len(self.event_ids) + 120 * len(self.distances)
        return self.key.size_bytes + ids_bytes + len(self.envelope) + _OVERHEAD_BYTES


class PageView(NamedTuple):
    """What the JSON of a page depends on besides the page itself and the caller's favorites.

    Attributes:
        content_version: the content version of the cache when the JSON was made.
        image_base_url: what the URLs of uploaded images begin with.
    """

    content_version: int
    image_base_url: str

    @property
    def size_bytes(self) -> int:
        """The approximate bytes of memory that the view takes."""
        return sys.getsizeof(self.image_base_url)


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A page as JSON, for every caller with the same view of it.

    Attributes:
        key_bytes: the approximate bytes of memory that the key of the page takes.
        changes_at: when the JSON of one of its events will be outdated; None for never.
    """

    key_bytes: int
    view: PageView
    shared_body: SharedBody
    changes_at: datetime | None

    def is_outdated(self, now: datetime) -> bool:
        """Return whether `changes_at` has passed since the page was rendered."""
        return self.changes_at is not None and self.changes_at <= now

    @property
    def size_bytes(self) -> int:
        """The approximate bytes of memory that a cache needs for the JSON."""
        view_bytes = self.key_bytes + self.view.size_bytes
        return view_bytes + self.shared_body.size_bytes + _OVERHEAD_BYTES


def _render_row(event: RenderedEvent, page: CachedPage, view: PageView) -> bytes:
    """Return the JSON of an event with its distance if the page has one."""
    row = event.to_json(view.image_base_url, favorited=False)
    distance = page.distances.get(event.event_id)
    if distance is None:
        return row
    return row[:-1] + b',"distanceKm":' + json.dumps(rules.round_distance(distance)) + b"}"


def render_page(page: CachedPage, events: Iterable[RenderedEvent], view: PageView) -> RenderedPage:
    """Render a page with those of its events that still exist."""
    events = list(events)
    body = b"[" + b",".join(_render_row(event, page, view) for event in events) + b"]"
    if not page.key.is_bare:
        body = ENVELOPE_START + body + b"," + page.envelope
    edges = (event.changes_at for event in events if event.changes_at is not None)
    return RenderedPage(
        page.key.size_bytes,
        view,
        make_shared_body(body, [event.event_id for event in events]),
        min(edges, default=None),
    )
