"""Find the events near a position in the database, for lists that the index cannot answer.

The database finds candidates: it knows the circle only roughly, and not which entry of an event is
nearest. The candidates become a table of entries like that of the index, and the same functions
decide which entries match and how far they are.
"""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np

from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Query
from eventapp.core.geography import Position
from eventapp.events import store_listing
from eventapp.events.filter_types import EntryFilter, Filter
from eventapp.events.filters import ENTRY_FACET_FIELDS, ENTRY_FACETS
from eventapp.events.index.distances import EventDistances
from eventapp.events.index.entry_table import EntryTable
from eventapp.events.store_listing import Order, SortKey
from eventapp.events.types import CandidateEvent, Event, IndexedEntry

# The least number of events that `find_in_order` reads at once.
MIN_BATCH_SIZE = 100


def find_distances(
    db: Db, where: Query, filters: Sequence[Filter], center: Position, *, index: str | None = None
) -> EventDistances:
    """Return the events that match, with their distances from the center.

    Args:
        where: the MongoDB filter with the conditions of the filters.
        index: the name of the index to use; None to let the database choose.
    """
    batches = store_listing.iter_candidates(db, where, fields=ENTRY_FACET_FIELDS, index=index)
    return EventDistances.join(measure(batch, filters, center) for batch in batches)


def measure(
    events: Iterable[CandidateEvent | Event], filters: Iterable[Filter], center: Position
) -> EventDistances:
    """Return those of these events that match the filters of entries, with their distances."""
    table, ids, now = EntryTable(ENTRY_FACETS), list[int](), utc_now()
    for event in events:
        table.add(cast(list[IndexedEntry], event["schedule"]), len(ids), now)
        ids.append(event["eventId"])
    entry_filters = [each for each in filters if isinstance(each, EntryFilter)]
    selected = table.select(each.look_up(table) for each in entry_filters)
    rows, distances = table.freeze(selected).measure(center, np.ones(len(ids), np.bool_))
    return EventDistances(np.array(ids, np.int64)[rows], distances)


def find_in_order(
    db: Db,
    where: Query,
    filters: Sequence[Filter],
    center: Position,
    order: Order,
    *,
    after: SortKey | None,
    skip: int,
    limit: int,
    index: str | None = None,
) -> list[Event]:
    """Return matching events in another order than by distance.

    Args: as `find_distances` and `store_listing.find_in_order`.
    """
    batch_size, found = max(limit, MIN_BATCH_SIZE), list[Event]()
    while len(found) < limit:
        events = store_listing.find_in_order(
            db, where, order, after=after, limit=batch_size, index=index
        )
        matching = measure(events, filters, center).find([each["eventId"] for each in events])
        matches = [each for each in events if each["eventId"] in matching]
        found += matches[skip:]
        skip = max(skip - len(matches), 0)
        if len(events) < batch_size:
            break
        after = store_listing.get_sort_key(events[-1], order)
    return found[:limit]
