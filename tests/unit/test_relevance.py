"""Terms, searches, scores and patterns: what they are made of, and that they agree."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.core.textsearch import (
    MAX_WORDS,
    analyze_text,
    iter_edits,
    make_edit_pattern,
    parse_search,
)
from eventapp.events.relevance import (
    BEGUN_POINTS,
    IN_DESCRIPTION,
    IN_LOCATIONS,
    IN_TAGS,
    IN_TITLE,
    POINTS,
    count_points,
    find_marks,
    make_patterns,
    make_search_texts,
    score_texts,
)

PIECES = [
    "jazz",
    "Jazz",
    "ja",
    "nights",
    "the",
    "post-punk",
    "o'brien's",
    "c++",
    "ρεμπέτικη",
    "-",
    "a",
]
texts = st.lists(st.sampled_from(PIECES), max_size=5).map(" ".join) | st.text(max_size=30)
searches = st.lists(st.sampled_from([*PIECES, "-jazz", '"jazz nights"', "it"]), max_size=4)
words = st.text("abcdé", min_size=2, max_size=7)


def event_of(**texts):
    locations = texts.pop("locations", ())
    empty = {"title": "", "tags": [], "organizer": "", "description": ""}
    return {**empty, **texts, "schedule": [{"location": each} for each in locations]}


@pytest.mark.parametrize(
    ("text", "words", "others"),
    [
        ("The Who", "the who", ""),
        ("Rock’n’Roll nights", "rock n roll nights", "night rocknroll"),
        ("C++ & R&B in C#", "cplusplus r b in csharp", "randb"),
        ("O'Brien's", "o brien s", "obrien obriens"),
        ("parties", "parties", "parti partie party"),
        ("dancing Opera, operation", "dancing opera operation", "danc dance"),
        ("x" * 50, "x" * 40, ""),
    ],
)
def test_the_terms_of_a_text(text, words, others):
    found = analyze_text(text)
    assert (" ".join(found.words), " ".join(found.others)) == (words, others)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("nights", "night"), ("parties", "party"), ("movies", "movie"), ("boxes", "box")],
        *[("dancing", "dance"), ("painting", "paint"), ("running", "run"), ("noches", "noche")],
        *[("canciones", "cancion"), ("Konzerte", "Konzert"), ("Ausstellungen", "Ausstellung")],
        *[("Übersetzerinnen", "Übersetzerin"), ("Spiegeln", "Spiegel"), ("konserler", "konser")],
        *[
            ("balıklar", "balık"),
            ("δρόμοι", "δρόμος"),
            ("βραδιές", "βραδιά"),
            ("ταινίες", "ταινία"),
            ("σκιές", "σκιά"),
        ],
    ],
)
def test_inflected_words_have_a_form_in_common(one, other):
    forms = [{*found.words, *found.others} for found in map(analyze_text, (one, other))]
    assert not forms[0].isdisjoint(forms[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("operation", "opera"), ("university", "universe"), ("organization", "organ")],
        *[("jas", "jazz"), ("bus", "bu"), ("glass", "gla"), ("king", "k"), ("spring", "spry")],
        *[("golden", "gold"), ("Berlin", "Berl"), ("news", "ne"), ("παιδιά", "πας")],
        *[("φως", "φορά"), ("γη", "για"), ("ζω", "ζώνη")],
    ],
)
def test_other_words_have_no_form_in_common(one, other):
    forms = [{*found.words, *found.others} for found in map(analyze_text, (one, other))]
    assert forms[0].isdisjoint(forms[1])


@given(texts)
def test_terms_consist_of_letters_and_digits(text):
    found = analyze_text(text)
    assert all(re.fullmatch(r"[^\W_]{1,40}", term) for term in (*found.words, *found.others))


@given(words, words)
def test_edits_are_those_of_the_pattern(word, other):
    edits = set(iter_edits(word, "abcdé"))
    assert (other in edits) == bool(re.fullmatch(make_edit_pattern(word), other))
    assert all(re.fullmatch(make_edit_pattern(word), edit) for edit in edits)


@pytest.mark.parametrize("other", ["rebetyko", "rebbetiko", "rebetik", "rebetikos", "erbetiko"])
def test_one_edit_removes_adds_replaces_or_exchanges(other):
    assert re.fullmatch(make_edit_pattern("rebetiko"), other)


@pytest.mark.parametrize("other", ["rebbetyko", "reebtiok", "rebeti", "rebetiko12"])
def test_two_edits_are_too_many(other):
    assert not re.fullmatch(make_edit_pattern("rebetiko"), other)


@given(texts, texts, st.lists(texts, max_size=2), st.lists(texts, max_size=2), searches)
def test_patterns_match_what_has_a_score(title, description, tags, locations, search):
    """What the text index looks up finds all of it."""
    event = event_of(title=title, description=description, tags=tags, locations=locations)
    stored, query = make_search_texts(event), parse_search(" ".join(search))
    patterns = make_patterns(query)
    compared = stored["searchTexts"]
    is_match = bool(re.search(patterns.required[0], " ".join(compared))) and bool(query.words)
    score = score_texts(compared, query)
    assert is_match == (score > 0)
    found = set(" ".join([*compared, stored["searchPrefixes"]]).split())
    assert not score or not found.isdisjoint(patterns.words)


def test_a_title_counts_more_than_all_other_fields_together():
    assert count_points(IN_TITLE | 7 << 5) > count_points(255 & ~IN_TITLE)
    assert count_points(7 << 5) == 0
    assert count_points(IN_TITLE) > count_points(IN_TITLE | 1 << 5)


def test_marks_say_which_fields_have_a_term():
    event = event_of(title="Jazz now", tags=["jazz", "live"], locations=["Live Hall"])
    marks = find_marks(make_search_texts(event | {"description": "now"})["searchTexts"])
    two_words = 1 << 5
    assert marks == {
        "jazz": two_words | IN_TITLE | IN_TAGS,
        "now": two_words | IN_TITLE | IN_DESCRIPTION,
        "live": two_words | IN_TAGS | IN_LOCATIONS,
        "hall": two_words | IN_LOCATIONS,
    }


@pytest.mark.parametrize(
    ("search", "prefixes"),
    [
        ("jazz nig", ["nig"]),
        ("post-pu", ["postpu", "pu"]),
        ("jazz the", []),
        ("jazz a", []),
        ("jazz -nig", []),
        ('jazz "nig"', []),
        ("nig ", ["nig"]),
    ],
)
def test_the_last_word_is_a_prefix(search, prefixes):
    found = [word.prefix for word in parse_search(search).words if word.prefix]
    assert sorted(found) == sorted(prefixes)


def test_stop_words_count_only_alone():
    assert [word.text for word in parse_search("the who at the opera").words] == ["opera"]
    assert [word.text for word in parse_search("The Who").words] == ["the", "who"]


def test_two_words_anywhere_count_more_than_one_everywhere():
    query = parse_search("jazz köln")
    everywhere = event_of(
        title="Jazz", tags=["jazz"], organizer="Jazz", locations=["Jazz"], description="Jazz"
    )
    twice = event_of(title="One of the longest titles of all", description="Of jazz in Köln")
    scores = [
        score_texts(make_search_texts(event)["searchTexts"], query) for event in (everywhere, twice)
    ]
    assert 0 < scores[0] < scores[1]


def test_the_highest_score_has_sixteen_bits():
    assert MAX_WORDS * (max(POINTS) + max(BEGUN_POINTS)) < 2**16
