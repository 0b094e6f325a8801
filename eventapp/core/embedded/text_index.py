"""The inverted index that answers `$text` on one collection of the embedded store."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eventapp.core.textsearch import TextQuery, fold_text, parse_search, score_as_mongodb


def _iter_strings(value: Any, path: list[str]) -> Iterator[str]:
    """Yield the strings at `path` in a value, and in the items of arrays on the way."""
    if isinstance(value, list):
        for item in value:
            yield from _iter_strings(item, path)
    elif path and isinstance(value, Mapping):
        yield from _iter_strings(value.get(path[0]), path[1:])
    elif not path and isinstance(value, str):
        yield value


@dataclass
class _IndexedDocument:
    """An indexed document: its (field, text) pairs, and the score of each of its terms."""

    texts: list[tuple[str, str]]
    scores: dict[str, float]

    @cached_property
    def _folded_texts(self) -> list[str]:
        """The texts in the form in which phrases are compared, computed when first needed."""
        return [fold_text(text) for _, text in self.texts]

    def contains(self, folded_phrase: str) -> bool:
        """Return whether a text contains this phrase, which `parse_search` has folded."""
        return any(folded_phrase in text for text in self._folded_texts)


class TextIndex:
    """The terms of every document of a collection, and the documents of every term.

    A write only records its document, to cost little. The next search indexes what was recorded.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Create an empty index.

        Args:
            weights: the weight of each indexed field, by its dotted path.
        """
        self._paths = {name: (name.split("."), weight) for name, weight in weights.items()}
        self._documents: dict[Hashable, _IndexedDocument] = {}
        self._postings: dict[str, dict[Hashable, float]] = {}
        self._stale: dict[Hashable, Mapping[str, Any] | None] = {}

    def record_change(self, key: Hashable, document: Mapping[str, Any] | None) -> None:
        """Record that a document was written, or deleted if it is None, for the next search."""
        self._stale[key] = document

    def search(self, search: str) -> dict[Hashable, float]:
        """Return the score of each document that matches the `$search` string, by its key."""
        self._refresh()
        query = parse_search(search)
        found: dict[Hashable, float] = {}
        # The terms are sorted, so that every process adds the floats in the same order.
        for term in sorted(query.terms):
            for key, score in self._postings.get(term, {}).items():
                found[key] = found.get(key, 0.0) + score
        return {key: score for key, score in found.items() if self._is_match(query, key)}

    def _is_match(self, query: TextQuery, key: Hashable) -> bool:
        indexed = self._documents[key]
        if not query.excluded.isdisjoint(indexed.scores):
            return False
        if not (query.phrases or query.excluded_phrases):
            return True
        return all(indexed.contains(phrase) for phrase in query.phrases) and not any(
            indexed.contains(phrase) for phrase in query.excluded_phrases
        )

    def _refresh(self) -> None:
        """Index the documents written since the last search whose text has changed."""
        for key, document in self._stale.items():
            texts = self._find_texts(document) if document is not None else []
            old = self._documents.get(key)
            if old is None or old.texts != texts:
                self._remove(key)
                self._add(key, texts)
        self._stale.clear()

    def _find_texts(self, document: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [
            (name, text)
            for name, (path, _) in self._paths.items()
            for text in _iter_strings(document, path)
        ]

    def _remove(self, key: Hashable) -> None:
        indexed = self._documents.pop(key, None)
        for term in indexed.scores if indexed else ():
            del self._postings[term][key]

    def _add(self, key: Hashable, texts: list[tuple[str, str]]) -> None:
        scores: dict[str, float] = {}
        for name, text in texts:
            for term, score in score_as_mongodb(text, self._paths[name][1]).items():
                scores[term] = scores.get(term, 0.0) + score
        if texts:
            self._documents[key] = _IndexedDocument(texts, scores)
        for term, score in scores.items():
            self._postings.setdefault(term, {})[key] = score
