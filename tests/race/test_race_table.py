"""scripts/race_table.py: this API holds, a server without guards is convicted in every race."""

import pytest

from scripts import race_table
from tests import live
from tests.race import open_shop

FEW = ["--buyers", "8", "--rounds", "1"]
OPEN_SHOP = ["--adapter", open_shop.__file__, *FEW]
EVENTAPP = ["--adapter", "scripts/race_adapters/eventapp.py", *FEW]


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch):
    """An inconsistent shop stays inconsistent, so there is nothing to wait for."""
    monkeypatch.setattr(race_table, "SETTLE_SECONDS", 0.2)


def verdicts(capsys):
    """Return the last word of each race's row."""
    return [row.split()[-1] for row in capsys.readouterr().out.splitlines()[1:]]


def test_this_api_holds_in_every_race(app, organizer, clean_inventory, monkeypatch, capsys):
    monkeypatch.setattr(race_table, "SETTLE_SECONDS", 3.0)
    token = organizer["headers"]["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("RACE_TOKEN", token)
    with live.serve(app) as url:
        code = race_table.main(["--url", url, *EVENTAPP])
    assert (code, verdicts(capsys)) == (0, ["holds"] * len(race_table.RACES))


def test_a_shop_without_guards_is_broken_in_every_race_control(capsys):
    with live.serve(open_shop.make_app(locked=False)) as url:
        code = race_table.main(["--url", url, *OPEN_SHOP])
    assert (code, verdicts(capsys)) == (1, ["BROKEN"] * len(race_table.RACES))


def test_the_same_shop_with_a_lock_holds(capsys):
    with live.serve(open_shop.make_app(locked=True)) as url:
        code = race_table.main(["--url", url, *OPEN_SHOP])
    assert (code, verdicts(capsys)) == (0, ["holds"] * len(race_table.RACES))


def test_a_shop_that_refuses_to_sell_is_broken():
    class NeverSells(open_shop.Adapter):
        def book(self, *arguments):
            return None

    with live.serve(open_shop.make_app(locked=True)) as url:
        result = race_table.last_ticket(NeverSells(url), range(4))
    assert result.faults == ["0 booked, at least 1 expected"]


def test_a_shop_that_forgets_a_booking_is_broken():
    class Forgets(open_shop.Adapter):
        def book(self, buyer, *arguments):
            return super().book(buyer, *arguments) or f"lost-{buyer}"

    with live.serve(open_shop.make_app(locked=True)) as url:
        result = race_table.last_ticket(Forgets(url), range(4))
    assert result.faults == ["3 promised and not stored"]


def test_calls_without_an_answer_give_no_result_and_missing_features_are_skipped():
    class Silent(open_shop.Adapter):
        def book(self, buyer, event, quantity, key, code, hold):
            if hold:
                raise NotImplementedError
            raise ConnectionError("no answer")

    with live.serve(open_shop.make_app(locked=True)) as url:
        rows = race_table.judge_races(Silent(url), buyers=4, rounds=1)
    results = {row[0]: row[-1] for row in rows}
    assert results["many buyers, one last ticket"] == "no result"
    assert results["confirmed and cancelled at once"] == "skipped"
    assert {"BROKEN", "holds"}.isdisjoint(results.values())


@pytest.mark.parametrize(
    "url",
    [
        "http://203.0.113.7",
        "https://tickets.example.org",
        "http://127.0.0.1.example.org",
        "http://127.0.0.1@example.org",
        "http://0.0.0.0:10000",
        "file:///etc/hosts",
        "",
    ],
)
def test_another_host_is_refused(url, monkeypatch, capsys):
    monkeypatch.setattr(race_table, "judge_races", lambda *_: pytest.fail("it was raced"))
    with pytest.raises(SystemExit):
        race_table.main(["--url", url, *OPEN_SHOP])
    with pytest.raises(SystemExit):
        race_table.main(["--url", url, "--host-is-mine", "other.example.org", *OPEN_SHOP])


@pytest.mark.parametrize("load", [("--buyers", "3"), ("--buyers", "65"), ("--rounds", "21")])
def test_the_load_is_bounded(load, monkeypatch, capsys):
    monkeypatch.setattr(race_table, "judge_races", lambda *_: pytest.fail("it was raced"))
    with pytest.raises(SystemExit):
        race_table.main([*OPEN_SHOP, *load])


def test_a_host_named_as_ones_own_is_raced(monkeypatch, capsys):
    monkeypatch.setattr(race_table, "judge_races", lambda *_: [])
    assert race_table.main(["--url", "http://box:1", "--host-is-mine", "box", *OPEN_SHOP]) == 0
