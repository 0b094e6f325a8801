"""The events on which the benchmark compares bookings: as large as is said, and bookable."""

import pytest

from eventapp.bookings import auditing
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.core.clock import utc_now
from eventapp.events import quotas as quota_rules
from eventapp.events import rules
from eventapp.inventory.store import MAX_ENTRIES
from eventapp.promotions.rules import MAX_CODES
from scripts.bench import sale_events
from tests.bookings_factories import Caller


@pytest.fixture
def ann(client, app):
    return Caller(client, app)


def book(ann, event_id, **more):
    return ann.order(event_id, ticketTypeId=1, quantity=1, **more)


@pytest.mark.parametrize(
    "store", [sale_events.store_plain_event, sale_events.store_event_at_limits]
)
def test_an_event_takes_bookings(db, ann, store):
    event_id = store(db)
    assert book(ann, event_id).json["data"]["booking"]["totalPrice"] == 20
    assert db.events.find_one({})["ticketTypes"][0]["soldTickets"] == 1


def test_an_event_with_a_code_takes_bookings_with_it(db, ann):
    event_id = sale_events.store_event_with_code(db)
    answer = book(ann, event_id, promoCode=sale_events.CODE)
    assert answer.json["data"]["booking"]["totalPrice"] == 18
    (code,) = db.events.find_one({})["promoCodes"].values()
    assert code["used"] == 1
    places = [each["availableTickets"] for each in db.events.find_one({})["quotas"]]
    assert places == [sale_events.AMPLE - 1] * 2


def test_an_event_at_all_limits_is_as_large_as_one_can_be(db):
    sale_events.store_event_at_limits(db)
    event = db.events.find_one({})
    pairs = len(event["schedule"]) * len(event["ticketTypes"])
    assert len(event["schedule"]) == rules.MAX_ENTRIES
    assert rules.MAX_PAIRS - rules.MAX_ENTRIES < pairs <= rules.MAX_PAIRS
    assert len(event["quotas"]) == quota_rules.MAX_QUOTAS
    ids = [len(each["scheduleIds"]) + len(each["ticketTypeIds"]) for each in event["quotas"]]
    assert set(ids) == {quota_rules.MAX_IDS}
    assert len(event["promoCodes"]) == MAX_CODES
    assert 0.9 * MAX_ENTRIES < len(event["inFlight"]) < MAX_ENTRIES


def test_without_its_filler_the_stock_adds_up(app, db, ann):
    event_id = sale_events.store_event_at_limits(db)
    assert book(ann, event_id).status_code == 201
    assert list(auditing.check(BOOKING_CONTEXT.get(app), utc_now())) != []
    sale_events.remove_filler(db, event_id)
    assert list(auditing.check(BOOKING_CONTEXT.get(app), utc_now())) == []
    assert len(db.events.find_one({})["inFlight"]) == 1
