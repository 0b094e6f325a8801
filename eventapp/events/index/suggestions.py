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
# The number of a text without words.
NO_TEXT = -1


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
    """Folded texts with numbers from 0, found by the beginnings of their words, the best first.

    Attributes:
        keys: the texts by their numbers.
    """

    def __init__(self, rank: Callable[[int], Any]) -> None:
        """Create an empty table.

        Args:
            rank: returns the sort key of a text by its number. The best text has the lowest one,
                and no two are equal. It may change while the text is not listed.
        """
        self.keys: list[str] = []
        self._rank, self._numbers = rank, dict[str, int]()
        # The numbers of the listed texts that begin with a word, and of those that have it later.
        self._beginning: dict[str, array[int]] = {}
        self._containing: dict[str, array[int]] = {}
        self._sorted_words, self._new_words = list[str](), list[str]()

    def get_number(self, key: str) -> int:
        """Return the number of a folded text, which is added to `keys` unless it is there.

        Returns:
            NO_TEXT if the text has no words.
        """
        number = self._numbers.get(key)
        if number is None:
            if not _WORD.search(key):
                return NO_TEXT
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
        return number

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
        words = _WORD.findall(self.keys[number])
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
            if begins.match(self.keys[number]):
                beginning[number] = None
                if len(beginning) == MAX_SUGGESTED:
                    break
            elif pattern.search(self.keys[number]):
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
        self._titles = PrefixTable(lambda number: (-self._counts[number], self._lowest_ids[number]))
        # For each title, how many events have it, and the lowest of their eventIds.
        self._counts, self._lowest_ids = array("i"), array("q")
        # The eventIds of each title that more than one event has.
        self._shared = dict[int, set[int]]()
        # The title of each row of the index.
        self._titles_of_rows = array("i")

    def add(self, event_id: int, title: str | None) -> None:
        """Add the next row, of a listed event with this title; None for one that is not listed."""
        number = NO_TEXT if title is None else self._titles.get_number(fold_text(title))
        self._titles_of_rows.append(number)
        if number == NO_TEXT:
            return
        if number == len(self._counts):
            self._counts.append(0)
            self._lowest_ids.append(event_id)
        lowest = self._lowest_ids[number]
        if self._counts[number]:
            self._titles.unlist_text(number)
            self._shared.setdefault(number, {lowest}).add(event_id)
            event_id = min(lowest, event_id)
        self._counts[number] += 1
        self._lowest_ids[number] = event_id
        self._titles.list_text(number)

    def remove(self, row: int, event_id: int) -> None:
        """Remove the title of a row, which must not have been removed before."""
        number = self._titles_of_rows[row]
        if number == NO_TEXT:
            return
        self._titles.unlist_text(number)
        self._counts[number] -= 1
        if number in self._shared:
            self._shared[number].discard(event_id)
            if event_id == self._lowest_ids[number]:
                self._lowest_ids[number] = min(self._shared[number])
            if len(self._shared[number]) == 1:
                del self._shared[number]
        if self._counts[number]:
            self._titles.list_text(number)

    def suggest(self, words: Sequence[str]) -> list[int]:
        """Return the lowest eventId of each of the best titles."""
        return [self._lowest_ids[number] for number in self._titles.find(words)]


class TextTable:
    """Texts of listed events, of one kind; an event may have any number. They show no eventId."""

    def __init__(self) -> None:
        self._texts = PrefixTable(lambda number: (-self._counts[number], self._texts.keys[number]))
        # How many events have each text.
        self._counts = array("i")
        # The spellings of all texts: the text of each, how many events have it, and its number.
        self._spellings, self._spelling_numbers = list[str](), dict[str, int]()
        self._texts_of_spellings, self._spelling_counts = array("i"), array("i")
        # The numbers of the spellings of each text.
        self._spellings_of_texts = list[tuple[int, ...]]()
        # The spellings of the events of all rows, and where those of each row begin.
        self._spellings_of_rows, self._row_starts = array("i"), array("q")

    def add(self, spellings: Iterable[str]) -> None:
        """Add the next row, of an event with these texts; each text counts once."""
        self._row_starts.append(len(self._spellings_of_rows))
        texts = set[int]()
        for spelling in spellings:
            number = self._get_spelling_number(spelling)
            if number != NO_TEXT and self._texts_of_spellings[number] not in texts:
                texts.add(self._texts_of_spellings[number])
                self._spellings_of_rows.append(number)
                self._count(number, 1)

    def _get_spelling_number(self, spelling: str) -> int:
        """Return the number of a spelling, or NO_TEXT if it has no words."""
        number = self._spelling_numbers.get(spelling)
        if number is not None:
            return number
        text = self._texts.get_number(fold_text(spelling))
        if text == NO_TEXT:
            return NO_TEXT
        if text == len(self._counts):
            self._counts.append(0)
            self._spellings_of_texts.append(())
        number = self._spelling_numbers[spelling] = len(self._spellings)
        self._spellings.append(spelling)
        self._texts_of_spellings.append(text)
        self._spelling_counts.append(0)
        self._spellings_of_texts[text] += (number,)
        return number

    def _count(self, spelling: int, change: int) -> None:
        """Change by 1 or -1 how many events have a spelling."""
        text = self._texts_of_spellings[spelling]
        if self._counts[text]:
            self._texts.unlist_text(text)
        self._spelling_counts[spelling] += change
        self._counts[text] += change
        if self._counts[text]:
            self._texts.list_text(text)

    def remove(self, row: int) -> None:
        """Remove the texts of a row, which must not have been removed before."""
        end = self._row_starts[row + 1] if row + 1 < len(self._row_starts) else None
        for number in self._spellings_of_rows[self._row_starts[row] : end]:
            self._count(number, -1)

    def suggest(self, words: Sequence[str]) -> list[str]:
        """Return the best texts, each as most events spell it."""
        return [self._choose_spelling(number) for number in self._texts.find(words)]

    def _choose_spelling(self, text: int) -> str:
        """Return the spelling of most events, of equally frequent ones the first by code points."""
        numbers = self._spellings_of_texts[text]
        best = min(numbers, key=lambda n: (-self._spelling_counts[n], self._spellings[n]))
        return self._spellings[best]


class SuggestionIndex:
    """The texts of the listed events of an index, row by row."""

    def __init__(self) -> None:
        self._titles = TitleTable()
        self._locations, self._organizers = TextTable(), TextTable()
        self._categories, self._tags = TextTable(), TextTable()

    def add(self, event: IndexedEvent) -> None:
        """Add the event of the next row. One that is not listed is not suggested."""
        is_listed = event["listed"]
        locations = [entry["location"] for entry in event["schedule"]]
        self._titles.add(event["eventId"], event["title"] if is_listed else None)
        self._locations.add(dict.fromkeys(locations) if is_listed else ())
        self._organizers.add([event["organizer"]] if is_listed else ())
        self._categories.add([event["category"]] if is_listed else ())
        self._tags.add(event["tags"] if is_listed else ())

    def remove(self, row: int, event_id: int) -> None:
        """Remove the event of a row, which must not have been removed before."""
        self._titles.remove(row, event_id)
        for table in (self._locations, self._organizers, self._categories, self._tags):
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
            tags=self._tags.suggest(words),
        )
