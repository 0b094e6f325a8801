"""What is remembered takes no more memory than it may."""

import tracemalloc

from eventapp.core.clock import utc_now
from eventapp.core.lru_cache import Remembered
from eventapp.events.cache.rendering import render
from eventapp.events.service import new_event
from tests.factories import event_body


def test_the_least_asked_for_goes_first():
    remembered = Remembered(3, len)
    for key in "abc":
        remembered.put(key, "x")
    assert remembered.get("a")
    remembered.put("d", "x")
    assert [remembered.get(key) for key in "abcd"] == ["x", None, "x", "x"]


def test_bytes_are_counted_not_values():
    remembered = Remembered(10, len)
    remembered.put("a", "x" * 4)
    remembered.put("b", "x" * 4)
    remembered.put("a", "x" * 6)  # in place of the shorter one
    assert [len(remembered.get(key)) for key in "ab"] == [6, 4]
    remembered.put("c", "x" * 9)
    assert [remembered.get(key) for key in "ab"] == [None, None]
    remembered.put("d", "x" * 11)  # too big for all that may be
    assert [remembered.get(key) for key in "cd"] == [None, None]
    remembered.put("e", "x" * 10)
    remembered.drop("e")
    remembered.put("f", "x" * 10)
    remembered.clear()
    remembered.put("g", "x" * 10)
    assert remembered.get("g")


def test_an_event_takes_no_more_memory_than_is_counted():
    events = [new_event(stored_body(number), organizer_id=None, now=utc_now()) for number in "123"]
    documents = [
        {**event, "_id": None, "eventId": 1000 + number} for number, event in enumerate(events * 99)
    ]
    remembered = Remembered(10**9, lambda event: event.size)
    render(documents[0])
    tracemalloc.start()
    for document in documents:
        remembered.put(document["eventId"], render(document))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * remembered._bytes < taken < remembered._bytes


def stored_body(number):
    body = event_body(title=f"Event {number}" * int(number), description="words " * 40)
    return body | {"schedule": [{**entry, "date": utc_now().date()} for entry in body["schedule"]]}
