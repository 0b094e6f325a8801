"""What events store for searches, and what searches compare with it."""

from typing import NamedTuple, TypedDict


class SearchTexts(TypedDict):
    """What a search compares, as `relevance.make_search_texts` computes it."""

    # The terms of title, tags, organizer, locations and description, each between two spaces.
    searchTexts: list[str]
    searchPrefixes: str  # the beginnings of the terms


class SearchPatterns(NamedTuple):
    """What `searchTexts` are compared with, as `relevance.make_patterns` makes it of a search.

    Attributes:
        words: what the text index looks up. It finds all matches, and others.
        required: a match has a text that matches, for each of these regular expressions.
        excluded: no text of a match matches any of these.
    """

    words: tuple[str, ...]
    required: tuple[str, ...]
    excluded: tuple[str, ...] = ()
