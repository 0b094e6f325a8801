"""`scripts/seed.py` adds sample events, which are always upcoming, and generated events."""

import json
import re
from collections import Counter
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

import scripts.bulk_load
from eventapp import prepare_database
from eventapp.analytics import sales_sums
from eventapp.config import load_config
from eventapp.core.clock import utc_now
from eventapp.core.database import SCHEMA_VERSION, connect, open_database
from eventapp.events import rules, store
from eventapp.media import store as photos
from scripts import seed
from scripts.configured_database import open_configured_database
from scripts.synthetic_events import WORDS, generate_bodies
from tests.conftest import MONGO_URI, make_database_uri, make_settings

SAMPLES = len(json.loads(seed.SAMPLES.read_text(encoding="utf-8")))
TODAY = date(2026, 5, 20)


def run(db, *arguments):
    """Run the command with these arguments on the database of the test."""
    seed.seed(db, seed.parse_options(list(arguments)))


def dates_of(db):
    return sorted(entry["date"].date() for e in db.events.find() for entry in e["schedule"])


def test_all_samples_are_upcoming_and_the_first_answer_has_six(client, db):
    run(db)
    assert db.events.count_documents({}) == SAMPLES
    assert min(dates_of(db)) >= utc_now().date() + timedelta(days=14)
    assert min(dates_of(db)) < utc_now().date() + timedelta(days=21)
    answer = client.get("/api/events").get_json()
    assert len(answer["events"]) >= 6
    assert answer["total"] == SAMPLES


def test_running_twice_adds_nothing(db, capsys):
    run(db)
    ids = {event["_id"]: event["eventId"] for event in db.events.find()}
    run(db)
    assert {event["_id"]: event["eventId"] for event in db.events.find()} == ids
    assert f"added 0 sample events; {SAMPLES} were there already" in capsys.readouterr().out


def test_a_sample_that_was_deleted_comes_back_under_a_new_id(db):
    run(db)
    highest = max(event["eventId"] for event in db.events.find())
    db.events.delete_one({"eventId": highest})
    run(db)
    assert max(event["eventId"] for event in db.events.find()) == highest + 1


def test_dates_move_by_one_shift_of_whole_weeks(db):
    run(db)
    moved = dates_of(db)
    run(db, "--reset", "--keep-dates")
    kept = dates_of(db)
    shifts = {new - old for new, old in zip(moved, kept, strict=True)}
    assert len(shifts) == 1
    assert shifts.pop().days % 7 == 0
    assert kept[0].isoformat() in seed.SAMPLES.read_text(encoding="utf-8")


@pytest.mark.parametrize("days", [-4000, -35, -1, 0, 1, 13, 14, 15, 400])
def test_shift_lands_two_to_three_weeks_from_today(days):
    moved = TODAY + timedelta(days=days)
    ahead = moved + seed.compute_shift(moved, TODAY) - TODAY
    assert timedelta(days=14) <= ahead < timedelta(days=21)


def test_reset_deletes_events_and_what_refers_to_them_but_no_account(db, capsys):
    run(db)
    db.favorites.insert_one({"_id": "guest", "events": [], "count": 0})
    db.users.insert_one({"name": "A", "emailKey": "a@example.org"})
    highest = max(event["eventId"] for event in db.events.find())
    run(db, "--reset")
    assert db.favorites.count_documents({}) == 0
    assert db.users.count_documents({}) == 1
    assert min(event["eventId"] for event in db.events.find()) > highest
    assert f"deleted: {SAMPLES} events, 1 favorites" in capsys.readouterr().out


def test_reset_deletes_the_photos_of_events_only(db, capsys):
    for owner in ("event/1", "user/1", "gallery/1"):
        assert photos.insert(db, {"_id": ObjectId(), "owner": owner, "sha": owner}, b"bytes")
    run(db, "--reset")
    assert photos.read(db, "event/1") is None
    assert photos.read(db, "user/1") == photos.read(db, "gallery/1") == b"bytes"
    assert "deleted: 1 photos" in capsys.readouterr().out


def dump(db):
    return {name: list(db[name].find()) for name in db.list_collection_names()}


@pytest.mark.parametrize(
    ("arguments", "planned"),
    [
        ([], f"would add 1 sample events; {SAMPLES - 1} are there already"),
        (["--synthetic", "2000"], "would add 2000 generated events"),
        (
            ["--reset"],
            f"would delete: {SAMPLES - 1} events, 1 favorites, 1 photos\n"
            f"would add {SAMPLES} sample events; 0 are there already",
        ),
        (["--if-empty"], ""),
        (
            ["--reset", "--if-empty", "--synthetic", "7"],
            f"would delete: {SAMPLES - 1} events, 1 favorites, 1 photos\n"
            "would add 7 generated events",
        ),
    ],
)
def test_a_dry_run_says_what_a_run_would_do_and_does_nothing(db, capsys, arguments, planned):
    run(db)
    db.events.delete_one({"eventId": 1})
    db.favorites.insert_one({"_id": "guest", "events": [], "count": 0})
    photos.insert(db, {"_id": ObjectId(), "owner": "event/2", "sha": "x"}, b"bytes")
    before = dump(db)
    capsys.readouterr()
    run(db, *arguments, "--dry-run")
    printed = capsys.readouterr()
    assert (printed.out.rstrip("\n"), printed.err) == (planned, "")
    assert dump(db) == before


def test_a_dry_run_does_not_prepare_the_database(tmp_path, monkeypatch, capsys):
    settings = make_settings(tmp_path)
    monkeypatch.setattr("scripts.configured_database.load_config", lambda: load_config(settings))
    assert seed.main(["--dry-run"]) == 0
    assert f"would add {SAMPLES} sample events" in capsys.readouterr().out
    with open_configured_database("seed", is_dry_run=True) as (_config, database):
        assert database.db.list_collection_names() == []


def test_reset_leaves_no_figures_of_deleted_bookings(db):
    earlier = utc_now() - timedelta(hours=1)  # Long enough ago for the sums to include it.
    made = {"bookingReference": "EVT-AAAAAA", "createdAt": earlier, "updatedAt": earlier}
    sold = {"eventId": 1, "status": "confirmed", "quantity": 2, "totalCents": 2400}
    db.bookings.insert_one({**made, **sold, "organizerId": None})
    assert sales_sums.refresh_sums(db, utc_now()) > 0
    run(db, "--reset")
    assert sales_sums.sum_by_event(db, None) == {}
    days = earlier.date(), utc_now().date()
    assert sales_sums.sum_by_day(db, None, *days, ZoneInfo("UTC")) == {}


def test_samples_in_the_past_are_reported(db, capsys):
    run(db)
    past = utc_now() - timedelta(days=1)
    db.events.update_many({}, {"$set": {"overAt": past}})
    run(db)
    assert f"{SAMPLES} of them are over: --reset" in capsys.readouterr().out


def test_if_empty_adds_nothing_to_a_database_with_events(db):
    run(db, "--synthetic", "1")
    run(db, "--if-empty")
    assert db.events.count_documents({}) == 1


def test_synthetic_events_have_the_fields_that_the_api_would_store(client, db, capsys):
    run(db, "--synthetic", "300")
    assert db.events.count_documents({}) == 300
    for event in db.events.find():
        derived = rules.derive_fields(event, utc_now().date())
        assert {name: event[name] for name in derived} == derived
        assert all(kind["capacity"] == kind["availableTickets"] for kind in event["ticketTypes"])
    ids = {event["eventId"] for event in db.events.find()}
    assert len(ids) == 300
    assert client.get("/api/events?limit=100&sortBy=date").status_code == 200
    assert "added 300 generated events" in capsys.readouterr().out


def test_each_synthetic_run_adds_different_events(db):
    run(db, "--synthetic", "50")
    run(db, "--synthetic", "50")
    titles = Counter((e["title"], e["firstDate"]) for e in db.events.find())
    assert len(titles) > 95


def test_a_large_load_ends_with_all_indexes(db, monkeypatch):
    monkeypatch.setattr(scripts.bulk_load, "MIN_EVENTS_TO_DROP_INDEXES", 100)
    run(db, "--synthetic", "150")
    wanted = {model.document["name"] for model in store.INDEXES["events"]}
    assert wanted <= set(db.events.index_information())
    assert db.events.count_documents({"$text": {"$search": "night music summer"}}) > 0


def test_an_interrupted_load_restores_the_indexes(db):
    def interrupted_load():
        with scripts.bulk_load.without_indexes(db):
            assert "search" not in db.events.index_information()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_load()
    assert "search" in db.events.index_information()


def test_generated_events_are_varied_and_repeatable():
    made = list(generate_bodies(3000, seed=1, today=TODAY))
    assert made == list(generate_bodies(3000, seed=1, today=TODAY))
    assert len(WORDS) >= 2000
    used = Counter(w for body in made for w in re.findall(r"\w+", body["description"].lower()))
    assert len(used) > 1500
    assert used["night"] > 20 * used[WORDS[200]] > 0
    assert {body["category"] for body in made} == set(rules.CATEGORIES)
    assert {len(body["schedule"]) for body in made} == {1, 2, 3, 4}
    assert {len(body["ticketTypes"]) for body in made} == {1, 2, 3}
    dates = [entry["date"] for body in made for entry in body["schedule"]]
    assert min(dates) < TODAY < max(dates) <= TODAY + timedelta(days=730 + 42)
    assert len({e["location"].split(", ")[1] for b in made for e in b["schedule"]}) >= 30


@pytest.mark.parametrize("number", ["0", "-1", "x", "1e9", "10000001"])
def test_an_invalid_count_is_refused(number, capsys):
    with pytest.raises(SystemExit):
        seed.parse_options(["--synthetic", number])
    assert "must be a number from 1 to" in capsys.readouterr().err


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Return a function that sets the environment to the settings of a test, with changes."""

    def put(**changes):
        for name, value in make_settings(tmp_path, **changes).items():
            monkeypatch.setenv(name, value)
        return tmp_path

    return put


def failure(capsys, code):
    with pytest.raises(SystemExit) as ended:
        seed.main([])
    assert ended.value.code == code
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_store_in_use_is_reported_in_one_line(environment, capsys):
    directory = environment(MONGO_URI="")
    app_store = open_database(load_config(), prepare_database)
    line = failure(capsys, 1)
    app_store.client.close()
    assert line.startswith("seed: The embedded store serves one process")
    assert str(directory) in line


def test_a_database_of_a_newer_version_is_reported_in_one_line(environment, capsys):
    environment()
    assert seed.main([]) == 0
    with open_configured_database("test") as (_config, database):
        version = {"$set": {"value": SCHEMA_VERSION + 1}}
        database.db.counters.update_one({"_id": "schemaVersion"}, version)
        capsys.readouterr()
    assert failure(capsys, 1) == "seed: the database was written by a newer version of eventapp"
    if MONGO_URI:
        with connect(load_config().mongo_uri or make_database_uri(MONGO_URI)) as client:
            client.drop_database(client.get_default_database())


def test_a_database_that_is_down_is_reported_in_one_line(environment, capsys):
    environment(MONGO_URI="mongodb://127.0.0.1:9/x?serverSelectionTimeoutMS=200")
    assert failure(capsys, 1) == "seed: the database does not answer"


def test_an_invalid_setting_is_reported_in_one_line(environment, capsys):
    environment(PORT="x")
    assert failure(capsys, 2).startswith("seed: PORT: ")


def test_the_command_seeds_the_configured_database(environment, capsys):
    environment()
    assert seed.main(["--if-empty"]) == 0
    assert seed.main(["--if-empty"]) == 0
    assert capsys.readouterr().out == f"added {SAMPLES} sample events; 0 were there already\n"
    if MONGO_URI:
        with connect(load_config().mongo_uri or make_database_uri(MONGO_URI)) as client:
            client.drop_database(client.get_default_database())
