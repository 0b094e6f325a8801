"""Which events have which words, in arrays: many matches are added up and ranked at once."""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eventapp.core.mongo import Document
from eventapp.core.textsearch import TextQuery, terms_of
from eventapp.events import store

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

    An event that is edited or gone leaves its place, which nothing takes again.

    Attributes:
        versions: of every event that was learned, its `__v`; by it an unchanged one is known.
    """

    def __init__(self, events: Iterable[Document] = ()) -> None:
        self.versions: dict[int, int] = {}
        self._place: dict[int, int] = {}
        self._ids = array("q")
        found: defaultdict[str, tuple[array[int], array[int]]]
        found = defaultdict(lambda: (array("i"), array("B")))
        for event in events:
            for term, score in self._note(event).items():
                places, scores = found[term]
                places.append(self._place[event["eventId"]])
                scores.append(score)
        self._gone = np.zeros(len(self._ids), np.bool_)
        self._postings: dict[str, Posting] = {
            term: (np.array(places, np.int32), np.array(scores, np.uint8))
            for term, (places, scores) in found.items()
        }

    def learn(self, event: Document) -> None:
        """Take an event in, or anew; one that is not on the list any more is let go."""
        self.forget(event["eventId"])
        for term, score in self._note(event).items():
            places, scores = self._postings.get(term, _NONE)
            self._postings[term] = (
                np.append(places, np.int32(len(self._ids) - 1)),
                np.append(scores, np.uint8(score)),
            )
        if len(self._ids) > len(self._gone):
            self._gone = np.append(self._gone, np.False_)

    def forget(self, event_id: int) -> None:
        self.versions.pop(event_id, None)
        place = self._place.pop(event_id, None)
        if place is not None:
            self._gone[place] = True

    def search(self, query: TextQuery) -> Matches:
        """The events that have any of the words and no excluded one."""
        scores = np.zeros(len(self._ids), np.int32)
        for term in query.terms:
            places, said = self._postings.get(term, _NONE)
            scores[places] += said
        for term in query.excluded:
            scores[self._postings.get(term, _NONE)[0]] = 0
        scores[self._gone] = 0
        found = np.flatnonzero(scores)
        return Matches(np.frombuffer(self._ids, np.int64)[found], scores[found])

    def _note(self, event: Document) -> dict[str, int]:
        """Give the event a place; the scores of its words, none where it is not on the list."""
        event_id = event["eventId"]
        self.versions[event_id] = event["__v"]
        if not event["listed"]:
            return {}
        self._place[event_id] = len(self._ids)
        self._ids.append(event_id)
        return scores_of(event)


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
