"""Races begin with an inventory that has cached nothing: eventIds start at 1 in every test."""

import pytest

from eventapp.bookings.context import BOOKING_CONTEXT
from tests.race import kit


@pytest.fixture
def context(app, db, request):
    """The context of a server process. After a test, all tickets must add up.

    A control shows what happens without a guard, so they need not.
    """
    context = kit.another_process(BOOKING_CONTEXT.get(app))
    yield context
    if "control" not in request.node.name:
        assert kit.find_faults(context) == []
