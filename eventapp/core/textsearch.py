"""Text search as MongoDB's `$text` does it: words, stems, weights, phrases, exclusions.

Knows strings and documents only; the embedded store keeps one `TextIndex` per collection.
"""

import re
import unicodedata
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import snowballstemmer

# An apostrophe belongs to the word ("don't"), so that stop words and stems see it.
_WORD = re.compile(r"[\w']+")
_QUERY_PART = re.compile(r'\s+|-|"|[^\s"-]+')
_STEMMER = snowballstemmer.stemmer("english")
_STOP_WORD_LIST = """
a about above after again against all am an and any are aren't as at be because been before being
below between both but by can't cannot could couldn't did didn't do does doesn't doing don't down
during each few for from further had hadn't has hasn't have haven't having he he'd he'll he's her
here here's hers herself him himself his how how's i i'd i'll i'm i've if in into is isn't it it's
its itself let's me more most mustn't my myself no nor not of off on once only or other ought our
ours ourselves out over own same shan't she she'd she'll she's should shouldn't so some such than
that that's the their theirs them themselves then there there's these they they'd they'll they're
they've this those through to too under until up very was wasn't we we'd we'll we're we've were
weren't what what's when when's where where's which while who who's whom why why's with won't would
wouldn't you you'd you'll you're you've your yours yourself yourselves
"""
_STOP_WORDS = frozenset(_STOP_WORD_LIST.split())


def fold(text: str) -> str:
    """Return `text` in lower case and without diacritics: "Café" becomes "cafe"."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFD", text.lower())
    return "".join(char for char in spread if not unicodedata.combining(char))


@lru_cache(maxsize=50_000)
def _term(word: str) -> str | None:
    """Return the term a lower-case word is indexed by, or None for a stop word."""
    if word in _STOP_WORDS:
        return None
    return fold(_STEMMER.stemWord(word))


def terms_of(text: str) -> list[str]:
    """Return the indexed terms of `text`, in order, repeats included."""
    found = (_term(word) for word in _WORD.findall(text.lower()))
    return [term for term in found if term]


@dataclass
class TextQuery:
    """A `$search` string taken apart."""

    terms: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    phrases: list[str] = field(default_factory=list)
    excluded_phrases: list[str] = field(default_factory=list)


def parse_search(search: str) -> TextQuery:
    """Take a `$search` string apart: any word, "every phrase", -no such word, -"nor phrase"."""
    query, negated, spaced, phrase = TextQuery(), False, True, None
    for part in _QUERY_PART.findall(search):
        if phrase is not None and part != '"':
            phrase += part
        elif part.isspace():
            negated = False
        elif part == "-":
            negated = negated or spaced
        elif part != '"':
            (query.excluded if negated else query.terms).update(terms_of(part))
        elif phrase is None:
            phrase = ""
        else:
            _add_phrase(query, phrase, negated)
            phrase = None
        spaced = part.isspace()
    query.terms.update(terms_of(phrase or ""))
    return query


def _add_phrase(query: TextQuery, phrase: str, negated: bool) -> None:
    if negated:
        query.excluded_phrases.append(fold(phrase))
        return
    query.phrases.append(fold(phrase))
    query.terms.update(terms_of(phrase))


def _strings(value: Any, path: list[str]) -> Iterator[str]:
    """Yield the strings at `path`, going through arrays."""
    if isinstance(value, list):
        for item in value:
            yield from _strings(item, path)
    elif path and isinstance(value, Mapping):
        yield from _strings(value.get(path[0]), path[1:])
    elif not path and isinstance(value, str):
        yield value


def _scores(text: str, weight: float) -> dict[str, float]:
    """Score each term of one string: repeats count for less and less, long texts dilute."""
    terms = terms_of(text)
    counts: dict[str, int] = {}
    for term in terms:
        counts[term] = counts.get(term, 0) + 1
    return {
        term: weight
        * (2 - 2 ** (1 - count))
        * (0.5 * count / len(terms) + 0.5)
        * (1.1 if term == text.lower() else 1.0)
        for term, count in counts.items()
    }


@dataclass
class _Entry:
    texts: list[tuple[str, str]]
    scores: dict[str, float]

    @cached_property
    def folded(self) -> list[str]:
        """The texts as phrases are looked for in; made when the first phrase asks."""
        return [fold(text) for _, text in self.texts]


class TextIndex:
    """The inverted index of one collection; documents written are read again at the next search."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._paths = {name: (name.split("."), weight) for name, weight in weights.items()}
        self._entries: dict[Hashable, _Entry] = {}
        self._postings: dict[str, dict[Hashable, float]] = {}
        self._stale: dict[Hashable, Mapping[str, Any] | None] = {}

    def changed(self, key: Hashable, document: Mapping[str, Any] | None) -> None:
        """Note that the document `key` is now `document`, or gone (None)."""
        self._stale[key] = document

    def search(self, search: str) -> dict[Hashable, float]:
        """Return {key: score} of the documents that answer the `$search` string."""
        self._refresh()
        query = parse_search(search)
        found: dict[Hashable, float] = {}
        # Sorted, so that equal searches add up to equal floats, in another process too.
        for term in sorted(query.terms):
            for key, score in self._postings.get(term, {}).items():
                found[key] = found.get(key, 0.0) + score
        return {key: score for key, score in found.items() if self._allows(query, key)}

    def _allows(self, query: TextQuery, key: Hashable) -> bool:
        entry = self._entries[key]
        if not query.excluded.isdisjoint(entry.scores):
            return False
        if not (query.phrases or query.excluded_phrases):
            return True
        texts = entry.folded
        return all(any(phrase in text for text in texts) for phrase in query.phrases) and not any(
            phrase in text for phrase in query.excluded_phrases for text in texts
        )

    def _refresh(self) -> None:
        """Read what was written since the last search; most writes leave the texts as they were."""
        for key, document in self._stale.items():
            texts = self._texts(document) if document is not None else []
            old = self._entries.get(key)
            if old is None or old.texts != texts:
                self._forget(key)
                self._learn(key, texts)
        self._stale.clear()

    def _texts(self, document: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [
            (name, text)
            for name, (path, _) in self._paths.items()
            for text in _strings(document, path)
        ]

    def _forget(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        for term in entry.scores if entry else ():
            del self._postings[term][key]

    def _learn(self, key: Hashable, texts: list[tuple[str, str]]) -> None:
        scores: dict[str, float] = {}
        for name, text in texts:
            for term, score in _scores(text, self._paths[name][1]).items():
                scores[term] = scores.get(term, 0.0) + score
        if texts:
            self._entries[key] = _Entry(texts, scores)
        for term, score in scores.items():
            self._postings.setdefault(term, {})[key] = score
