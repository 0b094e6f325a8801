"""The random numbers of a history are recorded, and repeated exactly."""

import random

from tests.conftest import needs_no_server
from tests.simulation.history import open_store
from tests.simulation.shrinking import RecordedRandom, shrink

pytestmark = needs_no_server


def draw(source: random.Random) -> list[float]:
    """Return numbers as a history draws them."""
    return [
        number
        for _ in range(50)
        for number in (
            *(source.random(), source.uniform(0, 5), source.randint(1, 4)),
            *source.sample(range(20), 2),
            *source.choices(range(7), range(1, 8)),
            source.choice(range(30)),
        )
    ]


def test_recorded_numbers_are_those_of_the_seed() -> None:
    assert draw(RecordedRandom(3)) == draw(random.Random(3))


def test_recorded_numbers_are_repeated() -> None:
    recorded = RecordedRandom(3)
    drawn = draw(recorded)
    repeated = RecordedRandom(4, recorded.drawn)
    assert draw(repeated) == drawn


def test_where_numbers_are_missing_the_first_choice_is_made_and_no_fault() -> None:
    source = RecordedRandom(3, [])
    assert source.choice("ab") == "a"
    assert source.random() > 0.99


def test_a_history_that_holds_is_not_shrunk() -> None:
    assert shrink(open_store(), 1) is None
