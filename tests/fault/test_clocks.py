"""A clock that is 90 s off makes no process lose or repeat the work of another."""

import functools
from datetime import timedelta
from itertools import count

import pytest

from eventapp.bookings.routes import bookings, event_bookings, offers
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.waitlist import routes as waitlist_routes
from tests.fault.world import OPERATIONS, Trial, World, add_a_favorite, check_trials

OFF = timedelta(seconds=90)
# An operation of one write passes no failpoint.
INTERRUPTED = [operation for operation in OPERATIONS if operation is not add_a_favorite]
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
@pytest.mark.parametrize("operation", INTERRUPTED, ids=lambda operation: operation.__name__)
def test_a_worker_takes_work_in_progress_for_abandoned(
    app, db, provider, monkeypatch, operation, late
):
    """All jobs run at one of the steps of a request, 90 s later by their clock."""
    trials, seconds = [], OFF.total_seconds() if late == "worker" else 0
    for number in count(1):
        world = World(app, db, provider)
        call = operation(world)
        with monkeypatch.context() as patch:
            if late == "request":
                for module in CLOCKS:
                    patch.setattr(module, "utc_now", lambda: utc_now() - OFF)
            work = functools.partial(world.run_jobs, seconds=seconds)
            with Interruption(number, work) as interruption:
                answer = call()
        if interruption.count < number:
            break
        trials.append(Trial(("failpoint", number), world, call, answer))
    check_trials(trials)
