"""The inverted index that answers `$text` on one collection of the embedded store.

It finds words as a server's text index of the language "none" does: regardless of case and accents,
without stop words and without stemming. There are no text scores.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from eventapp.core.textsearch import fold_text

_WORD = re.compile(r"\w+")


def _iter_strings(value: Any, path: list[str]) -> Iterator[str]:
    """Yield the strings at `path` in a value, and in the items of arrays on the way."""
    if isinstance(value, list):
        for item in value:
            yield from _iter_strings(item, path)
    elif path and isinstance(value, Mapping):
        yield from _iter_strings(value.get(path[0]), path[1:])
    elif not path and isinstance(value, str):
        yield value


def _find_words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in _WORD.findall(fold_text(text))}


class TextIndex:
    """The documents of a collection that contain each word.

    A write only records its document, to cost little. The next search indexes what was recorded.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        """Create an empty index of these fields, each a dotted path."""
        self._paths = [name.split(".") for name in fields]
        # The indexed strings of each document, which its stored form shares.
        self._texts: dict[Hashable, tuple[str, ...]] = {}
        self._keys_by_word: dict[str, set[Hashable]] = {}
        self._stale: dict[Hashable, Mapping[str, Any] | None] = {}

    def record_change(self, key: Hashable, document: Mapping[str, Any] | None) -> None:
        """Record that a document was written, or deleted if it is None, for the next search."""
        self._stale[key] = document

    def find_keys(self, search: str) -> set[Hashable]:
        """Return the keys of the documents that contain one of these words."""
        self._refresh()
        return {key for word in _find_words([search]) for key in self._keys_by_word.get(word, ())}

    def _refresh(self) -> None:
        """Index the documents written since the last search whose text has changed."""
        for key, document in self._stale.items():
            texts = () if document is None else self._find_texts(document)
            if self._texts.get(key) != texts:
                self._remove(key)
                self._add(key, texts)
        self._stale.clear()

    def _find_texts(self, document: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(text for path in self._paths for text in _iter_strings(document, path))

    def _remove(self, key: Hashable) -> None:
        for word in _find_words(self._texts.pop(key, ())):
            keys = self._keys_by_word[word]
            keys.remove(key)
            if not keys:
                del self._keys_by_word[word]

    def _add(self, key: Hashable, texts: tuple[str, ...]) -> None:
        if texts:
            self._texts[key] = texts
        for word in _find_words(texts):
            self._keys_by_word.setdefault(word, set()).add(key)
