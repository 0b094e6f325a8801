"""The events on the public list, in arrays: which of them a search and filters leave.

Each event has a place, a number, and each word, category, day and price the places that have it.
To find is to mark places and to count the marks: about a millisecond for a million events, where
a database reads one by one what no index of its own answers whole.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, cast

import numpy as np
from bson import ObjectId

from eventapp.core.database import Document
from eventapp.core.textsearch import TextQuery, score_as_byte
from eventapp.events import store
from eventapp.events.filters import Filters
from eventapp.events.index.matches import Matches
from eventapp.events.index.postings import Facet, Ids, Marking, ScoredPosting, Scores
from eventapp.events.rules import ListState, sold_out_types
from eventapp.events.types import IndexedEvent

GONE = -1


class Index:
    """Events by all that lists filter by.

    An event that is edited or gone leaves its place, which nothing takes again.
    """

    def __init__(self, events: Iterable[Document] = ()) -> None:
        # Of each place: whose it is, its version and what of it is sold out, its last day, and
        # whether it is still to be found there.
        self._ids, self._versions, self._last_days = Ids(), array("i"), array("i")
        self._emptied: list[tuple[bool, ...]] = []
        self._there = bytearray()
        # The ids of the first so many places rise; where those of the others are.
        self._ordered, self._later = 0, dict[int, int]()
        self._gone = 0
        self._patterns = dict[tuple[bool, ...], tuple[bool, ...]]()
        self._words = dict[str, ScoredPosting]()
        self._categories, self._organizers = Facet[str](), Facet[ObjectId]()
        self._locations, self._tags, self._days = Facet[str](), Facet[str](), Facet[int]()
        # Of what is left: whether anything is, and at which prices.
        self._prices, self._left, self._prices_left = Facet[float](), Facet[bool](), Facet[float]()
        for event in events:
            self.learn(event)
        self._settle()

    def __len__(self) -> int:
        """How many events there are to be found."""
        return len(self._ids) - self._gone

    @property
    def worn(self) -> bool:
        """Whether most places are of events that left them: it is time to build it anew."""
        return self._gone > max(len(self), 1000)

    def knows(self, event_id: int, list_state: ListState) -> bool:
        """Whether the event, on the list or not, was learned as it is now."""
        place = self._place_of(event_id)
        return place is not None and (self._versions[place], self._emptied[place]) == list_state

    def learn(self, event: Document) -> None:
        """Take an event in, or anew; one that is not on the list any more is let go."""
        event_id, place = event["eventId"], len(self._ids)
        self.forget(event_id)
        rises = self._ordered == place and (not place or self._ids.all()[-1] < event_id)
        version, emptied = event["__v"], sold_out_types(cast(IndexedEvent, event))
        self._ids.append(event_id)
        self._versions.append(version)
        self._emptied.append(self._patterns.setdefault(emptied, emptied))
        self._last_days.append(event["lastDate"].toordinal())
        self._there.append(event["listed"])
        if event["listed"]:
            self._note(event, place)
        else:
            self._gone += 1
        if rises:  # last of all, for `knows` is asked at any time
            self._ordered += 1
        else:
            self._later[event_id] = place

    def forget(self, event_id: int) -> None:
        place = self._place_of(event_id)
        if place is not None:
            self._later.pop(event_id, None)
            self._versions[place] = GONE
            self._gone += self._there[place]
            self._there[place] = False

    def _place_of(self, event_id: int) -> int | None:
        place = self._later.get(event_id)
        if place is not None:
            return place
        risen = self._ids.all()[: self._ordered]
        place = bisect_left(risen, event_id)
        return place if place < len(risen) and risen[place] == event_id else None

    def pass_days(self, today: date) -> None:
        """Let go of the events whose last day is over."""
        over = np.frombuffer(self._last_days, np.int32) < today.toordinal()
        there = np.frombuffer(self._there, np.bool_)
        there[over] = False
        self._gone = len(there) - int(np.count_nonzero(there))

    def find(self, filters: Filters, words: TextQuery | None) -> Matches:
        """The events that all filters leave and that have any of the words and no excluded one."""
        chosen = np.frombuffer(self._there, np.bool_).copy()
        for mark in self._asked_for(filters):
            marks = np.zeros(len(chosen), np.bool_)
            mark(marks)
            chosen &= marks
        scores = None
        if words:
            scores = self._scores(words) * chosen
            chosen = scores > 0
        return Matches(self._ids.all(), self._ordered, chosen, among=len(self), scores=scores)

    def _asked_for(self, filters: Filters) -> Iterator[Marking]:
        """For each filter that is set what marks the places that it leaves."""
        if filters.category:
            yield self._categories.of(filters.category)
        if filters.organizer_id:
            yield self._organizers.of(filters.organizer_id)
        if part := filters.city_key:
            yield self._locations.where(lambda location: part in location)
        for tag in filters.tag_keys:
            yield self._tags.of(tag)
        if filters.date_from or filters.date_to:
            yield self._days.within(_number(filters.date_from), _number(filters.date_to))
        low, high = filters.min_price, filters.max_price
        if low is not None or high is not None:
            prices = self._prices_left if filters.available_only else self._prices
            yield prices.within(low, high)
        elif filters.available_only:
            yield self._left.of(True)

    def _scores(self, words: TextQuery) -> Scores:
        scores = np.zeros(len(self._ids), np.uint16)
        for term in words.terms & self._words.keys():
            self._words[term].add_to(scores)
        for term in words.excluded & self._words.keys():
            self._words[term].strike_from(scores)
        return scores

    def _settle(self) -> None:
        facets: list[Facet[Any]] = [self._categories, self._organizers, self._locations]
        facets += [self._tags, self._days, self._prices, self._left, self._prices_left]
        for facet in facets:
            facet.settle(len(self._ids))
        for word in self._words.values():
            word.settle(len(self._ids))

    def _note(self, event: Document, place: int) -> None:
        for term, score in score_as_byte(texts_of(event)).items():
            if term not in self._words:
                self._words[term] = ScoredPosting()
            self._words[term].add(place, score)
        kinds: list[Any] = event["ticketTypes"]
        self._categories.add([event["category"]], place)
        self._organizers.add([event["organizerId"]] if event["organizerId"] else [], place)
        self._locations.add(event["places"], place)
        self._tags.add(event["tagKeys"], place)
        self._days.add((entry["date"].toordinal() for entry in event["schedule"]), place)
        self._prices.add((kind["price"] for kind in kinds), place)
        left = [kind["price"] for kind in kinds if kind["availableTickets"]]
        self._left.add([bool(left)], place)
        self._prices_left.add(left, place)


def texts_of(event: Document) -> Iterator[tuple[str, float]]:
    """Yield the searchable texts of an event with the weights that the text index has, too."""
    for name in ("title", "description"):
        yield event[name], store.TEXT_WEIGHTS[name]
    for tag in event["tags"]:
        yield tag, store.TEXT_WEIGHTS["tags"]


def _number(day: date | None) -> int | None:
    return day.toordinal() if day else None
