"""A replaced schedule keeps ids: never two entries of one id, and never an id that was used."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.core.errors import ValidationFailed
from eventapp.events.errors import NonexistentLocalTime
from eventapp.events.schedules import (
    UTC_ZONE,
    build_schedule,
    patch_entry,
    replace_schedule,
    upgrade_schedule,
)

FIRST = date(2035, 6, 1)
TIMES = st.sampled_from([None, "18:00", "21:00"])
ENTRIES = st.builds(
    lambda day, place, start, zone: {
        "date": FIRST + timedelta(days=day),
        "location": place,
        **({"startTime": start} if start else {}),
        **({"timezone": zone} if zone else {}),
    },
    st.integers(0, 3),
    st.sampled_from("AB"),
    TIMES,
    st.sampled_from([None, "Europe/Athens", "America/Los_Angeles"]),
)
MOMENTS = st.builds(
    lambda hours, place: {
        "date": datetime(2035, 6, 1, 1, tzinfo=UTC) + timedelta(hours=hours),
        "location": place,
    },
    st.integers(0, 80),
    st.sampled_from("AB"),
)
SCHEDULES = st.lists(ENTRIES | MOMENTS, min_size=1, max_size=6)


def without_computed(entry):
    return {name: value for name, value in entry.items() if name not in ("overAt", "moves")}


@given(first=SCHEDULES, edits=st.lists(SCHEDULES, max_size=4), data=st.data())
def test_ids_are_unique_and_never_used_again(first, edits, data):
    schedule = build_schedule(first, UTC_ZONE)
    used = {entry["scheduleId"] for entry in schedule.entries}
    for inputs in edits:
        before = {entry["scheduleId"]: entry for entry in schedule.entries}
        ids = data.draw(st.lists(st.sampled_from([0, *range(1, 12)]), max_size=len(inputs)))
        named = {id_ for id_ in ids if id_}
        sent = [
            {**each, "scheduleId": id_} if id_ and id_ in named and not named.remove(id_) else each
            for each, id_ in zip(inputs, [*ids, *[0] * len(inputs)], strict=False)
        ]
        event = {"schedule": schedule.entries, "nextScheduleId": schedule.next_id}
        schedule = replace_schedule(event, sent, UTC_ZONE)
        after = [entry["scheduleId"] for entry in schedule.entries]
        assert len(set(after)) == len(after) == len(inputs)
        # Nothing is new as long as a stored entry is left, and what is new has a new id.
        assert len(set(after) & before.keys()) == min(len(after), len(before))
        assert not (set(after) - before.keys()) & used
        assert schedule.next_id > max(after)
        used |= set(after)
        for each, entry in zip(sent, schedule.entries, strict=True):
            if each.get("scheduleId") in before:
                assert entry["scheduleId"] == each["scheduleId"]


@given(first=SCHEDULES, order=st.randoms())
def test_a_schedule_that_is_sent_back_in_another_order_changes_nothing(first, order):
    schedule = build_schedule(first, ZoneInfo("Europe/Athens"))
    event = {"schedule": schedule.entries, "nextScheduleId": schedule.next_id}
    sent = [
        {**each, "date": each["date"].date()} for each in map(without_computed, event["schedule"])
    ]
    order.shuffle(sent)
    again = replace_schedule(event, sent, UTC_ZONE)
    by_id = {entry["scheduleId"]: entry for entry in schedule.entries}
    assert {entry["scheduleId"]: entry for entry in again.entries} == by_id
    assert again.next_id == schedule.next_id


def test_an_entry_of_any_zone_and_time_is_over_after_it_begins():
    entry = build_schedule([{"date": FIRST, "location": "A", "startTime": "23:59"}], UTC_ZONE)[0][0]
    patched = patch_entry(entry, {"endTime": "23:59"}, UTC_ZONE)
    assert patched["endsAt"] - patched["startsAt"] == timedelta(days=1)
    assert (entry["moves"], patched["moves"]) == (0, 1)


@pytest.mark.parametrize(
    ("patch", "error"),
    [
        ({"date": datetime(2027, 3, 28, 0, 30, 30, tzinfo=UTC)}, ValidationFailed),
        ({"date": datetime(1899, 12, 31, 12, tzinfo=UTC)}, ValidationFailed),
        ({"date": datetime(2027, 3, 28, 3, 30)}, NonexistentLocalTime),  # noqa: DTZ001
        ({"date": date(2027, 3, 28), "startTime": "03:30"}, NonexistentLocalTime),
    ],
)
def test_a_date_time_is_checked_in_the_zone_of_the_entry(patch, error):
    athens = ZoneInfo("Europe/Athens")
    entry = build_schedule([{"date": FIRST, "location": "A"}], athens).entries[0]
    with pytest.raises(error):
        patch_entry(entry, patch, UTC_ZONE)


def test_only_entries_of_version_1_are_upgraded():
    new = build_schedule([{"date": FIRST, "location": "A"}], UTC_ZONE)
    old = {"date": datetime(2035, 6, 2, tzinfo=UTC), "location": "B"}
    upgraded = upgrade_schedule([old, *new.entries], new.next_id, UTC_ZONE)
    assert [entry["scheduleId"] for entry in upgraded.entries] == [2, 1]
    assert upgraded.entries[1] == new.entries[0]
    assert upgraded.next_id == 3
