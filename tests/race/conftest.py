"""Races begin with an inventory that has cached nothing: eventIds start at 1 in every test."""

import pytest

from eventapp.bookings.context import BOOKING_CONTEXT
from tests.race import kit


@pytest.fixture
def context(app, db):
    return kit.another_process(BOOKING_CONTEXT.get(app))
