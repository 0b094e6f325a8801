"""Fold texts for comparison, and search texts as MongoDB's `$text` does.

Folding brings texts into the form in which they are compared. There are two functions, and they
must stay different, because stored keys were made with each of them:

- `fold_text` removes case, accents, compatibility forms and typographic variants. Search, event
  filters, the order by title and the names of ticket types use it.
- `fold_account_name` removes case and spacing but keeps accents. Accounts use it for names and
  emails.

Searching: a `$search` string is parsed into words and phrases, words are stemmed into terms, and
each term of a document is scored. There are two scoring functions, one for each index:

- `score_as_mongodb` computes MongoDB's text score of one string. The text index of the embedded
  store uses it, so that a search gives the same order there as on a server.
- `score_as_byte` computes a small integer for each term of a document. The in-memory index of
  listed events uses it, because that index keeps one byte for each event and term.

The two kinds of scores cannot be compared with each other.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

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


# What `fold_text` replaces besides case, compatibility forms and marks. Unicode does not decompose
# these letters, though people type them without the stroke.
_FOLDED_LETTERS = {
    **{"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ŀ": "l"},
    **{"æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n", "ĸ": "k"},
}
_FOLDED_SIGNS = {
    **dict.fromkeys("‘’‚‛ʹʻʼʽˈ`´′‵ꞌ", "'"),
    **dict.fromkeys("“”„‟«»″‶", '"'),
    **dict.fromkeys("‐‑‒–—―⁃−﹘﹣－", "-"),
    # Soft hyphens, spaces without width and their like.
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
}
_FOLDED_CHARACTERS = str.maketrans({**_FOLDED_LETTERS, **_FOLDED_SIGNS})


def fold_text(text: str) -> str:
    """Return `text` in the form in which texts are compared: "Straße" becomes "strasse".

    It is in lower case and in Unicode's compatibility form, without accents and other marks. Quotes
    and hyphens are plain, and letters with a stroke have none. Folding a folded text changes
    nothing. Events store `titleKey`, `places`, `tagKeys` and the `locationKey` of schedule entries
    in this form.
    """
    if text.isascii():
        return text.lower().replace("`", "'")
    # The acute accent that stands for an apostrophe would be decomposed into a space and a mark.
    folded = text.translate(_FOLDED_CHARACTERS)
    # Decomposing can produce letters with case, and folding case can produce letters with accents.
    for _pass in range(2):
        folded = unicodedata.normalize("NFKD", folded.casefold())
        folded = "".join(char for char in folded if not unicodedata.combining(char))
        folded = folded.translate(_FOLDED_CHARACTERS)
    return folded


def fold_account_name(text: str) -> str:
    """Return `text` in one case, one spacing and one Unicode form: "  ANNA  Smith" -> "anna smith".

    Accounts store `nameKey`, `emailKey` and `loginName` in this form, and the input of logins and
    of the search for accounts is folded in the same way. "José" and "Jose" are different names.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


# The terms of words up to MAX_CACHED_WORD characters are cached, which takes at most 25 MB.
MAX_CACHED_TERMS, MAX_CACHED_WORD = 50_000, 32


def _find_term(word: str) -> str | None:
    """Return the term under which a lower-case word is indexed, or None for a stop word."""
    if len(word) > MAX_CACHED_WORD:
        return _stem(word)
    return _find_cached_term(word)


@lru_cache(maxsize=MAX_CACHED_TERMS)
def _find_cached_term(word: str) -> str | None:
    return None if word in _STOP_WORDS else _stem(word)


def _stem(word: str) -> str:
    return fold_text(_STEMMER.stemWord(word))


def extract_terms(text: str) -> list[str]:
    """Return the terms of `text`, in order, with repetitions."""
    terms = (_find_term(word) for word in _WORD.findall(text.lower()))
    return [term for term in terms if term]


@dataclass
class TextQuery:
    """A parsed `$search` string.

    A document matches if it contains any of `terms`, all of `phrases`, and nothing excluded. The
    words of a phrase are among `terms`, too.
    """

    terms: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    phrases: list[str] = field(default_factory=list)
    excluded_phrases: list[str] = field(default_factory=list)


def parse_search(search: str) -> TextQuery:
    """Parse a `$search` string: any word, "every phrase", -excluded word, -"excluded phrase"."""
    query = TextQuery()
    phrase: str | None = None  # what has been read of an open phrase
    negated = False
    after_space = True  # A hyphen inside a word does not negate.
    for part in _QUERY_PART.findall(search):
        if phrase is not None and part != '"':
            phrase += part
        elif part.isspace():
            negated = False
        elif part == "-":
            negated = negated or after_space
        elif part != '"':
            (query.excluded if negated else query.terms).update(extract_terms(part))
        elif phrase is None:
            phrase = ""
        else:
            _add_phrase(query, phrase, negated)
            phrase = None
        after_space = part.isspace()
    if phrase is not None:  # A phrase that does not end is read as single words.
        query.terms.update(extract_terms(phrase))
    return query


def _add_phrase(query: TextQuery, phrase: str, negated: bool) -> None:
    if negated:
        query.excluded_phrases.append(fold_text(phrase))
        return
    query.phrases.append(fold_text(phrase))
    query.terms.update(extract_terms(phrase))


def score_as_mongodb(text: str, weight: float) -> dict[str, float]:
    """Return MongoDB's text score of each term of one string.

    Each repetition counts half as much as the one before. A term of a long string counts for less
    than one of a short string. A term that is the whole string counts for a tenth more. The score
    of a term in a document is the sum over its strings.
    """
    terms = extract_terms(text)
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


# The byte score of a weight of 1, and the greatest byte score.
POINTS_PER_WEIGHT, MAX_BYTE_SCORE = 8, 255


def score_as_byte(texts: Iterable[tuple[str, float]]) -> dict[str, int]:
    """Return a score from 1 to 255 for each term of a document.

    A term scores by the string in which it weighs most. A term of a long string weighs less than
    one of a short string, and each further occurrence adds a quarter of its weight.

    Args:
        texts: the strings of the document, each with the weight of its field.
    """
    scores: dict[str, float] = {}
    for text, weight in texts:
        terms = extract_terms(text)
        for term in terms:
            share = weight * (0.5 + 0.5 / len(terms))
            if term in scores:
                scores[term] = max(scores[term], share) + 0.25 * share
            else:
                scores[term] = share
    return {
        term: min(MAX_BYTE_SCORE, max(1, round(score * POINTS_PER_WEIGHT)))
        for term, score in scores.items()
    }
