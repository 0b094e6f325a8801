"""What recovery and the ticket limit read of the entries in flight, and which may be cleared."""

from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.events.service import EventOverloaded
from eventapp.inventory import in_flight, store
from eventapp.inventory.entry_keys import make_retake_key
from eventapp.inventory.in_flight import MAX_CLEARED_KEYS, ClearableEntries, InFlightEntries
from tests.bookings_factories import event_of

NOW = utc_now()
TAKE = {"kind": "take", "items": [[1, 2], [2, 1]], "held": False, "by": "ann key", "at": NOW}


def entries_of(db, **entries):
    """Store events 1 and 2, the second with these entries; return the reader of entries."""
    event_of(db, 5), event_of(db, 5)
    other = {"inFlight": {"other": {**TAKE, "by": "zoe"}}}
    db.events.update_one({"eventId": 1}, {"$set": other})
    db.events.update_one({"eventId": 2}, {"$set": {"inFlight": entries}})
    return InFlightEntries(db)


def stored_keys(db):
    return list(db.events.find_one({"eventId": 2})["inFlight"])


def test_entries_are_found_from_before_a_moment(db):
    old = {**TAKE, "at": NOW - timedelta(seconds=1)}
    entries = entries_of(db, a=TAKE, b=old)
    assert entries.find_before(2, NOW) == {"b": old}
    assert entries.find_before(9, NOW) == {}
    assert entries.find_event(9) is None


def test_the_takes_of_a_user_are_found_by_the_requester_and_joins_are_none(db):
    join = {"kind": "enter", "type": 1, "by": "ann", "at": NOW}
    offer = {name: value for name, value in TAKE.items() if name != "by"}
    entries = entries_of(db, a=TAKE, b={**TAKE, "by": "annabel"}, c=join, d=offer)
    assert entries.has_take(2, {"ann key"})
    assert not entries.has_take(2, {"ann"})
    assert not entries.has_take(2, {"zoe"})
    assert entries.find_taken(2, "ann ") == {"a": {1: 2, 2: 1}}
    assert entries.find_taken(2, "zoe") == {}


def test_sales_are_takes_of_neither_offers_nor_late_payments(db):
    retake = make_retake_key("b", "a", "t")
    moved = {"kind": "give", "at": NOW}
    offer = {**TAKE, "leftQueue": [[1, 1]]}
    entries = entries_of(db, **{"a": TAKE, "o": offer, retake: TAKE, "give-x": moved})
    assert entries.find_sales(2) == ["a"]


@pytest.mark.parametrize(
    ("code", "is_exhausted"),
    [({"maxUses": 3}, True), ({"maxUses": 4}, False), ({"maxUses": 2}, True), ({}, False)],
)
def test_the_uses_of_a_code_are_those_in_flight_and_those_recorded(db, code, is_exhausted):
    other = {**TAKE, "code": "autumn"}
    entries = entries_of(db, a={**TAKE, "code": "spring"}, b=TAKE, c=other)
    codes = {"spring": {"used": 3, **code}, "autumn": {"used": 9}}
    db.events.update_one({"eventId": 2}, {"$set": {"promoCodes": codes}})
    assert entries.find_uses(2, "spring") == (is_exhausted, ["a"])
    assert entries.find_uses(2, "winter") is None
    assert entries.find_uses(1, "spring") is None
    assert entries.find_uses(9, "spring") is None


def test_room_is_made_only_in_an_event_with_as_many_entries_as_are_allowed(db, monkeypatch):
    entries, clearable = entries_of(db, a=TAKE, b=TAKE, c=TAKE), ClearableEntries()
    clearable.add(1, ["b"])
    monkeypatch.setattr(store, "MAX_ENTRIES", 4)
    entries.make_room(2, clearable)
    monkeypatch.setattr(store, "MAX_ENTRIES", 3)
    with pytest.raises(EventOverloaded):
        entries.make_room(2, clearable)
    assert stored_keys(db) == ["a", "b", "c"]
    clearable.add(2, ["b", "gone"])
    entries.make_room(2, clearable)
    assert stored_keys(db) == ["a", "c"]
    assert clearable.pop(2) == []


def test_many_entries_are_cleared_in_several_updates(db, monkeypatch):
    keys = [f"k{number}" for number in range(5)]
    entries = entries_of(db, **dict.fromkeys(keys, TAKE))
    monkeypatch.setattr(in_flight, "MAX_CLEARED_KEYS", 2)
    before = db.events.find_one({"eventId": 2})["rev"]
    entries.clear(2, keys[:4])
    assert stored_keys(db) == ["k4"]
    assert db.events.find_one({"eventId": 2})["rev"] == before + 2


def test_the_time_of_the_oldest_entry_is_refreshed_from_those_that_are_left(db):
    older = {**TAKE, "at": NOW - timedelta(seconds=5)}
    entries = entries_of(db, a=TAKE, b=older)
    entries.refresh_oldest(2)
    assert db.events.find_one({"eventId": 2})["marksSince"] == older["at"]
    entries.clear(2, ["a", "b"])
    entries.refresh_oldest(2)
    entries.refresh_oldest(9)
    assert "marksSince" not in db.events.find_one({"eventId": 2})


# The keys that a process may clear.


def test_clearable_keys_are_those_of_an_event_and_taken_once():
    clearable = ClearableEntries()
    assert clearable.pop(1) == []
    clearable.add(1, ["a", "b"])
    clearable.add(2, ["c"])
    assert clearable.pop(1, at_least=3) == []
    assert clearable.pop(1, at_least=2) == ["a", "b"]
    assert (clearable.pop(1), clearable.pop(2)) == ([], ["c"])


def test_one_update_clears_a_limited_number_of_keys_the_oldest_first():
    clearable = ClearableEntries()
    keys = [str(number) for number in range(MAX_CLEARED_KEYS + 1)]
    clearable.add(1, keys)
    assert clearable.pop(1) == keys[:-1]
    assert clearable.pop(1) == keys[-1:]


def test_the_newest_keys_of_an_event_are_kept(monkeypatch):
    monkeypatch.setattr(in_flight, "MAX_KEYS", 2)
    clearable = ClearableEntries()
    clearable.add(1, ["a"])
    clearable.add(1, ["b", "c"])
    assert clearable.pop(1) == ["b", "c"]


@pytest.mark.parametrize(("limit", "value"), [("MAX_EVENTS", 2), ("MAX_ALL_KEYS", 3)])
def test_all_keys_are_dropped_when_there_are_too_many(monkeypatch, limit, value):
    monkeypatch.setattr(in_flight, limit, value)
    clearable = ClearableEntries()
    clearable.add(1, ["a"])
    clearable.add(2, ["b", "c"])
    clearable.add(3, ["d"])
    assert [clearable.pop(number) for number in (1, 2, 3)] == [[], [], ["d"]]


def test_keys_that_were_taken_leave_room_for_others(monkeypatch):
    monkeypatch.setattr(in_flight, "MAX_ALL_KEYS", 3)
    clearable = ClearableEntries()
    for _ in range(4):
        clearable.add(1, ["a", "b"])
        assert clearable.pop(1) == ["a", "b"]
    clearable.add(1, ["a"])
    clearable.add(1, ["b"])
    clearable.add(2, ["c"])
    assert [clearable.pop(number) for number in (1, 2)] == [["a", "b"], ["c"]]
