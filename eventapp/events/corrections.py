"""Correct the words of a search that finds nothing, by the words of stored events.

The in-memory index does the same with its own vocabulary (`EventIndex.correct`). This is for the
lists that it does not answer: those of own events, and all while there is no index.
"""

import re

from eventapp.core.database import Db, Query
from eventapp.core.textsearch import (
    SearchQuery,
    SearchWord,
    is_correctable,
    make_edit_pattern,
    spell_search,
)
from eventapp.events import store_listing
from eventapp.events.index.vocabulary import MAX_COUNTED, choose_correction
from eventapp.events.relevance import make_patterns

# A word is compared with no more than this many terms that one edit makes of it.
MAX_TERMS = 20


def correct_search(db: Db, scope: Query, query: SearchQuery) -> str:
    """Return the search with misspelled words replaced by words of the events in the scope.

    It is empty if there is nothing to correct, or if an event contains a word.

    Args:
        scope: the MongoDB filter of the events. All of them are read, so it should be narrow.
    """
    if contains_word(db, scope, query):
        return ""
    corrections = {
        word.text: _correct_word(db, scope, word) for word in query.words if is_correctable(word)
    }
    found = {word: term for word, term in corrections.items() if term}
    return spell_search(query, found) if found else ""


def contains_word(db: Db, scope: Query, query: SearchQuery) -> bool:
    """Return whether an event in the scope has a word of the search."""
    return _count(db, scope, query.words, limit=1) > 0


def _correct_word(db: Db, scope: Query, word: SearchWord) -> str | None:
    counts = {
        term: _count(db, scope, (SearchWord(term, (term,)),), limit=MAX_COUNTED)
        for term in _find_terms(db, scope, make_edit_pattern(word.text))
    }
    return choose_correction(counts)


def _find_terms(db: Db, scope: Query, pattern: str) -> set[str]:
    """Return the terms of the events in the scope that match the pattern, up to MAX_TERMS."""
    found: set[str] = set()
    while len(found) < MAX_TERMS:
        others = f"(?!(?:{'|'.join(sorted(found))}) )" if found else ""
        condition = store_listing.make_pattern_condition(f" {others}{pattern} ")
        texts = store_listing.find_search_texts(db, store_listing.narrow(scope, [condition]))
        terms = {term for text in texts for term in text.split() if re.fullmatch(pattern, term)}
        if terms <= found:
            break
        found |= terms
    return found


def _count(db: Db, scope: Query, words: tuple[SearchWord, ...], *, limit: int) -> int:
    """Count the events in the scope with one of these words, no further than `limit`."""
    conditions = store_listing.make_search_conditions(make_patterns(SearchQuery(words)))
    return store_listing.count_matching(db, store_listing.narrow(scope, conditions), limit=limit)
