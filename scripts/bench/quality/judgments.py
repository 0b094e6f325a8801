"""Judged queries, the events that answer them, and the measure of an answer.

`judged_queries.json` has one query a line: its language, its kind (KINDS), its text, and `grades`
from 3, what the query asks for, down to 1, what is merely related. All other events have grade 0.
The key of a grade is the title of a sample or judged event, or a rule such as `city=Nîmes` or
`tag=jazz & city=Nîmes`. A rule compares the text of the fields letter by letter.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from eventapp.events.bodies import EventInput
from scripts.bench.quality.collection import FOLDER

# Each kind of query, and what is special about it.
KINDS = {
    "exact": "words of a title as it is written",
    "tag": "a tag",
    "several words": "words of different fields",
    "weights": "a word that some events have in the title, and others in the description",
    "description": "words of a description",
    "organizer": "the name of an organizer",
    "city": "the name of a city",
    "venue": "the name of a venue",
    "accents omitted": "letters without the accents of the text",
    "accents added": "letters with accents that the text lacks",
    "case": "capital letters, or small ones",
    "sharp s": "ß for ss, or ss for ß",
    "final sigma": "ς for σ, or σ for ς",
    "dotted i": "i, ı, İ or I for one another",
    "compatibility": "oe for œ, ligatures, full-width letters",
    "apostrophe": "another apostrophe, or none",
    "hyphen": "another hyphen, a space or nothing",
    "decomposed": "accents as combining characters",
    "inflected": "another form of the word",
    "prefix": "the beginning of the last word",
    "insertion": "a letter too many",
    "deletion": "a letter too few",
    "replacement": "a wrong letter",
    "transposition": "two letters exchanged, which are two edits",
    "stop words": "stop words only, or symbols",
    "phrase": "words in quotation marks",
    "exclusion": "a word that must not be found",
    "nothing": "words for which nothing may be found",
}
# What an event of each grade is worth.
GAINS = {grade: 2**grade - 1 for grade in (1, 2, 3)}
CUTOFF = 10
_RULE = re.compile(r"(city|venue|organizer|tag|title|description)=")


@dataclass(frozen=True)
class JudgedQuery:
    """A query and its judgments.

    Attributes:
        language: a key of LANGUAGES.
        kind: a key of KINDS.
        grades: the grade of each title or rule; empty if nothing may be found.
    """

    language: str
    kind: str
    query: str
    grades: Mapping[str, int]


def read_queries() -> list[JudgedQuery]:
    """Return all judged queries, in the order of the file."""
    queries = json.loads((FOLDER / "judged_queries.json").read_text("utf-8"))
    return [JudgedQuery(**query) for query in queries]


def grade_events(query: JudgedQuery, events: Sequence[EventInput]) -> dict[int, int]:
    """Return the grades of the events that are not 0, by their positions in `events`.

    Raises:
        ValueError: no event has this title or fulfils this rule, or several have the title.
    """
    grades: dict[int, int] = {}
    for key, grade in query.grades.items():
        conditions = [tuple(part.split("=", 1)) for part in key.split(" & ")]
        is_rule = _RULE.match(key) is not None
        if not is_rule:
            conditions = [("whole title", key)]
        positions = [
            position
            for position, event in enumerate(events)
            if all(_fulfils(event, field, value) for field, value in conditions)
        ]
        if not positions or (len(positions) > 1 and not is_rule):
            raise ValueError(f"{query.query!r}: {len(positions)} events for {key!r}")
        for position in positions:
            grades[position] = max(grade, grades.get(position, 0))
    return grades


def _fulfils(event: EventInput, field: str, value: str) -> bool:
    """Return whether a field has this value: as a whole, or within a title or description."""
    match field:
        case "whole title":
            return event["title"] == value
        case "title":
            return value in event["title"]
        case "description":
            return value in event["description"]
        case "organizer":
            return event["organizer"] == value
        case "tag":
            return value in event["tags"]
    # The city is the text after the last comma of a location, and the venue the text before.
    locations = [entry["location"].rpartition(", ") for entry in event["schedule"]]
    return any(value == (city if field == "city" else venue) for venue, _, city in locations)


def compute_ndcg(found: Sequence[int], grades: Mapping[int, int]) -> float:
    """Return the normalized discounted cumulative gain of the first CUTOFF results, from 0 to 1.

    The gain of a result is 2^grade - 1, divided by the binary logarithm of its rank + 1 (Järvelin
    and Kekäläinen 2002, in the form of Burges et al. 2005). Where nothing may be found, an empty
    answer is 1 and any other 0.

    Args:
        found: the results, best first.
        grades: the grades of all events that do not have grade 0.
    """
    if not grades:
        return 0.0 if found else 1.0
    gains = [GAINS.get(grades.get(result, 0), 0) for result in found]
    ideal = sorted((GAINS[grade] for grade in grades.values()), reverse=True)
    return _discount(gains) / _discount(ideal)


def _discount(gains: Iterable[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate([*gains][:CUTOFF], start=1))


def is_missed(found: Sequence[int], grades: Mapping[int, int]) -> bool:
    """Return whether no event of the highest grade is among the first CUTOFF results.

    Where nothing may be found, any result is a miss.
    """
    if not grades:
        return bool(found)
    best = max(grades.values())
    return not any(grades.get(result) == best for result in found[:CUTOFF])
