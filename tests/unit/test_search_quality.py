"""Judged queries name events that exist, their measure is right, and a search finds them."""

from collections import Counter
from datetime import date

import pytest

from scripts.bench import cli
from scripts.bench.quality.collection import LANGUAGES, make_collection
from scripts.bench.quality.judgments import (
    KINDS,
    JudgedQuery,
    compute_ndcg,
    grade_events,
    is_missed,
    read_queries,
)
from scripts.bench.quality.measure import ANSWERERS, Score, measure_quality
from scripts.bench.quality.report import format_misses, format_quality, summarize

TODAY = date(2026, 11, 30)
QUERIES = read_queries()
FIRST_TITLES = ["Play: Harry Whitlock", "Fachtag der Sonne", "Tuğba Yılmaz ile Caz Akşamı"]
GRADES = {1: 3, 2: 2, 3: 1}
# 7/log2(2) + 3/log2(3) + 1/log2(4), the best order of GRADES.
IDEAL = 7 + 3 / 1.584963 + 0.5


@pytest.mark.parametrize(
    ("found", "gain"),
    [
        ([1, 2, 3], IDEAL),
        ([3, 2, 1], 1 + 3 / 1.584963 + 7 / 2),
        ([9, 1], 7 / 1.584963),
        ([9] * 9 + [1], 7 / 3.459432),
        ([9] * 10 + [1], 0),
        ([], 0),
    ],
)
def test_the_gain_of_an_answer_is_divided_by_that_of_the_best_answer(found, gain):
    assert compute_ndcg(found, GRADES) == pytest.approx(gain / IDEAL, abs=1e-6)


def test_the_best_answer_has_ten_results():
    assert compute_ndcg(range(10), dict.fromkeys(range(50), 3)) == pytest.approx(1.0)


@pytest.mark.parametrize(("found", "ndcg"), [([], 1.0), ([4], 0.0)])
def test_where_nothing_may_be_found_an_empty_answer_is_right(found, ndcg):
    assert compute_ndcg(found, {}) == ndcg
    assert is_missed(found, {}) is bool(found)


@pytest.mark.parametrize(
    ("found", "missed"), [([1], False), ([9] * 9 + [1], False), ([9] * 10 + [1], True), ([2], True)]
)
def test_a_miss_lacks_the_best_events_among_the_first_ten(found, missed):
    assert is_missed(found, GRADES) is missed


def test_every_judgment_is_of_events_that_exist():
    events = make_collection(TODAY, generated=2400)
    for query in QUERIES:
        grades = grade_events(query, events)
        assert set(query.grades.values()) <= {1, 2, 3}
        assert not grades or max(grades.values()) == 3


def test_a_judgment_of_an_event_that_does_not_exist_is_refused():
    events = make_collection(TODAY, generated=0)
    for key in ("No Such Title", "city=Atlantis"):
        with pytest.raises(ValueError, match="0 events"):
            grade_events(JudgedQuery("en", "exact", "x", {key: 3}), events)


def test_a_rule_with_two_conditions_needs_both():
    events = make_collection(TODAY, generated=600)
    both, tag = (
        grade_events(JudgedQuery("fr", "exact", "x", {rule: 3}), events)
        for rule in ("tag=jazz & city=Nîmes", "tag=jazz")
    )
    assert 0 < len(both) < len(tag)
    assert both.keys() < tag.keys()


def test_every_kind_and_language_has_queries():
    assert len(QUERIES) >= 200
    assert len({query.query for query in QUERIES}) == len(QUERIES)
    kinds = Counter(query.kind for query in QUERIES)
    assert kinds.keys() == KINDS.keys()
    assert min(kinds.values()) >= 5
    languages = Counter(query.language for query in QUERIES)
    assert languages.keys() == LANGUAGES.keys()
    assert min(languages.values()) >= 50


def test_the_collection_is_the_same_in_every_run():
    events = make_collection(TODAY)
    assert events == make_collection(TODAY)
    assert len(events) == 10_000 + 120 + 30
    assert min(entry["date"] for event in events for entry in event["schedule"]) > TODAY
    # Pins the generator: the judgments and all figures published hold for this collection.
    assert [event["title"] for event in events[:3]] == FIRST_TITLES


def test_a_search_finds_the_words_of_titles_and_descriptions():
    queries = [
        query for query in QUERIES if query.kind in ("exact", "tag", "description", "nothing")
    ][::4]
    scores = measure_quality(None, queries, generated=300)
    assert len(scores) == len(ANSWERERS) * len(queries)
    assert format_misses(scores) == ""
    assert summarize(scores)[-1]["index"]["ndcg"] > 0.95


def test_the_table_shows_the_mean_and_the_misses_of_each_kind():
    queries = [JudgedQuery("el", "prefix", "a", {"A": 3}), JudgedQuery("tr", "prefix", "b", {})]
    scores = [
        Score(query, answerer, ndcg, ndcg == 0, ["B"])
        for query, ndcg in zip(queries, (1.0, 0.0), strict=True)
        for answerer in ANSWERERS
    ]
    lines = format_quality(summarize(scores)).splitlines()
    assert "| prefix | 2 | 0.500 | 1 | 0.500 | 1 |" in lines
    assert "| Greek | 1 | 1.000 | 0 | 1.000 | 0 |" in lines
    assert "| French | 0 | - | 0 | - | 0 |" in lines
    assert format_misses(scores).splitlines()[0] == (
        "index, prefix: 'b' asks for nothing; found ['B']"
    )


def test_quality_needs_no_server(monkeypatch, capsys):
    monkeypatch.delenv("MONGO_URI", raising=False)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    asked = []

    def measure(uri, queries):
        asked.append((uri, len(queries)))
        return [Score(queries[0], answerer, 0.25, True, ()) for answerer in ANSWERERS]

    monkeypatch.setattr(cli, "measure_quality", measure)
    assert cli.main(["quality"]) == 0
    assert asked == [(None, len(QUERIES))]
    assert "| all | 1 | 0.250 | 1 | 0.250 | 1 |" in capsys.readouterr().out
