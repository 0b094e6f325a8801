"""A clock that is 90 s off makes no process lose or repeat the work of another."""

from datetime import timedelta

import pytest

from eventapp.bookings.routes import bookings, event_bookings, offers
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.waitlist import routes as waitlist_routes
from tests.fault.world import (
    OPERATIONS,
    World,
    check_all,
    check_stock_and_money,
    describing,
    settle,
)

OFF = timedelta(seconds=90)
CLOCKS = (bookings, event_bookings, offers, waitlist_routes)


class Interruption:
    """Calls a function at one of the failpoints that are passed.

    Attributes:
        count: the failpoints that were passed.
    """

    def __init__(self, number, function):
        self.count, self._number, self._function = 0, number, function

    def __enter__(self):
        set_failpoint_hook(self._pass)
        return self

    def __exit__(self, *_):
        set_failpoint_hook(None)

    def _pass(self, _name):
        self.count += 1
        if self.count == self._number:
            set_failpoint_hook(None)
            self._function()


@pytest.mark.parametrize("late", ["request", "worker"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_a_worker_takes_work_in_progress_for_abandoned(
    app, db, provider, monkeypatch, operation, late
):
    """All jobs run at one of the steps of a request, 90 s later by their clock."""
    number = 0
    while True:
        number += 1
        world = World(app, db, provider)
        call = operation(world)
        with monkeypatch.context() as patch:
            if late == "request":
                for module in CLOCKS:
                    patch.setattr(module, "utc_now", lambda: utc_now() - OFF)
            seconds = OFF.total_seconds() if late == "worker" else 0
            with Interruption(
                number, lambda world=world, seconds=seconds: world.run_jobs(seconds=seconds)
            ) as interruption:
                answer = call()
        if interruption.count < number:
            break
        with describing("failpoint", number, answer.status_code, answer.json):
            assert answer.status_code < 300 or answer.status_code == 503
            settle(world)
            check_all(world, answer)
            world.run_jobs(minutes=45)
            check_stock_and_money(world)
