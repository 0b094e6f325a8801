"""The benchmark summarizes its measurements, and refuses to measure what would mean nothing."""

import os

import pytest

from scripts.bench import cli
from scripts.bench import wrk as wrk_module
from scripts.bench.calls import CALL_KINDS
from scripts.bench.checks import check_search
from scripts.bench.data import draw_word_pairs, make_booking_requests
from scripts.bench.growth import describe_plan
from scripts.bench.growth_report import format_growth, render_chart, render_markdown
from scripts.bench.judging import judge
from scripts.bench.rounds import MEASUREMENTS
from scripts.bench.server import make_scratch_uri, make_settings, read_resident_mb
from scripts.bench.table import PARTS, ROWS, Row, format_noise, format_table, summarize_row
from scripts.bench.wrk import BenchmarkError, parse_result
from tests.seen_library import replace_seen

LOOPBACK = "mongodb://127.0.0.1:27017/?directConnection=true"
RESULT = (
    'RESULT {"answered": %d, "wrong": %d, "status": %d, "ran_out": %d, "broken": %d, '
    '"rate": 99.5, "p50_ms": 1.5, "p99_ms": 2.5}\n'
)
RATIO_ROW = Row("list", "list", "a list", "/s", "HTTP", 0.6)
LIMIT_ROW = Row("memory", "memory", "memory", "MB", None, 150)
GROWTH = {
    "sizes": [10_000, 100_000],
    "kinds": [
        {"name": "events", "ms": [2.0, 3.0], "find_ms": [1.0, 1.0], "plans": [[], ["a", "b 2.0"]]},
        {"name": "many", "ms": [2.0, 3.0], "find_ms": [1.0, 1.0], "plans": [[], ["a"] * 9]},
        {"name": "slow", "ms": [2.0, None], "find_ms": [1.0, 2.0], "plans": [["a"], []]},
    ],
}


def test_the_result_of_a_load_is_parsed():
    load = parse_result("get.lua", "Running 5s test\n" + RESULT % (500, 0, 0, 0, 0) + "end\n")
    assert (load.answered, load.rate, load.p50_ms, load.p99_ms) == (500, 99.5, 1.5, 2.5)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0, 0, 0, 0, 0), "none"),
        ((9, 1, 503, 0, 0), "503"),
        ((9, 0, 0, 1, 0), "ran out"),
        ((9, 0, 0, 0, 2), "2 never arrived"),
    ],
)
def test_a_load_with_a_wrong_or_missing_answer_is_refused(numbers, words):
    with pytest.raises(BenchmarkError, match=words):
        parse_result("get.lua", RESULT % numbers)


def test_a_load_without_a_result_is_refused():
    with pytest.raises(BenchmarkError, match="unable to connect"):
        parse_result("get.lua", "unable to connect to 127.0.0.1:1")


def test_the_ratio_is_the_median_of_the_ratios_of_the_rounds():
    rounds = [{"list": 50, "HTTP": 100}, {"list": 90, "HTTP": 100}, {"list": 70, "HTTP": 1000}]
    found = summarize_row(RATIO_ROW, rounds, {})
    assert (found["figure"], found["reference"], found["ratio"]) == (70, 100, 0.5)
    assert found["ratios"] == [0.5, 0.9, 0.07]


@pytest.mark.parametrize(("figure", "verdict"), [(149.9, "reached"), (150, "missed")])
def test_a_limit_is_met_below_it(figure, verdict):
    assert summarize_row(LIMIT_ROW, [{"memory": figure}], {})["verdict"] == verdict


@pytest.mark.parametrize(
    ("ratios", "references", "verdict"),
    [
        ([1.0, 1.1, 1.2], [100, 101, 102], "reached"),
        ([0.9, 1.1, 1.2], [100, 101, 102], "reached"),
        ([0.8, 0.9, 1.2], [100, 101, 102], "missed"),
        ([1.0, 1.1, 1.2], [100, 150, 200], "reached"),
        ([0.7, 0.8, 0.9], [100, 150, 200], "missed"),
        ([0.9, 1.1, 1.2], [100, 150, 200], "cannot be judged: the rounds disagree and"),
        ([1.0, 1.1], [100, 100], "cannot be judged: 2 of 3 rounds"),
    ],
)
def test_a_row_is_judged_unless_noise_may_have_decided(ratios, references, verdict):
    assert judge(ratios, references, 1.0).startswith(verdict)


def test_the_verdict_names_the_noise():
    assert judge([0.9, 1.1, 1.2], [100, 150, 200], 1.0).endswith("spreads by 67%")


@pytest.mark.parametrize("failed", ["list", "lists"])
def test_a_failed_part_never_meets_its_target(failed):
    row = Row("list", "lists", "a list", "/s", "HTTP", 0.6)
    found = summarize_row(row, [{"list": 99, "HTTP": 100}], {failed: "503"})
    assert found["verdict"] == "FAILED: 503"
    assert "FAILED: 503" in format_table([found])


def test_a_row_that_was_not_measured_says_so():
    found = summarize_row(ROWS[-1], [{"list": 1.0}], {})
    assert found["row"] == "start-events"
    assert format_table([found]).endswith("not measured")


def test_the_table_shows_each_figure_with_its_reference():
    shown = format_table([summarize_row(RATIO_ROW, [{"list": 3600.4, "HTTP": 6000}] * 3, {})])
    assert [*shown.splitlines()[1].split()] == [
        "a", "list", "3,600", "/s", "HTTP", "6,000", "0.60", "0.60", "0.60", "0.60", ">=", "0.6",
        "reached",
    ]  # fmt: skip


def test_a_request_without_a_call_to_the_database_reaches_its_target():
    row = Row("android-events", "android", "events", "/s", "calls of android-events", 0.5)
    found = summarize_row(row, [{"android-events": 3000.0}] * 3, {})
    assert found["verdict"] == "reached"
    assert format_table([found]).splitlines()[1].split() == [
        *("events", "3,000", "/s", "no", "call", "to", "the", "database", ">=", "0.5", "reached")
    ]


def test_the_noise_of_each_measured_reference_is_shown():
    rounds = [{"find, users": 1000.0}, {"find, users": 1500.0}, {"find, users": 2000.0}]
    assert format_noise(rounds) == "reference find, users: 1,000, 1,500, 2,000; spread 67%"


def test_the_rows_have_their_targets():
    targets = {row.name: row.target for row in ROWS}
    assert targets["event"] == targets["list"] == targets["filters"] == 1.5
    assert (targets["event-user"], targets["search"], targets["healthz"]) == (0.6, 0.6, 0.8)
    assert (targets["hot-16"], targets["hot-64"], targets["hot-256"]) == (2.0, 3.0, 3.5)
    assert (targets["codes"], targets["spread"], targets["streams"]) == (0.8, 0.7, 0.9)
    calls = {kind.name for kinds in CALL_KINDS.values() for kind in kinds}
    assert {targets[name] for name in calls} == {0.5}


def test_every_part_of_the_table_is_measured():
    assert set(PARTS) - set(MEASUREMENTS) == {"memory", "start"}
    assert set(MEASUREMENTS) <= set(PARTS)


@pytest.mark.parametrize("uri", ["", "mongodb://db.example.org/x", "mongodb://127.0.0.1,10.0.0.1"])
def test_a_server_on_another_machine_is_refused(uri):
    with pytest.raises(BenchmarkError):
        make_scratch_uri(uri)


def test_the_benchmark_uses_a_database_of_its_own():
    own = make_scratch_uri("mongodb://127.0.0.1:27017/precious?directConnection=true")
    assert own == f"mongodb://127.0.0.1:27017/eventapp_bench_{os.getpid()}?directConnection=true"


@pytest.mark.parametrize(
    ("uri", "wrk", "words"), [("", "/bin/true", "MONGO_URI"), (LOOPBACK, None, "apt install wrk")]
)
def test_a_missing_requirement_is_reported_in_one_line(monkeypatch, capsys, uri, wrk, words):
    monkeypatch.setenv("MONGO_URI", uri)
    replace_seen(monkeypatch, wrk_module, "shutil", which=lambda _name: wrk)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["list"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["--rounds", "0"], ["--sizes", "100,10"], ["--minutes", "-1"]],
)
def test_invalid_arguments_are_refused(monkeypatch, capsys, arguments):
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert "error" in capsys.readouterr().err


@pytest.mark.parametrize("common", [True, False])
def test_no_search_comes_twice(common):
    pairs = draw_word_pairs(500, seed=1, common=common)
    assert len({frozenset(pair.split()) for pair in pairs}) == len(pairs) == 500


def test_each_booking_is_by_another_user():
    requests = list(make_booking_requests(["a", "b", "c"], [7, 8]))
    assert [token for token, _ in requests] == ["a", "b", "c"]
    assert ['"eventId": 7' in body for _, body in requests] == [True, False, True]
    assert not any("promoCode" in body for _, body in requests)
    assert all('"promoCode": "X"' in body for _, body in make_booking_requests("ab", [7], "X"))


def test_a_search_that_finds_other_events_is_refused():
    event = {"title": "Harbour Jazz", "description": "", "tags": []}
    check_search({"events": [event]}, ["jazz", "night"])
    for page in ({"events": []}, {"events": [event | {"title": "Cheese"}]}):
        with pytest.raises(BenchmarkError):
            check_search(page, ["jazz", "night"])


def test_the_server_runs_with_production_settings(tmp_path):
    given = make_settings(LOOPBACK, "s" * 32, tmp_path)
    assert given["APP_ENV"] == "production"
    assert given["WEB_CONCURRENCY"] == "2"
    assert given["CACHE_URL"] == ""


def test_the_resident_memory_of_a_process_is_read():
    assert 5 < read_resident_mb(os.getpid()) < 5000


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
def test_a_plan_is_described_by_its_indexes(plan, words):
    assert describe_plan({"queryPlanner": {"winningPlan": plan}}) == words


def test_growth_is_shown_as_a_table_and_as_a_chart():
    assert format_growth(GROWTH["kinds"][0]) == "1.5"
    lines = render_markdown(GROWTH).splitlines()
    assert "| events | 2.0 (2.0) | 3.0 (3.0) | 1.5 | a; b 2.0 |" in lines
    assert "| slow | 2.0 (2.0) | - | - | in memory |" in lines
    assert "| many | 2.0 (2.0) | 3.0 (3.0) | 1.5 | a; a; a; a; a; a; 3 more |" in lines
    assert render_chart(GROWTH).count("<circle") == 11
