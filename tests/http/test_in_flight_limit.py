"""An event with as many in-flight entries as are allowed is sold again once some are cleared."""

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.inventory import store
from eventapp.inventory.service import TicketRequest
from tests.bookings_factories import Caller, context_of, event_of, refused, stock_of
from tests.race import kit

pytestmark = pytest.mark.usefixtures("clean_inventory")
LIMIT = 5


@pytest.fixture
def ann(client, app, db, monkeypatch):
    monkeypatch.setattr(store, "MAX_ENTRIES", LIMIT)
    event_of(db, 100)
    return Caller(client, app)


def take(context, count):
    """Take tickets in a process that dies before it stores the bookings."""
    for _ in range(count):
        request = TicketRequest(booking_id=str(ObjectId()), items={1: 1}, schedule_id=1)
        kit.another_process(context).inventory.take(1, request, utc_now())


def test_a_sale_is_refused_while_too_many_takes_are_in_flight(db, app, ann):
    take(context_of(app), LIMIT)
    answer = ann.order(1, ticketTypeId=1, quantity=1)
    refused(answer, 503, "event_busy")
    assert answer.headers["Retry-After"] == "1"
    assert stock_of(db, 1) == (95, 5, 0, 0)
    kit.run_all_jobs(context_of(app), utc_now() + kit.AFTER_ABANDONMENT)
    ann.book(1)
    assert stock_of(db, 1) == (99, 1, 0, 0)


def test_a_sale_first_clears_the_takes_of_its_own_process(db, ann, client, app):
    for _ in range(3 * LIMIT):
        Caller(client, app).book(1)
    assert len(db.events.find_one({})["inFlight"]) <= LIMIT


def test_a_sale_first_clears_recorded_takes_of_other_processes(db, app, ann):
    take(context_of(app), LIMIT - 1)
    event = {"eventId": 1}
    kit.book(kit.another_process(context_of(app)), event)
    ann.book(1)
    assert len(db.events.find_one({})["inFlight"]) == LIMIT
    assert stock_of(db, 1) == (94, 6, 0, 0)


def test_tickets_are_returned_whatever_is_in_flight(db, app, ann):
    booking = ann.book(1)
    take(context_of(app), LIMIT - 1)
    assert ann.cancel(booking).status_code == 200
    assert stock_of(db, 1) == (96, 4, 0, 0)
