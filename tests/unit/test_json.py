"""JSON as it goes out."""

import tracemalloc

import orjson

from eventapp.core import json

KEPT = 1000


def bytes_kept(dumps):
    """What each of many answers holds of the memory, while it is kept."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [dumps({"number": number}) for number in range(KEPT)]
        return (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    finally:
        tracemalloc.stop()


def test_an_answer_that_is_kept_holds_no_more_than_itself():
    assert bytes_kept(json.dumps) < 150


def test_control_as_the_encoder_gives_it_holds_its_whole_buffer():
    assert bytes_kept(orjson.dumps) > 1000
