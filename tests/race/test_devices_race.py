"""Of many callers with one pairing code, exactly one gets the secret of the device."""

from threading import Barrier

import pytest
from bson import ObjectId

from eventapp.accounts import store_device_tokens
from eventapp.accounts.device_tokens import DeviceMaker, create_device
from eventapp.accounts.sessions import open_session
from eventapp.core.clock import utc_now
from eventapp.devices import service
from tests import factories
from tests.race.kit import count_outcomes, run_concurrently
from tests.race.test_accounts_race import register
from tests.race.test_mail_tokens_race import DAY

RACERS, CONTROL_RACERS = 50, 4


@pytest.fixture
def code(db):
    """The code of a device of an admin."""
    user = register(db)
    db.users.update_one({"_id": user["_id"]}, {"$set": {"role": "admin"}})
    admin = db.users.find_one({"_id": user["_id"]})
    session = open_session(db, admin, now=utc_now(), lifetime=DAY)
    event_id = factories.make_event(db, organizer_id=ObjectId())["eventId"]
    maker = DeviceMaker(user["_id"], "admin", session["_id"])
    made, _device_id = create_device(db, event_id, "Door", maker, utc_now())
    return made


def pair_concurrently(db, code, racers):
    calls = [lambda: service.pair_device(db, code, utc_now())] * racers
    return run_concurrently(*calls)


def test_of_fifty_racers_with_one_code_one_pairs_its_device(db, code):
    results = pair_concurrently(db, code, RACERS)
    assert count_outcomes(results) == {"dict": 1, "code_invalid": RACERS - 1}
    (winner,) = [each for each in results if isinstance(each, dict)]
    assert db.apiTokens.find_one()["prefix"] == winner["secret"][:10]


def test_control_a_code_that_is_read_before_it_is_removed_is_used_several_times(
    db, code, monkeypatch
):
    gate = Barrier(CONTROL_RACERS)

    def exchange(db, code_hash, *, secret_hash, prefix, now):
        device = db.apiTokens.find_one({"codeHash": code_hash})
        gate.wait()
        change = {"$set": {"secretHash": secret_hash, "prefix": prefix, "pairedAt": now}}
        db.apiTokens.update_one({"_id": device["_id"]}, {**change, "$unset": {"codeHash": ""}})
        return device

    monkeypatch.setattr(store_device_tokens, "exchange_code", exchange)
    results = pair_concurrently(db, code, CONTROL_RACERS)
    assert count_outcomes(results) == {"dict": CONTROL_RACERS}
