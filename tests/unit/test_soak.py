"""What a soak makes of its samples."""

import xml.etree.ElementTree as ElementTree

import pytest

from scripts.soak.cli import faults_seen
from scripts.soak.plot import drawing
from scripts.soak.traffic import Log


def samples(*mb):
    return [
        {"seconds": 5.0 * number, "mb": [40.0, each], "answers": 10, "ms": [4.0, 20.0, 90.0]}
        for number, each in enumerate(mb, 1)
    ]


def test_it_is_drawn_with_the_time_when_the_database_was_away():
    drawn = ElementTree.fromstring(drawing(samples(90, 95, 96, 95), (10.0, 15.0)))
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"worker 1", "95 of 100", "database away"} <= set(texts)
    quiet = drawing(samples(90, 95, 96, 95), (0.0, 0.0))
    assert "database away" not in quiet


@pytest.mark.parametrize(
    ("mb", "grew"), [([50, 100, 101, 99, 100, 101], False), ([50, 100, 110, 120, 130, 140], True)]
)
def test_memory_that_grows_is_a_fault(mb, grew):
    faults = faults_seen(samples(*mb), Log(heard=1))
    assert [fault for fault in faults if "memory grew" in fault] == faults
    assert bool(faults) == grew


def test_wrong_answers_and_silent_streams_are_faults():
    log = Log()
    log.faults["GET /api/events: 500"] += 2
    found = faults_seen(samples(90, 90, 90), log)
    assert found == ["2 x GET /api/events: 500", "the streams said nothing"]
