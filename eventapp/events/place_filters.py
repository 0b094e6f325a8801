"""Declare the filters of the list of events by the place of a schedule entry, and by distance.

The database finds candidates for a circle by an index. `EntryTable.measure` decides which entries
are in it, for the index and for the database alike, so that both give the same distances.
"""

from dataclasses import dataclass
from typing import Self

from marshmallow import fields, validate

from eventapp.core.database import Query
from eventapp.core.geography import Box, Circle, Position, bound
from eventapp.core.http.place_fields import BoxField, PositionField
from eventapp.core.json import JsonObject
from eventapp.events.filter_types import EntryFilter
from eventapp.events.index.entry_table import EntryTable, Selection
from eventapp.events.offer_conditions import make_range_condition
from eventapp.events.types import IndexedEntry

DEFAULT_RADIUS_KM, MAX_RADIUS_KM = 25.0, 500.0
# The fields of stored entries that both filters compare.
COORDINATES = ("schedule.lat", "schedule.lng")
# A server may compute distances on the ellipsoid of Earth, where they differ by up to 0.6 %.
CIRCLE_MARGIN, CIRCLE_MARGIN_KM = 1.01, 0.01
# A box with a greater circle around it is compared by latitude and longitude alone.
MAX_CIRCLE_KM = 3_000


@dataclass(frozen=True)
class NearFilter(EntryFilter):
    """Entries that are no farther from a position than a radius."""

    circle: Circle

    parameters = {
        "near": PositionField(
            metadata={
                "description": "`latitude,longitude` in degrees: only events near this position, "
                "the nearest first unless `sortBy` says otherwise."
            }
        ),
        "radius": fields.Float(
            validate=validate.Range(0, MAX_RADIUS_KM),
            metadata={"description": "For `near`, in km; 25 by default."},
        ),
    }
    facet_fields = COORDINATES
    examples = (
        {"near": "40.64,22.94"},
        {"near": "48.8566,2.3522", "radius": "300"},
        {"near": "37.98,23.73", "radius": "500"},
    )

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        center = query.get("near")
        if center is None:
            return None
        return cls(Circle(center, query.get("radius", DEFAULT_RADIUS_KM)))

    def make_entry_condition(self) -> Query:
        return _make_box_condition(bound(self.circle))

    def make_event_condition(self) -> Query:
        return _make_circle_condition(self.circle)

    def look_up(self, entries: EntryTable) -> Selection:
        return entries.within(self.circle)

    def accepts(self, entry: IndexedEntry) -> bool:
        position = _get_position(entry)
        return position is not None and self.circle.has(position)


@dataclass(frozen=True)
class BoxFilter(EntryFilter):
    """Entries between two latitudes and two longitudes."""

    box: Box

    parameters = {
        "bbox": BoxField(
            metadata={
                "description": "`west,south,east,north` in degrees: only events in this box, which "
                "crosses the date line if west is greater than east."
            }
        )
    }
    facet_fields = COORDINATES
    examples = (
        {"bbox": "19,34.8,29.7,41.8"},
        {"bbox": "-10,36,30,60"},
        {"bbox": "20,30,-170,60"},
    )

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        box = query.get("bbox")
        return None if box is None else cls(box)

    def make_entry_condition(self) -> Query:
        return _make_box_condition(self.box)

    def make_event_condition(self) -> Query:
        circle = self.box.enclose()
        if circle is None or circle.radius_km > MAX_CIRCLE_KM:
            return {}
        return _make_circle_condition(circle)

    def look_up(self, entries: EntryTable) -> Selection:
        return entries.inside(self.box)

    def accepts(self, entry: IndexedEntry) -> bool:
        position = _get_position(entry)
        return position is not None and self.box.has(position)


def _get_position(entry: IndexedEntry) -> Position | None:
    """Return the position of an entry, None without one."""
    lat, lng = entry.get("lat"), entry.get("lng")
    return None if lat is None or lng is None else Position(lat, lng)


def _make_box_condition(box: Box) -> Query:
    """Return the condition that an entry is in the box."""
    ranges: list[Query] = [{"lng": make_range_condition(low, high)} for low, high in box.longitudes]
    return {"lat": make_range_condition(box.south, box.north), "$or": ranges}


def _make_circle_condition(circle: Circle) -> Query:
    """Return the condition that an entry is in the circle, or hardly outside."""
    wider = circle._replace(radius_km=circle.radius_km * CIRCLE_MARGIN + CIRCLE_MARGIN_KM)
    center = [circle.center.lng, circle.center.lat]
    return {"schedule.point": {"$geoWithin": {"$centerSphere": [center, wider.radius_in_radians]}}}
