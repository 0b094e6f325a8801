"""Searches in many languages and spellings, with the titles that they must find or must not.

Every search is answered by the in-memory index, by the database, and among own and past events, and
finds the same in the same order.
"""

import unicodedata

import pytest

from eventapp.core.clock import utc_now
from eventapp.events import list_pages
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.schemas.queries import EventQuery
from eventapp.events.store_listing import OwnScope, make_own_filter
from tests.factories import make_event
from tests.store.test_events_index import NoIndex

# A title, a search, and whether it finds the title.
CASES = [
    ("Beyoncé Tribute", "beyonce", True),
    ("Résumé Workshop", "resume", True),
    ("Générale de Danse", "generale", True),
    ("Médée", "medee", True),
    ("Crème Brûlée Evening", "brulee", True),
    ("Señorita Swing", "senorita", True),
    ("Røyksopp Live", "royksopp", True),
    ("Łódź Film Night", "lodz", True),
    ("Große Straße", "strasse", True),
    ("Große Straße", "STRASSE", True),
    ("Grosse Strasse", "straße", True),
    ("İstanbul Nights", "istanbul", True),
    ("İzmir Fair", "izmir", True),
    ("Kadıköy Jazz", "kadikoy", True),
    ("Rock'n'Roll Picnic", "rock’n’roll", True),
    ("Rock’n’Roll Picnic", "rock'n'roll", True),
    ("O’Brien’s Set", "o'brien's", True),
    ("O'Brien's Set", "obrien", True),
    ("L'amour est là", "amour", True),
    ("L’amour est là", "l'amour", True),
    ("München Open", "münchen", True),
    ("Ρεμπέτικη Βραδιά", "ρεμπετικη", True),
    ("Ρεμπέτικη Βραδιά", "ΡΕΜΠΈΤΙΚΗ", True),
    ("Ρεμπέτικη Βραδιά", "ρεμπετ", True),
    ("Όλοι οι Δρόμοι", "δρομος", True),
    ("Όλοι οι Δρόμοι", "δρόμοι", True),
    ("The Who", "the who", True),
    ("It", "it", True),
    ("Him & Her", "him her", True),
    ("Post-Punk Evening", "post punk", True),
    ("Post-Punk Evening", "postpunk", True),
    ("Rebetiko by the Sea", "rebetik", True),
    ("Rebetiko by the Sea", "rebetyko", True),
    ("Rebetiko by the Sea", "rebbetiko", True),
    ("Jazz at Noon", "jas", False),
    ("Opera", "operation", False),
    ("ＪＡＺＺ Café", "jazz", True),
    ("Musikﬁlm", "film", False),
    ("ﬁlm noir", "film", True),
    ("Concert 1821", "1821", True),
    ("C++ Meetup", "c++", True),
    ("R&B Night", "r&b", True),
]
# A search, and what is searched for instead.
CORRECTIONS = [
    ("rebetyko", "rebetiko"),
    ("rebbetiko", "rebetiko"),
    ("rebetko", "rebetiko"),
    ("erbetiko", "rebetiko"),
    ("REBETYKÓ xyz", "rebetiko xyz"),
    ("rebetyko -opera", "rebetiko -opera"),
    ("ρεμπετηκη", "ρεμπετικη"),
    ("rebetyyko", None),
    ("rebetyko opera", None),
    ("opra", None),
    ('"rebetyko"', None),
]


@pytest.fixture(scope="module")
def titles():
    return {title: number for number, title in enumerate(dict.fromkeys(row[0] for row in CASES), 1)}


@pytest.fixture
def events(db, organizer, titles):
    for title in titles:
        make_event(db, title=title, description="", tags=[], organizer_id=organizer["id"])
    return db


def answer(db, index, own=None, **query):
    """Return the eventIds of the first page of a list, and what was searched for instead."""
    request = EventQuery().load({"limit": "100", **query}).at(utc_now())
    found = list_pages.find_page(db, request, utc_now().date(), index, own)
    return list(found.event_ids), found.envelope.get("corrected")


def answer_all(db, organizer, search):
    """Return the answer to a search, after asking everybody who may answer it."""
    index = LiveIndex(db)
    found = answer(db, index, search=search)
    assert answer(db, NoIndex(), search=search) == found, search
    for one in (index, NoIndex()):
        assert answer(db, one, search=search, upcoming="false") == found, search
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    own = make_own_filter(today, [OwnScope(organizer["id"])], upcoming=True)
    assert answer(db, index, own, search=search, mine="true") == found, search
    return found


def test_searches_find_titles_however_they_are_spelled(events, organizer, titles):
    for title, search, is_found in CASES:
        for form in ("NFC", "NFD"):
            found, _ = answer_all(events, organizer, unicodedata.normalize(form, search))
            assert (titles[title] in found) == is_found, (title, search, form)


def test_decomposed_titles_are_found(events, organizer):
    event = make_event(events, title=unicodedata.normalize("NFD", "Ένατη Βραδιά à Orléans"))
    for search in ("ενατη", "orleans", "Orléans"):
        assert event["eventId"] in answer(events, LiveIndex(events), search=search)[0]


@pytest.mark.parametrize(("search", "corrected"), CORRECTIONS)
def test_words_that_no_event_has_are_corrected(events, organizer, search, corrected):
    found, instead = answer_all(events, organizer, search)
    assert instead == corrected
    if corrected:
        assert found == answer_all(events, organizer, corrected)[0] != []


def test_a_filter_that_leaves_nothing_corrects_nothing(events):
    for index in (LiveIndex(events), NoIndex()):
        for upcoming in ("true", "false"):
            query = {"search": "opera", "city": "nowhere", "upcoming": upcoming}
            assert answer(events, index, **query) == ([], None)


def test_the_most_frequent_word_corrects(events, organizer):
    for title in ("Harbours", "Marbour", "Marbour", "Zarbour"):
        make_event(events, title=title, organizer_id=organizer["id"])
    assert answer_all(events, organizer, "xarbour")[1] == "marbour"


def test_a_correction_tells_nothing_of_drafts(client, events):
    make_event(events, title="Clandestine", status="draft")
    answer = client.get("/api/events?search=clandestyne").json
    assert (answer["total"], "corrected" in answer) == (0, False)


def test_the_answer_says_what_was_searched_for(client, events):
    for number in range(2):
        make_event(events, title=f"Rebetiko {number}")
    answer = client.get("/api/events?search=rebetyko").json
    assert (answer["total"], answer["corrected"]) == (3, "rebetiko")
    assert "corrected" not in client.get("/api/events?search=rebetiko").json
    pages = [client.get("/api/events?search=rebetyko&limit=2").json]
    pages.append(client.get(f"/api/events?limit=2&cursor={pages[0]['nextCursor']}").json)
    assert [page["corrected"] for page in pages] == ["rebetiko"] * 2
    assert len({row["eventId"] for page in pages for row in page["events"]}) == 3


def test_fields_weigh_in_their_order(events, organizer):
    place = [{"date": "2035-01-01", "location": "Zither Hall, Athens"}]
    fields = [
        {"description": "With a zither."},
        {"schedule": place},
        {"organizer": "Zither Friends"},
        {"tags": ["zither"]},
        {"title": "An evening of music for voice, lute, harp, guitar, oud, zither and drums"},
        {"title": "Zither Night"},
        {"title": "Zither"},
    ]
    made = [make_event(events, organizer_id=organizer["id"], **each)["eventId"] for each in fields]
    assert answer_all(events, organizer, "zither")[0] == made[::-1]
    assert answer_all(events, organizer, "zith")[0] == made[::-1]


def test_repeated_words_of_a_title_do_not_weigh_more(events, organizer):
    once = make_event(events, title="Zither", organizer_id=organizer["id"])["eventId"]
    twice = make_event(events, title="Zither zither", organizer_id=organizer["id"])["eventId"]
    assert answer_all(events, organizer, "zither")[0] == [once, twice]


@pytest.mark.parametrize(
    ("search", "is_found"),
    [
        ('"große straße"', True),
        ('"grosse strasse"', True),
        ('"strasse große"', False),
        ('"l’amour est la"', True),
        ('"amour est"', True),
        ("\"rock'n'roll picnic\"", True),
        ('"post punk"', True),
        ('"post pun"', False),
        ('"postpunk evening"', False),
        ('opera -"große strasse"', True),
        ("große -strasse", False),
        ("evening -post-punk -brulee", False),
    ],
)
def test_phrases_and_exclusions_compare_folded_texts(events, organizer, search, is_found):
    assert bool(answer_all(events, organizer, search)[0]) == is_found


def test_the_facets_of_a_corrected_search_count_what_it_shows(client, events):
    answer = client.get("/api/events?search=rebetyko&facets=category").json
    (category,) = answer["facets"]["category"]
    assert category["count"] == answer["total"] == 1
