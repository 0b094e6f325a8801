"""Search by words in memory, for as many events as a process can well hold.

The database's own text search scores every match anew at each call; with ten thousand events that
is too slow for a crowd. Beyond MAX_INDEXED events on the list this index stands back, and the
database's is asked.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from eventapp.core.mongo import Db, Document
from eventapp.core.textsearch import TextQuery, parse_search, terms_of
from eventapp.events import store

MAX_INDEXED = 30_000
# Scores are kept as small whole numbers, a byte each.
FINENESS, HIGHEST = 8, 255
# Of a word: the places of the events that have it, and how much it says of each.
Posting = tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Matches:
    """The events that a search found, in no order: their eventIds and scores, side by side."""

    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)

    def among(self, event_ids: list[int]) -> "Matches":
        """Only those of these events."""
        return self._where(np.isin(self.ids, event_ids))

    def after(self, score: float, event_id: int) -> "Matches":
        """Only those that come after the one of this score and eventId."""
        same = (self.scores == score) & (self.ids > event_id)
        return self._where((self.scores < score) | same)

    def best(self, most: int) -> list[tuple[int, int]]:
        """The first `most` as `(eventId, score)`: the best, of equals the one with the lower id."""
        if not most:
            return []
        top = self if len(self) <= most else self._top(most)
        order = np.lexsort((top.ids, -top.scores))
        return list(zip(top.ids[order].tolist(), top.scores[order].tolist(), strict=True))

    def _top(self, most: int) -> "Matches":
        """The first `most`, without sorting all: of the last score only the lowest ids."""
        last = np.partition(self.scores, len(self) - most)[len(self) - most]
        better, equal = self._where(self.scores > last), self.ids[self.scores == last]
        room = most - len(better)
        lowest = np.partition(equal, room - 1)[:room]
        return Matches(
            np.concatenate((better.ids, lowest)),
            np.concatenate((better.scores, np.full(room, last))),
        )

    def _where(self, chosen: npt.NDArray[np.bool_]) -> "Matches":
        return Matches(self.ids[chosen], self.scores[chosen])


class Index:
    """Which events have which word, and how much it says of them.

    Attributes:
        versions: of every event that was learned, its `__v`; by it an unchanged one is known.
    """

    def __init__(self, events: Iterable[Document] = ()) -> None:
        self.versions: dict[int, int] = {}
        self._terms: dict[int, tuple[str, ...]] = {}
        self._place: dict[int, int] = {}
        found: defaultdict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for event in events:
            for term, score in self._note(event).items():
                places, scores = found[term]
                places.append(self._place[event["eventId"]])
                scores.append(score)
        self._ids = np.fromiter(self._place, np.int64)
        self._postings: dict[str, Posting] = {
            term: (np.array(places, np.int32), np.array(scores, np.uint8))
            for term, (places, scores) in found.items()
        }

    def learn(self, event: Document) -> None:
        """Take an event in, or anew; one that is not on the list any more is let go."""
        event_id = event["eventId"]
        self.forget(event_id)
        for term, score in self._note(event).items():
            places, scores = self._postings.get(term, _NONE)
            self._postings[term] = (
                np.append(places, np.int32(self._place[event_id])),
                np.append(scores, np.uint8(score)),
            )
        if len(self._place) > len(self._ids):
            self._ids = np.append(self._ids, np.int64(event_id))

    def forget(self, event_id: int) -> None:
        self.versions.pop(event_id, None)
        for term in self._terms.pop(event_id, ()):
            places, scores = self._postings[term]
            others = places != self._place[event_id]
            if others.any():
                self._postings[term] = (places[others], scores[others])
            else:
                del self._postings[term]

    def search(self, query: TextQuery) -> Matches:
        """The events that have any of the words and no excluded one."""
        scores = np.zeros(len(self._ids), np.int32)
        for term in query.terms:
            places, said = self._postings.get(term, _NONE)
            scores[places] += said
        for term in query.excluded:
            scores[self._postings.get(term, _NONE)[0]] = 0
        found = np.flatnonzero(scores)
        return Matches(self._ids[found], scores[found])

    def _note(self, event: Document) -> dict[str, int]:
        """Give a new event a place; the scores of its words, none where it is not on the list."""
        event_id = event["eventId"]
        self.versions[event_id] = event["__v"]
        if not event["listed"]:
            return {}
        self._place.setdefault(event_id, len(self._place))
        scores = scores_of(event)
        self._terms[event_id] = tuple(scores)
        return scores


_NONE: Posting = (np.array([], np.int32), np.array([], np.uint8))


def scores_of(event: Document) -> dict[str, int]:
    """What each word of an event says of it: by the weight of its field, repeats less and less."""
    scores: dict[str, float] = {}
    for text, weight in texts_of(event):
        words = terms_of(text)
        for term in words:
            share = weight * (0.5 + 0.5 / len(words))
            scores[term] = max(scores.get(term, 0.0), share) + 0.25 * share * (term in scores)
    return {term: min(HIGHEST, max(1, round(score * FINENESS))) for term, score in scores.items()}


def texts_of(event: Document) -> list[tuple[str, float]]:
    weights = store.TEXT_WEIGHTS
    texts = [(event[name], weights[name]) for name in ("title", "description")]
    return texts + [(tag, weights["tags"]) for tag in event["tags"]]


class Search:
    """The index of one database in one process: built at the first search, then kept up."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._built_on: date | None = None
        self._stale: set[int] = set()

    def changed(self, event_id: int, version: int | None = None) -> None:
        """The event was made, edited or deleted: it is read again before the next search.

        Args:
            version: its `__v`, where that is known: a sale leaves it, and all words, as it was.
        """
        index = self._index
        if version is None or index is None or index.versions.get(event_id) != version:
            self._stale.add(event_id)

    def restart(self) -> None:
        """Everything may have changed: begin anew at the next search."""
        with self._lock:
            self._built_on = None

    def matches(self, words: str, today: date) -> Matches | None:
        """The listed events that match.

        None where the database must be asked: there are too many events, or a phrase is asked
        for, which words alone do not tell.
        """
        query = parse_search(words)
        if query.phrases or query.excluded_phrases:
            return None
        with self._lock:
            if self._built_on != today:
                self._stale.clear()  # what changes from here on is read again
                self._index, self._built_on = self._build(), today
            if self._index is None:
                return None
            self._refresh(self._index)
            return self._index.search(query)

    def _build(self) -> Index | None:
        if store.count_listed(self._db, MAX_INDEXED + 1) > MAX_INDEXED:
            return None
        return Index(self._texts())

    def _texts(self) -> Iterator[Document]:
        last = 0
        while batch := store.texts_after(self._db, last, 1000):
            yield from batch
            last = batch[-1]["eventId"]

    def _refresh(self, index: Index) -> None:
        stale = list(self._stale)
        if stale:
            events = store.texts_of(self._db, stale)
            for event_id in stale:
                index.forget(event_id)
            for event in events:
                index.learn(event)
            self._stale.difference_update(stale)
