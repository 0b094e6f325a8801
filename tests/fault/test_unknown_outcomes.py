"""Whatever happens to one write, nothing is lost, sold twice or paid twice.

Each test makes every write of a call fail, one after the other, in one way. The client is told the
usual answer or 503. Afterwards the stock adds up, what the client was told is stored, and the money
is right.
"""

from itertools import count

import pytest

from tests.fault.database_faults import FAULTS, inject_faults
from tests.fault.world import OPERATIONS, Trial, World, check_trials


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_a_write_that_fails_loses_nothing(app, db, provider, operation, fault):
    trials = []
    with inject_faults() as faults:
        for number in count(1):
            world = World(app, db, provider)
            call = operation(world)
            faults.begin(number, fault)
            answer = call()
            faults.end()
            if faults.count < number:
                break
            trials.append(Trial(("write", number, fault), world, call, answer))
        check_trials(trials, operation, faults.perform_late_writes)
