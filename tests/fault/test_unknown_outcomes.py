"""Whatever happens to one write, nothing is lost, sold twice or paid twice.

Each test makes every write of a call fail, one after the other, in one way. The client is told the
usual answer or 503. Afterwards the stock adds up, what the client was told is stored, and the money
is right.
"""

import pytest

from tests.fault.database_faults import FAULTS, inject_faults
from tests.fault.world import (
    OPERATIONS,
    World,
    check_all,
    check_answer,
    check_repetition,
    check_stock_and_money,
    describing,
    settle,
)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_a_write_that_fails_loses_nothing(app, db, provider, operation, fault):
    with inject_faults() as faults:
        number = 0
        while True:
            number += 1
            world = World(app, db, provider)
            call = operation(world)
            faults.begin(number, fault)
            answer = call()
            faults.end()
            if faults.count < number:
                break
            with describing("write", number, fault, answer.status_code):
                check_answer(world, answer)
                settle(world, faults.perform_late_writes)
                check_all(world, answer)
                check_repetition(world, operation, call, answer)
                world.run_jobs(minutes=45)  # Holds and offers have expired.
                check_stock_and_money(world)
    assert number > 1
