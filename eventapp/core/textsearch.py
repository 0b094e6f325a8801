"""Fold texts for comparison, split texts into the terms by which they are found, parse searches.

Folding brings texts into the form in which they are compared. There are two functions, and they
must stay different, because stored keys were made with each of them:

- `fold_text` removes case, accents, compatibility forms and typographic variants. Search, event
  filters, the order by title and the names of ticket types use it.
- `fold_account_name` removes case and spacing but keeps accents. Accounts use it for names and
  emails.

A term is a string of letters and digits. A text is found by the terms of its words, which
`analyze_text` returns: each word as it is written, without the endings of plurals and the like, and
in one piece if it was written with hyphens or apostrophes. `parse_search` turns a search into the
terms to look for. Both fold before all else, so a search need not be spelled as the text is.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

# The longest term. Databases cannot index much longer ones, and nobody types them.
MAX_TERM = 40
# The most words of a search that are looked for. The query parameter has no room for as many.
MAX_WORDS = 120
# A prefix has this many characters at least.
MIN_PREFIX = 2
# Words of this length may be corrected by one edit.
MIN_CORRECTED = 5

# A word, also one with apostrophes, hyphens or an ampersand inside, or with signs at its end: R&B,
# rock'n'roll, post-punk, C++, C#.
_COMPOUND = re.compile(r"[^\W_]+(?:['&-][^\W_]+)*(?:\+{1,2}|#)?")
_QUERY_PART = re.compile(r'\s+|"|[^\s"]+')
_SPELLED = str.maketrans({"&": "and", "+": "plus", "#": "sharp", "'": None, "-": None})
# Endings of plurals and cases in German and Turkish: the ending, the least length of a word that
# has it, and how many characters are removed.
_ENDINGS = (
    *(("e", 7, 1), ("en", 7, 1), ("en", 7, 2), ("nen", 9, 3), ("eln", 7, 1), ("ern", 7, 1)),
    *(("ler", 7, 3), ("lar", 7, 3)),
)
MIN_GREEK_STEM = 3
_GREEK = re.compile("[α-ω]")
# The stemmer keeps the word that it works on, so two threads must not use it at once.
_GREEK_STEMMER, _STEMMER_LOCK = snowballstemmer.stemmer("greek"), threading.Lock()
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
de της του των τον την το τα οι στο στη στην στον στα και με για απο
der das und im zum zur le les des du et aux el los las del y ve ile
"""
_STOP_WORDS = frozenset(_STOP_WORD_LIST.translate(_SPELLED).split())


# Folding.

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


# Terms.

# The forms of words up to MAX_CACHED_WORD characters are cached, which takes at most 25 MB.
MAX_CACHED_WORDS, MAX_CACHED_WORD = 50_000, 32


def _find_forms(word: str) -> tuple[str, ...]:
    """Return a folded word as it is, and without the endings that a search should ignore."""
    if len(word) > MAX_CACHED_WORD:
        return (word[:MAX_TERM],)
    return _find_cached_forms(word)


@lru_cache(maxsize=MAX_CACHED_WORDS)
def _find_cached_forms(word: str) -> tuple[str, ...]:
    return (word, *(form for form in _iter_stems(word) if form != word))


def _iter_stems(word: str) -> Iterator[str]:
    """Yield what remains of a word without an ending, in every way in which it may have one.

    Only endings of inflection are removed. A stemmer that also removes those of derivation makes
    one term of "opera" and "operation". The languages of a word are unknown, so the Latin endings
    are those that mean a plural or a case in one of several, and rarely anything else in the
    others.
    """
    if _GREEK.search(word):
        yield from _iter_greek_stems(word)
    if len(word) >= 4 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        yield word[:-1]
        if len(word) >= 5 and word.endswith("es"):
            yield word[:-2]
        if len(word) >= 5 and word.endswith("ies"):
            yield word[:-3] + "y"
    if len(word) >= 6 and word.endswith("ing"):
        stem = word[:-3]
        yield stem
        yield stem + "e"
        if stem[-1] == stem[-2]:
            yield stem[:-1]
    for ending, length, removed in _ENDINGS:
        if len(word) >= length and word.endswith(ending):
            yield word[:-removed]


def _iter_greek_stems(word: str) -> Iterator[str]:
    with _STEMMER_LOCK:
        stem = _GREEK_STEMMER.stemWord(word)
    if len(stem) < MIN_GREEK_STEM:
        # Of "σκια" the stemmer leaves two letters, and of its plural "σκιεσ" three.
        yield word[:MIN_GREEK_STEM]
    else:
        yield stem
        # The stemmer leaves the iota of plurals as in "βραδιες", which it removes with "βραδια".
        if len(stem) > MIN_GREEK_STEM and stem.endswith("ι"):
            yield stem[:-1]


def _join(compound: str) -> str:
    """Return a compound in one piece, with its signs spelled out: "r&b" becomes "randb"."""
    return compound.translate(_SPELLED)[:MAX_TERM]


def _split(compound: str) -> list[str]:
    """Return the words of a compound: those between hyphens, apostrophes and ampersands."""
    parts = re.split("['&-]", compound)
    parts[-1] = parts[-1].translate(_SPELLED)
    return [part[:MAX_TERM] for part in parts]


@dataclass(frozen=True)
class AnalyzedText:
    """The terms of one text.

    Attributes:
        words: its words in order, by which phrases are found. A compound is several words.
        others: the further forms of the words, and compounds in one piece; sorted, none of `words`.
    """

    words: tuple[str, ...]
    others: tuple[str, ...]


def analyze_text(text: str) -> AnalyzedText:
    """Return the terms of a text."""
    words: list[str] = []
    others: set[str] = set()
    for compound in _COMPOUND.findall(fold_text(text)):
        parts = _split(compound)
        words += parts
        for word in (*parts, _join(compound), *re.findall(r"[^\W_]{2,}", compound)):
            others.update(_find_forms(word))
    return AnalyzedText(tuple(words), tuple(sorted(others.difference(words))))


# Searches.


@dataclass(frozen=True)
class SearchWord:
    """A word of a search.

    Attributes:
        text: the word, folded.
        forms: a text has the word if it has any of these terms.
        prefix: a text also has the word if a term begins so; None for whole words alone.
    """

    text: str
    forms: tuple[str, ...]
    prefix: str | None = None


@dataclass(frozen=True)
class SearchQuery:
    """A parsed search.

    A text matches if it has any of `words`, all of `phrases`, and nothing that is excluded. The
    words of a phrase are among `words`, too.

    Attributes:
        phrases: the words of each phrase.
        excluded: the terms that no match has.
        excluded_phrases: as `phrases`.
    """

    words: tuple[SearchWord, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    excluded: tuple[str, ...] = ()
    excluded_phrases: tuple[tuple[str, ...], ...] = ()

    @property
    def has_phrases(self) -> bool:
        """Whether the order of the words of a text matters."""
        return bool(self.phrases or self.excluded_phrases)


def parse_search(search: str) -> SearchQuery:
    """Parse a search: any word, "every phrase", -excluded word, -"excluded phrase".

    The last word also matches as a prefix. Stop words are ignored if other words remain.
    """
    parts = _QUERY_PART.findall(fold_text(search))
    found: list[str] = []  # the positive words, those of phrases too
    excluded: list[str] = []
    phrases: dict[bool, list[tuple[str, ...]]] = {False: [], True: []}  # by whether it is excluded
    last: list[str] = []  # the words that may be prefixes
    position, negated = 0, False
    while position < len(parts):
        part = parts[position]
        position += 1
        if part == '"' and '"' in parts[position:]:
            end = parts.index('"', position)
            phrase, position = "".join(parts[position:end]), end + 1
            words = analyze_text(phrase).words
            if words:
                phrases[negated].append(words)
            if not negated:
                found += words
            negated, last = False, []
        elif part.isspace():
            # A lone hyphen excludes nothing.
            negated = False
        elif part != '"':
            is_excluded = negated or part.startswith("-")
            negated = is_excluded and not _COMPOUND.search(part)
            for compound in _COMPOUND.findall(part):
                if is_excluded:
                    excluded += _find_forms(_join(compound))
                else:
                    words_of_compound = _list_search_words(compound)
                    found += words_of_compound
                    last = [_join(compound), words_of_compound[-1]]
            if is_excluded:
                last = []
    return SearchQuery(
        _make_words(found, last),
        tuple(phrases[False]),
        tuple(dict.fromkeys(excluded)),
        tuple(phrases[True]),
    )


def _list_search_words(compound: str) -> list[str]:
    """Return what to look for: the compound in one piece, and its words of two letters or more.

    One letter is what an apostrophe leaves of an article, as in "l'amour".
    """
    joined = _join(compound)
    if joined in _STOP_WORDS:
        return [joined]
    return [joined, *(part for part in _split(compound) if len(part) > 1)]


def _make_words(found: list[str], last: list[str]) -> tuple[SearchWord, ...]:
    words = list(dict.fromkeys(found))
    words = [word for word in words if word not in _STOP_WORDS] or words
    prefixes = {word for word in last if len(word) >= MIN_PREFIX and word not in _STOP_WORDS}
    return tuple(
        SearchWord(word, _find_forms(word), word if word in prefixes else None)
        for word in words[:MAX_WORDS]
    )


# Corrections.


def make_edit_pattern(word: str) -> str:
    """Return a regular expression of all terms that one edit makes of a word.

    An edit removes, adds or replaces one character, or exchanges two neighbours.
    """
    edited = [word[:at] + word[at + 1 :] for at in range(len(word))]
    edited += [f"{word[:at]}[^ ]{word[at + 1 :]}" for at in range(len(word))]
    edited += [f"{word[:at]}[^ ]{word[at:]}" for at in range(len(word) + 1)]
    edited += [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)]
    return "(?:" + "|".join(dict.fromkeys(edited)) + ")"


def iter_edits(word: str, alphabet: str) -> Iterator[str]:
    """Yield the terms of `make_edit_pattern` that consist of these characters and of the word's."""
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]
        for character in alphabet:
            yield word[:at] + character + word[at + 1 :]
    for at in range(len(word) + 1):
        for character in alphabet:
            yield word[:at] + character + word[at:]
    for at in range(len(word) - 1):
        yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def is_correctable(word: SearchWord) -> bool:
    """Return whether a word is long enough to be corrected."""
    return len(word.text) >= MIN_CORRECTED


def spell_search(query: SearchQuery, corrections: dict[str, str]) -> str:
    """Return a search without phrases as text, with some of its words replaced."""
    words = [corrections.get(word.text, word.text) for word in query.words]
    return " ".join([*words, *(f"-{term}" for term in query.excluded)])
