"""What the benchmark makes of its measurements, and when it refuses to measure."""

import os

import pytest

from scripts.bench import cli
from scripts.bench import wrk as wrk_module
from scripts.bench.checks import check_search
from scripts.bench.data import booking_requests, word_pairs
from scripts.bench.growth import describe_plan
from scripts.bench.growth_report import format_growth, render_chart, render_markdown
from scripts.bench.server import make_settings, resident_mb
from scripts.bench.table import PARTS, ROWS, Row, format_table, summarize_row
from scripts.bench.wrk import BenchmarkError, parse_result

LOOPBACK = "mongodb://127.0.0.1:27017/?directConnection=true"
RESULT = (
    'RESULT {"answered": %d, "wrong": %d, "status": %d, "ran_out": %d, "broken": %d, '
    '"rate": 99.5, "p50_ms": 1.5, "p99_ms": 2.5}\n'
)
RATIO = Row("list", "list", "a list", "/s", "HTTP", 0.6)
MOST = Row("memory", "memory", "memory", "MB", None, 150)
GROWTH = {
    "sizes": [10_000, 100_000],
    "kinds": [
        {"name": "events", "ms": [2.0, 3.0], "find_ms": [1.0, 1.0], "plans": [[], ["a", "b 2.0"]]},
        {"name": "slow", "ms": [2.0, None], "find_ms": [1.0, 2.0], "plans": [["a"], []]},
    ],
}


def test_a_clean_load_is_read():
    load = parse_result("get.lua", "Running 5s test\n" + RESULT % (500, 0, 0, 0, 0) + "end\n")
    assert (load.answered, load.rate, load.p50_ms, load.p99_ms) == (500, 99.5, 1.5, 2.5)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0, 0, 0, 0, 0), "none"),
        ((9, 1, 503, 0, 0), "503"),
        ((9, 0, 0, 1, 0), "more were asked"),
        ((9, 0, 0, 0, 2), "2 never came"),
    ],
)
def test_a_load_with_one_fault_is_refused(numbers, words):
    with pytest.raises(BenchmarkError, match=words):
        parse_result("get.lua", RESULT % numbers)


def test_a_load_that_said_nothing_is_refused():
    with pytest.raises(BenchmarkError, match="unable to connect"):
        parse_result("get.lua", "unable to connect to 127.0.0.1:1")


def test_a_ratio_is_the_median_of_each_rounds_own():
    rounds = [{"list": 50, "HTTP": 100}, {"list": 90, "HTTP": 100}, {"list": 70, "HTTP": 1000}]
    found = summarize_row(RATIO, rounds, {})
    assert (found["figure"], found["reference"], found["ratio"]) == (70, 100, 0.5)
    assert found["met"] is False


@pytest.mark.parametrize(("figure", "met"), [(149.9, True), (150, False)])
def test_a_most_is_met_below_it(figure, met):
    assert summarize_row(MOST, [{"memory": figure}], {})["met"] is met


def test_a_failed_part_is_never_met():
    found = summarize_row(RATIO, [{"list": 99, "HTTP": 100}], {"list": "503"})
    assert found["met"] is False
    assert "FAILED: 503" in format_table([found])


def test_what_is_not_measured_is_not_yet():
    found = summarize_row(ROWS[-1], [{"list": 1.0}], {})
    assert found["row"] == "streams"
    assert format_table([found]).endswith("not yet")


def test_the_table_shows_each_figure_beside_its_reference():
    shown = format_table([summarize_row(RATIO, [{"list": 3600.4, "HTTP": 6000}], {})])
    assert [*shown.splitlines()[1].split()] == [
        "a", "list", "3,600", "/s", "HTTP", "6,000", "0.60", ">=", "0.6", "yes"
    ]  # fmt: skip


def test_every_row_of_the_design_has_its_target():
    targets = {row.name: row.target for row in ROWS}
    assert targets["hot"] == 2.0
    assert targets["event"] == targets["list"] == 0.6
    assert targets["search"] == targets["spread"] == 0.5


@pytest.mark.parametrize("uri", ["", "mongodb://db.example.org/x", "mongodb://127.0.0.1,10.0.0.1"])
def test_only_this_machine_is_loaded(uri):
    with pytest.raises(BenchmarkError):
        cli.make_scratch_uri(uri)


def test_the_database_is_one_of_its_own():
    own = cli.make_scratch_uri("mongodb://127.0.0.1:27017/precious?directConnection=true")
    assert own == f"mongodb://127.0.0.1:27017/eventapp_bench_{os.getpid()}?directConnection=true"


@pytest.mark.parametrize(
    ("uri", "wrk", "words"), [("", "/bin/true", "MONGO_URI"), (LOOPBACK, None, "apt install wrk")]
)
def test_what_is_missing_is_one_line(monkeypatch, capsys, uri, wrk, words):
    monkeypatch.setenv("MONGO_URI", uri)
    monkeypatch.setattr(wrk_module.shutil, "which", lambda _name: wrk)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["list"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("wrong", [["nothing"], ["--rounds", "0"], ["--sizes", "100,10"]])
def test_what_can_not_be_asked_for(monkeypatch, capsys, wrong):
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit):
        cli.main(wrong)
    assert "error" in capsys.readouterr().err


@pytest.mark.parametrize("common", [True, False])
def test_no_query_comes_twice(common):
    pairs = word_pairs(500, seed=1, common=common)
    assert len({frozenset(pair.split()) for pair in pairs}) == len(pairs) == 500


def test_each_order_is_another_users():
    found = list(booking_requests(["a", "b", "c"], [7, 8]))
    assert [token for token, _ in found] == ["a", "b", "c"]
    assert ['"eventId": 7' in body for _, body in found] == [True, False, True]


def test_a_search_that_finds_other_words_is_refused():
    event = {"title": "Harbour Jazz", "description": "", "tags": []}
    check_search({"events": [event]}, ["jazz", "night"])
    for page in ({"events": []}, {"events": [event | {"title": "Cheese"}]}):
        with pytest.raises(BenchmarkError):
            check_search(page, ["jazz", "night"])


def test_the_server_runs_as_in_production(tmp_path):
    given = make_settings(LOOPBACK, "s" * 32, tmp_path)
    assert given["APP_ENV"] == "production"
    assert given["WEB_CONCURRENCY"] == "2"
    assert given["CACHE_URL"] == ""


def test_memory_is_read():
    assert 5 < resident_mb(os.getpid()) < 5000


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"postgres": ["Limit", "  indexName: listed_eventId", "-> Index"]}, "listed_eventId"),
        ({"postgres": ["Limit", "  ->  Sort", "  indexName: words"]}, "words, sorted"),
        ({"postgres": ["Limit", "  ->  Seq Scan"]}, "no index"),
        ({"stage": "SORT", "inputStage": {"stage": "IXSCAN", "indexName": "user"}}, "user, sorted"),
        ({"stage": "COLLSCAN"}, "no index"),
    ],
)  # fmt: skip
def test_a_plan_in_words(plan, words):
    assert describe_plan({"queryPlanner": {"winningPlan": plan}}) == words


def test_growth_is_told_and_drawn():
    assert format_growth(GROWTH["kinds"][0]) == "1.5"
    lines = render_markdown(GROWTH).splitlines()
    assert "| events | 2.0 (2.0) | 3.0 (3.0) | 1.5 | a; b 2.0 |" in lines
    assert "| slow | 2.0 (2.0) | - | - | in memory |" in lines
    assert render_chart(GROWTH).count("<circle") == 7


def test_every_part_is_known():
    assert set(PARTS) >= {"event", "list", "search", "hot", "spread", "memory", "start"}
