"""Make the schedule of an event from what a request sends, and keep the ids of its entries.

An entry keeps its `scheduleId` as long as it exists, whatever an edit changes of it, because
bookings refer to it. So a request that replaces the schedule is matched with the stored entries.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from eventapp.core.errors import ValidationFailed
from eventapp.core.textsearch import fold_text
from eventapp.events import rules, schedule_times
from eventapp.events.bodies import ScheduleEntryInput, ScheduleEntryPatch
from eventapp.events.errors import NonexistentLocalTime, ScheduleInUse
from eventapp.events.types import Event, ScheduleEntry

UTC_ZONE = ZoneInfo("UTC")
TIME_FIELDS = ("startTime", "endTime", "doorsTime")
# What is computed of the place of an entry, for queries.
PLACE_FIELDS = ("locationKey", "point")
# An entry whose value of one of these changes has moved.
MOVE_FIELDS = ("date", *TIME_FIELDS, "timezone", "location")
# The range of dates, as `core.http.fields.CalendarDate` has it. A zone may shift an instant by a
# day.
FIRST_YEAR, LAST_YEAR = 1900, 8999


class Schedule(NamedTuple):
    """A schedule, and the first scheduleId that its event never used."""

    entries: list[ScheduleEntry]
    next_id: int


class LocalStart(NamedTuple):
    """The date and the start that a request names.

    Attributes:
        start_time: HH:MM; None if the request clears it, empty if it is no whole minute.
        has_start: whether the request names or clears a start at all.
    """

    day: date
    start_time: str | None
    has_start: bool


def build_schedule(inputs: Sequence[ScheduleEntryInput], default_zone: ZoneInfo) -> Schedule:
    """Return the schedule of a new event. A scheduleId that the request sends is ignored.

    Raises:
        ValidationFailed: an entry contradicts itself.
        NonexistentLocalTime: a date or time does not exist in its zone.
    """
    entries = [
        _make_entry(number, None, each, default_zone, f"schedule.{number - 1}.")
        for number, each in enumerate(inputs, start=1)
    ]
    return Schedule(entries, len(entries) + 1)


def replace_schedule(
    event: Event, inputs: Sequence[ScheduleEntryInput], default_zone: ZoneInfo
) -> Schedule:
    """Return the schedule of an event after a request replaces it.

    A requested entry replaces the stored entry with its scheduleId, else one with its date and
    location. What is left on both sides is paired in order, and what is left of the request then
    is new. Each keeps the times and the zone that the request does not name.

    Raises:
        ScheduleInUse: an entry with bookings or waiting places would be dropped.
        ValidationFailed, NonexistentLocalTime: as `build_schedule`.
    """
    matches = _match_entries(event["schedule"], inputs)
    _refuse_dropped_in_use(event, matches)
    entries, next_id = [], event["nextScheduleId"]
    for index, (sent, stored) in enumerate(zip(inputs, matches, strict=True)):
        schedule_id = next_id if stored is None else stored["scheduleId"]
        kept = _without_position(stored) if stored else None
        entry = _make_entry(schedule_id, kept, sent, default_zone, f"schedule.{index}.")
        entries.append(entry)
        next_id = max(next_id, schedule_id + 1)
    return Schedule(entries, next_id)


def patch_entry(
    stored: ScheduleEntry, patch: ScheduleEntryPatch, default_zone: ZoneInfo
) -> ScheduleEntry:
    """Return an entry after a request changes some of its fields.

    Raises:
        ValidationFailed, NonexistentLocalTime: as `build_schedule`.
    """
    return _make_entry(stored["scheduleId"], stored, patch, default_zone, "")


def upgrade_schedule(
    schedule: Sequence[ScheduleEntry], next_id: int, default_zone: ZoneInfo
) -> Schedule:
    """Return a schedule as it is stored now, if an older version of the schema may have stored it.

    An entry of version 1 has only a date and a location. Its zone becomes the default one.
    """
    entries: list[ScheduleEntry] = []
    for entry in schedule:
        if "overAt" not in entry:
            added = {
                "scheduleId": next_id,
                "timezone": default_zone.key,
                "overAt": schedule_times.compute_over_at(entry["date"].date(), None, default_zone),
                "moves": 0,
            }
            entry, next_id = cast(ScheduleEntry, {**entry, **added}), next_id + 1
        place = {name: value for name, value in _derive_place(entry).items() if value is not None}
        entries.append(cast(ScheduleEntry, {**entry, **place}))
    return Schedule(entries, next_id)


# Single entries.


def _make_entry(
    schedule_id: int,
    stored: ScheduleEntry | None,
    sent: ScheduleEntryInput | ScheduleEntryPatch,
    default_zone: ZoneInfo,
    path: str,
) -> ScheduleEntry:
    """Return an entry as it is stored.

    Args:
        stored: the entry before; None for a new one.
        sent: the fields of the request, which has a date and a location if `stored` is None.
        path: what the names of fields begin with in errors, such as `schedule.0.`.
    """
    before: Mapping[str, Any] = stored or {}
    fields: dict[str, Any] = {**before, **sent, "scheduleId": schedule_id}
    zone = _choose_zone(stored, sent, default_zone)
    fields["timezone"] = zone.key
    if "date" in sent:
        local = _read_local_start(sent, zone)
        _check_local_start(local, zone, path)
        fields["date"] = rules.midnight(local.day)
        if local.has_start:
            fields["startTime"] = local.start_time
    fields |= _compute_instants(fields, zone, path)
    fields["moves"] = before.get("moves", 0)
    if stored and any(fields.get(name) != before.get(name) for name in MOVE_FIELDS):
        fields["moves"] += 1
    fields |= _derive_place(fields)
    order = (*rules.ENTRY_FIELDS, "overAt", "moves", *PLACE_FIELDS)
    entry = {name: fields[name] for name in order if fields.get(name) is not None}
    return cast(ScheduleEntry, entry)


def _choose_zone(
    stored: ScheduleEntry | None,
    sent: ScheduleEntryInput | ScheduleEntryPatch,
    default_zone: ZoneInfo,
) -> ZoneInfo:
    """Return the zone that a request names, else that of the stored entry, else the default."""
    if "timezone" in sent:
        return ZoneInfo(sent["timezone"]) if sent["timezone"] else default_zone
    return ZoneInfo(stored["timezone"]) if stored else default_zone


def _read_local_start(sent: ScheduleEntryInput | ScheduleEntryPatch, zone: ZoneInfo) -> LocalStart:
    """Return the date and the start that a request names. It must name a date or a date-time."""
    moment = sent["date"]
    if not isinstance(moment, datetime):
        return LocalStart(moment, sent.get("startTime"), "startTime" in sent)
    local = moment if moment.tzinfo is None else moment.astimezone(zone)
    is_whole = not (local.second or local.microsecond)
    return LocalStart(local.date(), local.strftime("%H:%M") if is_whole else "", has_start=True)


def _check_local_start(local: LocalStart, zone: ZoneInfo, path: str) -> None:
    """Raise ValidationFailed if a date-time is no whole minute, or out of the range of dates."""
    if local.start_time == "":
        raise _make_error(f"{path}date", f"Must be a whole minute in {zone.key}.")
    if not FIRST_YEAR <= local.day.year <= LAST_YEAR:
        raise _make_error(f"{path}date", "Not a valid date.")


def _compute_instants(fields: Mapping[str, Any], zone: ZoneInfo, path: str) -> dict[str, Any]:
    """Return `startsAt`, `endsAt` and `overAt` of an entry with these fields."""
    start, end, doors = (fields.get(name) for name in TIME_FIELDS)
    if fault := schedule_times.find_order_fault(start, end, doors):
        raise _make_error(f"{path}{fault[0]}", fault[1])
    try:
        times = schedule_times.compute_times(
            fields["date"].date(), zone, start=start, end=end, doors=doors
        )
    except schedule_times.NonexistentTime as error:
        raise NonexistentLocalTime(f"{path}{error.field}", zone.key) from None
    return {"startsAt": times.starts_at, "endsAt": times.ends_at, "overAt": times.over_at}


def _derive_place(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what queries compare of the place of an entry; None is not stored."""
    lat, lng = entry.get("lat"), entry.get("lng")
    is_located = lat is not None and lng is not None
    return {
        "locationKey": fold_text(entry["location"]),
        "point": {"type": "Point", "coordinates": [lng, lat]} if is_located else None,
    }


def _make_error(field: str, fault: str) -> ValidationFailed:
    return ValidationFailed(f"Invalid {field}", errors={field: [fault]})


def _without_position(entry: ScheduleEntry) -> ScheduleEntry:
    """Return the entry without latitude and longitude, which a whole event always names."""
    kept = {name: value for name, value in entry.items() if name not in ("lat", "lng")}
    return cast(ScheduleEntry, kept)


# Matching.


def _match_entries(
    stored: Sequence[ScheduleEntry], inputs: Sequence[ScheduleEntryInput]
) -> list[ScheduleEntry | None]:
    """Return for each requested entry the stored one that it replaces, None for a new one.

    Of several stored entries with its date and location, it replaces that with its start, else the
    first.
    """
    unmatched = {entry["scheduleId"]: entry for entry in stored}
    matches = [unmatched.pop(sent.get("scheduleId", 0), None) for sent in inputs]
    zones = {entry["timezone"]: ZoneInfo(entry["timezone"]) for entry in stored}
    for with_start in (True, False):
        ids: dict[Hashable, list[int]] = {}
        for entry in unmatched.values():
            ids.setdefault(_make_stored_key(entry, with_start), []).append(entry["scheduleId"])
        for index, sent in enumerate(inputs):
            if matches[index] is None:
                keys = _list_sent_keys(sent, zones.values(), with_start)
                found = next((ids[key].pop(0) for key in keys if ids.get(key)), None)
                if found is not None:
                    matches[index] = unmatched.pop(found)
    rest = iter(unmatched.values())
    return [next(rest, None) if match is None else match for match in matches]


def _make_stored_key(entry: ScheduleEntry, with_start: bool) -> Hashable:
    key = entry["timezone"], entry["date"].date(), entry["location"]
    return (*key, entry.get("startTime")) if with_start else key


def _list_sent_keys(
    sent: ScheduleEntryInput, stored_zones: Iterable[ZoneInfo], with_start: bool
) -> list[Hashable]:
    """Return the keys of the stored entries that a requested entry may replace.

    The date of an instant depends on the zone. It is that of the stored entry if the request names
    none.
    """
    keys: list[Hashable] = []
    for stored_zone in stored_zones:
        named = sent.get("timezone")
        local = _read_local_start(sent, ZoneInfo(named) if named else stored_zone)
        key = stored_zone.key, local.day, sent["location"]
        if not with_start:
            keys.append(key)
        elif local.has_start:
            keys.append((*key, local.start_time))
    return keys


def _refuse_dropped_in_use(event: Event, matches: Iterable[ScheduleEntry | None]) -> None:
    """Raise ScheduleInUse if a stored entry that nothing replaces has tickets or waiting places."""
    kept = {entry["scheduleId"] for entry in matches if entry}
    for entry in event["schedule"]:
        if entry["scheduleId"] not in kept and rules.is_entry_in_use(event, entry["scheduleId"]):
            day = entry["date"].date().isoformat()
            entry_name = f"The entry of {day} in {entry['location']}"
            raise ScheduleInUse(f"{entry_name} has bookings or waiting places")
