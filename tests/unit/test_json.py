"""Encoded JSON keeps no more memory alive than its own bytes."""

import tracemalloc

import orjson

from eventapp.core import json

ANSWERS = 1000


def measure_bytes_kept_alive(dumps):
    """Return the average number of bytes that an encoded answer keeps alive."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        answers = [dumps({"number": number}) for number in range(ANSWERS)]
        return (tracemalloc.get_traced_memory()[0] - before) / len(answers)
    finally:
        tracemalloc.stop()


def test_an_encoded_answer_keeps_no_more_than_itself_alive():
    assert measure_bytes_kept_alive(json.dumps) < 150


def test_control_the_bytes_of_orjson_keep_its_whole_buffer_alive():
    assert measure_bytes_kept_alive(orjson.dumps) > 1000
