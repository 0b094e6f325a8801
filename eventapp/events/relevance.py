"""How events are found by words and ordered by relevance, whoever answers: index or database.

An event stores what a search compares in `searchTexts`: the terms of each searched field, already
folded and without endings (`core.textsearch`). The database's text index and the in-memory index
are both made of these strings, and so are the scores: the marks of a term say in which fields an
event has it, and points follow from marks alone. A score is an integer, so it is the same on every
machine, and a cursor that contains it can be continued by any process.
"""

from collections.abc import Iterable, Iterator, Sequence

from eventapp.core.textsearch import AnalyzedText, SearchQuery, analyze_text
from eventapp.events.search_types import SearchPatterns, SearchTexts
from eventapp.events.types import SearchedTexts

# The bits of marks: one for each field that contains the term, the most important first.
IN_TITLE, IN_TAGS, IN_ORGANIZER, IN_LOCATIONS, IN_DESCRIPTION = (1 << bit for bit in range(5))
FIELD_MARKS = (IN_TITLE, IN_TAGS, IN_ORGANIZER, IN_LOCATIONS, IN_DESCRIPTION)
ANY_FIELD = sum(FIELD_MARKS)
# The `searchTexts` of an event that no search finds.
NO_TEXTS = [" "] * len(FIELD_MARKS)
# The other three bits are the length class of the title. The classes end at these numbers of words.
CLASS_SHIFT, CLASS_ENDS = 5, (1, 2, 3, 4, 5, 7, 10)
# What a term in the title counts, by the length class of the title. It is more in a short title,
# and never less than in all other fields together.
TITLE_POINTS = (80, 68, 64, 62, 61, 60, 59, 58)
OTHER_POINTS = {IN_TAGS: 25, IN_ORGANIZER: 15, IN_LOCATIONS: 10, IN_DESCRIPTION: 5}
# What each word of the search counts that an event has, wherever it has it. It is more than the
# points of all fields twice, so that an event with two words in its description comes before one
# with a single word in all fields. The index adds up the points of MAX_WORDS words in 16 bits.
POINTS_PER_WORD = 256
# Separates the values of one field, and its words from their other forms, so that no phrase matches
# across them. It is no term.
SEPARATOR = "|"
# `searchPrefixes` contains the beginnings of terms in these lengths, each with this ending, so that
# the text index finds what may begin with a prefix.
PREFIX_LENGTHS, PREFIX_ENDING = (2, 4), "zq"


# What events store.


def make_search_texts(event: SearchedTexts) -> SearchTexts:
    """Return the fields of an event that searches compare."""
    fields = (
        [event["title"]],
        event["tags"],
        [event["organizer"]],
        dict.fromkeys(entry["location"] for entry in event["schedule"]),
        [event["description"]],
    )
    texts = [_join_terms([analyze_text(value) for value in values]) for values in fields]
    terms = {term for text in texts for term in _iter_terms(text)}
    beginnings = {
        term[:length] for term in terms for length in PREFIX_LENGTHS if len(term) > length
    }
    prefixes = " ".join(beginning + PREFIX_ENDING for beginning in sorted(beginnings))
    return {"searchTexts": texts, "searchPrefixes": prefixes}


def _join_terms(values: Iterable[AnalyzedText]) -> str:
    """Return the terms of a field, each between spaces; words in order, then their other forms."""
    words: list[str] = []
    others: set[str] = set()
    for value in values:
        words += [*value.words, SEPARATOR]
        others.update(value.others)
    return " " + "".join(f"{term} " for term in [*words, *sorted(others.difference(words))])


def _iter_terms(text: str) -> Iterator[str]:
    return (term for term in text.split() if term != SEPARATOR)


# What a search compares.


def find_marks(texts: Sequence[str]) -> dict[str, int]:
    """Return the marks of each term of an event with these `searchTexts`, from 1 to 255."""
    title_class = _find_title_class(texts[0]) << CLASS_SHIFT
    marks: dict[str, int] = {}
    for text, mark in zip(texts, FIELD_MARKS, strict=True):
        for term in _iter_terms(text):
            marks[term] = marks.get(term, title_class) | mark
    return marks


def _find_title_class(title_text: str) -> int:
    length = len(title_text.partition(SEPARATOR)[0].split())
    return sum(end < length for end in CLASS_ENDS)


def count_points(marks: int) -> int:
    """Return what a term with these marks counts; 0 if no field has it."""
    points = TITLE_POINTS[marks >> CLASS_SHIFT] if marks & IN_TITLE else 0
    return points + sum(count for mark, count in OTHER_POINTS.items() if marks & mark)


# The points by marks: of a term that is a word of the search, and of one that begins with the word
# or is it. An event has the sum of both, so a whole word counts twice.
POINTS = tuple(count_points(marks) for marks in range(256))
BEGUN_POINTS = tuple(
    count_points(marks) + (POINTS_PER_WORD if marks & ANY_FIELD else 0) for marks in range(256)
)


def score_texts(texts: Sequence[str], query: SearchQuery) -> int:
    """Return the score of an event with these `searchTexts`; 0 if it has no word of the search.

    Phrases and excluded words do not count.
    """
    title_class = _find_title_class(texts[0]) << CLASS_SHIFT
    score = 0
    for word in query.words:
        exact = _mark_fields(texts, [f" {form} " for form in word.forms])
        begun = exact | (_mark_fields(texts, [f" {word.prefix}"]) if word.prefix else 0)
        score += POINTS[title_class | exact] + BEGUN_POINTS[title_class | begun]
    return score


def _mark_fields(texts: Sequence[str], wanted: Sequence[str]) -> int:
    """Return the marks of the fields that contain one of these strings."""
    return sum(
        mark
        for text, mark in zip(texts, FIELD_MARKS, strict=True)
        if any(each in text for each in wanted)
    )


# What a database compares.


def make_patterns(query: SearchQuery) -> SearchPatterns:
    """Return what to compare `searchTexts` with: the search matches if `score_texts` is not 0.

    Phrases and excluded words and phrases are part of it.
    """
    ends = {f"{form} " for word in query.words for form in word.forms}
    prefixes = {word.prefix for word in query.words if word.prefix}
    any_word = " (?:" + "|".join(sorted(ends | prefixes)) + ")"
    excluded = [f" (?:{'|'.join(query.excluded)}) "] if query.excluded else []
    return SearchPatterns(
        tuple(sorted({end.strip() for end in ends} | prefixes | set(map(_begin, prefixes)))),
        (any_word, *map(_make_phrase, query.phrases)),
        (*excluded, *map(_make_phrase, query.excluded_phrases)),
    )


def _begin(prefix: str) -> str:
    """Return the word of `searchPrefixes` of all longer terms that begin with the prefix."""
    length = max(length for length in PREFIX_LENGTHS if length <= len(prefix))
    return prefix[:length] + PREFIX_ENDING


def _make_phrase(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "
