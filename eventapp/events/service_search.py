"""Search by words in memory, for as many events as a process can well hold.

The database's own text search scores every match anew at each call; with ten thousand events that
is too slow for a crowd. Beyond MAX_INDEXED events on the list this index stands back, and the
database's is asked.
"""

import threading
from dataclasses import dataclass, field
from datetime import date

from eventapp.core.mongo import Db, Document
from eventapp.core.textsearch import TextQuery, parse_search, terms_of
from eventapp.events import store

MAX_INDEXED = 30_000
# Scores are kept as small whole numbers: Python has those ready, so that each costs no memory.
FINENESS, HIGHEST = 8, 255


@dataclass
class Index:
    """Which events have which word, and how much it says of them."""

    postings: dict[str, dict[int, int]] = field(default_factory=dict)
    terms: dict[int, tuple[str, ...]] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)

    def learn(self, event: Document) -> None:
        """Take an event in, or anew; one that is not on the list any more is let go."""
        event_id = event["eventId"]
        self.forget(event_id)
        self.versions[event_id] = event["__v"]
        if not event["listed"]:
            return
        scores = scores_of(event)
        self.terms[event_id] = tuple(scores)
        for term, score in scores.items():
            self.postings.setdefault(term, {})[event_id] = score

    def forget(self, event_id: int) -> None:
        self.versions.pop(event_id, None)
        for term in self.terms.pop(event_id, ()):
            found = self.postings[term]
            del found[event_id]
            if not found:
                del self.postings[term]

    def search(self, query: TextQuery) -> dict[int, int]:
        """The events that have any of the words and no excluded one, with their scores."""
        scores: dict[int, int] = {}
        for term in query.terms:
            for event_id, score in self.postings.get(term, {}).items():
                scores[event_id] = scores.get(event_id, 0) + score
        for term in query.excluded:
            for event_id in self.postings.get(term, {}):
                scores.pop(event_id, None)
        return scores


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

    def scores(self, words: str, today: date) -> dict[int, int] | None:
        """The listed events that match, by eventId, the higher the better.

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
        index, last = Index(), 0
        while batch := store.texts_after(self._db, last, 1000):
            for event in batch:
                index.learn(event)
            last = batch[-1]["eventId"]
        return index

    def _refresh(self, index: Index) -> None:
        stale = list(self._stale)
        if stale:
            events = store.texts_of(self._db, stale)
            for event_id in stale:
                index.forget(event_id)
            for event in events:
                index.learn(event)
            self._stale.difference_update(stale)
