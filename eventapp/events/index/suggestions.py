"""Suggest titles, locations, organizers, categories and tags of listed events for typed letters.

A text is suggested if one of its words begins with what was typed, or if what was typed is several
words, if the text has them one after another and the last one as the beginning of a word. Case,
accents and punctuation do not matter. Texts that begin with what was typed come first, then those
of more events, then, of titles those of the lowest eventId, of others the first by the alphabet.

Each kind of text has a table with an entry for each text, however many events have it. For each
word, the table has the texts that contain it, the best first. The best texts for the beginning of a
word are therefore the first in few lists, and the time to find them does not grow with the events.
A text changes its position in the lists of its words whenever it gets or loses an event.
"""

import re
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain, islice
from typing import Any, NamedTuple

from eventapp.core.textsearch import fold_text
from eventapp.events.index.text_table import TextTable
from eventapp.events.types import IndexedEvent

# How many texts of each kind are suggested.
MAX_SUGGESTED = 5
# The most words that begin with what was typed, the first by the alphabet, and the most texts that
# are compared with several typed words, the best ones that have the rarest of these words. They
# bound the time of one request, and only texts of many thousand others are left out.
MAX_WORDS, MAX_COMPARED = 2_000, 2_000
# More new words than this are sorted at once, fewer are inserted one by one.
MAX_INSERTED = 100
_WORD = re.compile(r"\w+")
_LAST_CHARACTER = chr(0x10FFFF)
# The title of a row whose event is not listed.
NO_TITLE = -1


class Suggestions(NamedTuple):
    """What is suggested, the best first.

    Attributes:
        event_ids: for each of the suggested titles, the lowest eventId of the events that have it.
        locations, organizers, categories, tags: each as most events spell it.
    """

    event_ids: list[int]
    locations: list[str]
    organizers: list[str]
    categories: list[str]
    tags: list[str]


def split_words(text: str) -> list[str]:
    """Return the folded words of a text."""
    return _WORD.findall(fold_text(text))


class PrefixTable:
    """Folded texts, found by the beginnings of their words, the best first."""

    def __init__(self, keys: list[str], rank: Callable[[int], Any]) -> None:
        """Create an empty table.

        Args:
            keys: the texts by their numbers. It grows before the texts are listed.
            rank: returns the sort key of a text by its number. The best text has the lowest one,
                and no two are equal. It may change while the text is not listed.
        """
        self._keys, self._rank = keys, rank
        # The numbers of the listed texts that begin with a word, and of those that have it later.
        self._beginning: dict[str, array[int]] = {}
        self._containing: dict[str, array[int]] = {}
        self._sorted_words, self._new_words = list[str](), list[str]()

    def list_text(self, number: int) -> None:
        """Let a text be found."""
        key = self._rank(number)
        for word, lists in self._iter_words(number):
            numbers = lists.get(word)
            if numbers is None:
                numbers = lists[word] = array("i")
                self._new_words.append(word)
            # Most new texts are the last of their lists.
            if not numbers or self._rank(numbers[-1]) < key:
                numbers.append(number)
            else:
                numbers.insert(bisect_left(numbers, key, key=self._rank), number)

    def unlist_text(self, number: int) -> None:
        """Let a listed text no longer be found."""
        key = self._rank(number)
        for word, lists in self._iter_words(number):
            numbers = lists[word]
            is_alone = len(numbers) == 1
            del numbers[0 if is_alone else bisect_left(numbers, key, key=self._rank)]

    def _iter_words(self, number: int) -> Iterator[tuple[str, dict[str, "array[int]"]]]:
        """Yield each word of a text once, with the lists that contain the text."""
        words = _WORD.findall(self._keys[number])
        for word in dict.fromkeys(words):
            yield word, self._beginning if word == words[0] else self._containing

    def find(self, words: Sequence[str]) -> list[int]:
        """Return the best texts with these words, first those that begin with them.

        Args:
            words: one or more. The last one may be the beginning of a word.
        """
        if len(words) > 1:
            return self._find_phrase(words)
        matching = self._find_words(words[0])
        found = dict.fromkeys(islice(self._merge(self._beginning, matching), MAX_SUGGESTED))
        for number in self._merge(self._containing, matching):
            if len(found) == MAX_SUGGESTED:
                break
            found.setdefault(number)
        return list(found)

    def _find_words(self, prefix: str) -> list[str]:
        """Return words that begin with this prefix."""
        self._sort_words()
        first = bisect_left(self._sorted_words, prefix)
        end = bisect_left(self._sorted_words, prefix + _LAST_CHARACTER)
        return self._sorted_words[first : min(end, first + MAX_WORDS)]

    def _sort_words(self) -> None:
        if len(self._new_words) > MAX_INSERTED:
            self._sorted_words = sorted({*self._sorted_words, *self._new_words})
        else:
            for word in set(self._new_words):
                insort(self._sorted_words, word)
        self._new_words = []

    def _merge(self, lists: dict[str, "array[int]"], words: Iterable[str]) -> Iterator[int]:
        """Yield the texts in the lists of these words, the best first, some more than once."""
        return merge(*(lists[word] for word in words if word in lists), key=self._rank)

    def _find_phrase(self, words: Sequence[str]) -> list[int]:
        pattern = re.compile(r"(?<!\w)" + r"\W+".join(map(re.escape, words)))
        begins = re.compile(r"\W*" + pattern.pattern)
        beginning, containing = dict[int, None](), dict[int, None]()
        for number in islice(self._iter_candidates(words), MAX_COMPARED):
            if begins.match(self._keys[number]):
                beginning[number] = None
                if len(beginning) == MAX_SUGGESTED:
                    break
            elif pattern.search(self._keys[number]):
                containing[number] = None
        return [*beginning, *containing][:MAX_SUGGESTED]

    def _iter_candidates(self, words: Sequence[str]) -> Iterator[int]:
        """Yield the texts that have the rarest of these words, the best first."""
        choices = [*([word] for word in words[:-1]), self._find_words(words[-1])]
        rarest = min(choices, key=self._count_texts)
        both = (self._merge(lists, rarest) for lists in (self._beginning, self._containing))
        return merge(*both, key=self._rank)

    def _count_texts(self, words: Iterable[str]) -> int:
        lists = chain.from_iterable(
            (self._beginning.get(word, ()), self._containing.get(word, ())) for word in words
        )
        return sum(map(len, lists))


class TitleTable:
    """The titles of listed events."""

    def __init__(self) -> None:
        # The folded titles by their numbers, and their numbers.
        self._keys, self._numbers = list[str](), dict[str, int]()
        # For each title, how many events have it, and the lowest of their eventIds.
        self._counts, self._lowest_ids = array("i"), array("q")
        # The eventIds of each title that more than one event has.
        self._shared = dict[int, set[int]]()
        # The title of each row of the index.
        self._titles_of_rows = array("i")
        self._prefixes = PrefixTable(
            self._keys, lambda number: (-self._counts[number], self._lowest_ids[number])
        )

    def add(self, event_id: int, title: str | None) -> None:
        """Add the next row, of a listed event with this title; None for one that is not listed."""
        if title is None:
            self._titles_of_rows.append(NO_TITLE)
            return
        number = self._get_number(fold_text(title), event_id)
        self._titles_of_rows.append(number)
        lowest = self._lowest_ids[number]
        if self._counts[number]:
            self._prefixes.unlist_text(number)
            self._shared.setdefault(number, {lowest}).add(event_id)
            event_id = min(lowest, event_id)
        self._counts[number] += 1
        self._lowest_ids[number] = event_id
        self._prefixes.list_text(number)

    def _get_number(self, key: str, event_id: int) -> int:
        """Return the number of a folded title, which is added unless the table has it."""
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._keys)
            self._keys.append(key)
            self._counts.append(0)
            self._lowest_ids.append(event_id)
        return number

    def remove(self, row: int, event_id: int) -> None:
        """Remove the title of a row, which must not have been removed before."""
        number = self._titles_of_rows[row]
        if number == NO_TITLE:
            return
        self._prefixes.unlist_text(number)
        self._counts[number] -= 1
        if number in self._shared:
            self._shared[number].discard(event_id)
            if event_id == self._lowest_ids[number]:
                self._lowest_ids[number] = min(self._shared[number])
            if len(self._shared[number]) == 1:
                del self._shared[number]
        if self._counts[number]:
            self._prefixes.list_text(number)

    def suggest(self, words: Sequence[str]) -> list[int]:
        """Return the lowest eventId of each of the best titles."""
        return [self._lowest_ids[number] for number in self._prefixes.find(words)]


class SuggestedTexts(TextTable):
    """Texts of listed events, of a kind that is suggested. They show no eventId."""

    def __init__(self) -> None:
        super().__init__()
        self._prefixes = PrefixTable(
            self.keys, lambda number: (-self.counts[number], self.keys[number])
        )

    def _change_count(self, text: int, change: int) -> None:
        if self.counts[text]:
            self._prefixes.unlist_text(text)
        super()._change_count(text, change)
        if self.counts[text]:
            self._prefixes.list_text(text)

    def suggest(self, words: Sequence[str]) -> list[str]:
        """Return the best texts, each as most events spell it."""
        return [self.choose_spelling(number) for number in self._prefixes.find(words)]


class SuggestionIndex:
    """The texts of the listed events of an index, row by row.

    Attributes:
        tags: of the events, also for the facet of tags.
    """

    def __init__(self) -> None:
        self._titles = TitleTable()
        self._locations, self._organizers = SuggestedTexts(), SuggestedTexts()
        self._categories, self.tags = SuggestedTexts(), SuggestedTexts()

    def add(self, event: IndexedEvent) -> None:
        """Add the event of the next row. One that is not listed is not suggested."""
        is_listed = event["listed"]
        locations = [entry["location"] for entry in event["schedule"]]
        self._titles.add(event["eventId"], event["title"] if is_listed else None)
        self._locations.add(dict.fromkeys(locations) if is_listed else ())
        self._organizers.add([event["organizer"]] if is_listed else ())
        self._categories.add([event["category"]] if is_listed else ())
        self.tags.add(event["tags"] if is_listed else ())

    def remove(self, row: int, event_id: int) -> None:
        """Remove the event of a row, which must not have been removed before."""
        self._titles.remove(row, event_id)
        for table in (self._locations, self._organizers, self._categories, self.tags):
            table.remove(row)

    def suggest(self, words: Sequence[str]) -> Suggestions:
        """Return what to suggest.

        Args:
            words: folded, as `split_words` returns them; nothing is suggested without words.
        """
        if not words:
            return Suggestions([], [], [], [], [])
        return Suggestions(
            event_ids=self._titles.suggest(words),
            locations=self._locations.suggest(words),
            organizers=self._organizers.suggest(words),
            categories=self._categories.suggest(words),
            tags=self.tags.suggest(words),
        )
