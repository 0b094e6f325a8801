"""The soak test finds faults in its samples and draws them."""

import xml.etree.ElementTree as ElementTree

import pytest

from scripts.soak.chart import render_chart
from scripts.soak.cli import find_traffic_faults
from scripts.soak.traffic import TrafficLog


def samples(*mb):
    return [
        {"seconds": 5.0 * number, "mb": [40.0, each], "answers": 10, "ms": [4.0, 20.0, 90.0]}
        for number, each in enumerate(mb, 1)
    ]


def test_the_chart_marks_the_time_when_the_database_was_down():
    chart = ElementTree.fromstring(render_chart(samples(90, 95, 96, 95), (10.0, 15.0)))
    texts = [text.text for text in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert {"worker 1", "95 of 100", "database away"} <= set(texts)
    without_crash = render_chart(samples(90, 95, 96, 95), (0.0, 0.0))
    assert "database away" not in without_crash


@pytest.mark.parametrize(
    ("mb", "is_fault"),
    [([50, 100, 101, 99, 100, 101], False), ([50, 100, 110, 120, 130, 140], True)],
)
def test_memory_that_grows_is_a_fault(mb, is_fault):
    faults = find_traffic_faults(samples(*mb), TrafficLog(stream_messages=1))
    assert [fault for fault in faults if "memory grew" in fault] == faults
    assert bool(faults) == is_fault


def test_wrong_answers_and_silent_streams_are_faults():
    log = TrafficLog()
    log.faults["GET /api/events: 500"] += 2
    faults = find_traffic_faults(samples(90, 90, 90), log)
    assert faults == ["2 x GET /api/events: 500", "no stream sent an event"]
