"""Positions on Earth, the distances between them, and boxes of latitudes and longitudes.

Earth is a sphere here. Its ellipsoid would make distances up to 0.6 % shorter or longer.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Degrees = npt.NDArray[np.float64]
# The mean radius of Earth, as the International Union of Geodesy and Geophysics defines it.
EARTH_RADIUS_KM = 6371.0088
# Distances are rounded to a millionth of a kilometre, because the last bits of a sine differ from
# processor to processor. A list that several servers answer needs equal distances.
DISTANCE_DECIMALS = 6
# Distances are computed for this many positions at a time. For larger arrays the system maps new
# memory each time, which takes longer than the computation.
CHUNK_LENGTH = 4_096
# What the box around a circle exceeds it by, so that rounding leaves nothing out.
BOX_MARGIN_KM = 0.001
# A box wider than this many degrees has no enclosing circle: its corners are not farthest.
MAX_ENCLOSED_WIDTH = 180


class Position(NamedTuple):
    """A position in degrees: latitude from -90 to 90, longitude from -180 to 180."""

    lat: float
    lng: float


class Range(NamedTuple):
    """The numbers from one to another, both included."""

    low: float
    high: float


class Circle(NamedTuple):
    """All positions that are no farther than the radius from the center."""

    center: Position
    radius_km: float

    def has(self, position: Position) -> bool:
        """Return whether a position is in the circle."""
        lats, lngs = np.array([position.lat]), np.array([position.lng])
        return bool(compute_distances(self.center, lats, lngs)[0] <= self.radius_km)

    @property
    def radius_in_radians(self) -> float:
        """The radius as an angle at the center of Earth."""
        return self.radius_km / EARTH_RADIUS_KM


class Box(NamedTuple):
    """All positions between two latitudes and two longitudes in degrees, all included.

    It lies to the east of `west`, and crosses the date line if `west` is greater than `east`.
    """

    west: float
    south: float
    east: float
    north: float

    @property
    def width(self) -> float:
        """How many degrees of longitude the box has."""
        return self.east - self.west + (360 if self.west > self.east else 0)

    @property
    def longitudes(self) -> list[Range]:
        """The ranges of longitudes in the box. The meridian 180 is also -180."""
        if self.west > self.east:
            return [Range(self.west, 180), Range(-180, self.east)]
        ranges = [Range(self.west, self.east)]
        if self.width < 360 and self.east == 180:
            ranges.append(Range(-180, -180))
        if self.width < 360 and self.west == -180:
            ranges.append(Range(180, 180))
        return ranges

    def contains(self, lats: Degrees, lngs: Degrees) -> npt.NDArray[np.bool_]:
        """Return for each position whether it is in the box; NaN is not."""
        is_between = np.zeros(len(lngs), np.bool_)
        for low, high in self.longitudes:
            is_between |= (lngs >= low) & (lngs <= high)
        return is_between & (lats >= self.south) & (lats <= self.north)

    def has(self, position: Position) -> bool:
        """Return whether a position is in the box."""
        return bool(self.contains(np.array([position.lat]), np.array([position.lng]))[0])

    def enclose(self) -> Circle | None:
        """Return a circle that contains the box, or None if the box is too wide."""
        if self.width > MAX_ENCLOSED_WIDTH:
            return None
        lng = self.west + self.width / 2
        center = Position((self.south + self.north) / 2, lng - 360 if lng > 180 else lng)
        lats = np.array([self.south, self.south, self.north, self.north])
        lngs = np.array([self.west, self.east, self.west, self.east])
        return Circle(center, float(compute_distances(center, lats, lngs).max()))


def bound(circle: Circle) -> Box:
    """Return a box that contains a circle, with a margin. It has all longitudes around a pole."""
    center, angle = circle.center, (circle.radius_km + BOX_MARGIN_KM) / EARTH_RADIUS_KM
    south, north = (center.lat + sign * math.degrees(angle) for sign in (-1, 1))
    if south <= -90 or north >= 90:
        return Box(-180, max(south, -90), 180, min(north, 90))
    # The meridians that touch the circle, which it does nearer to the pole than its center.
    half_width = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(center.lat))))
    west, east = center.lng - half_width, center.lng + half_width
    if west < -180:
        west += 360
    if east > 180:
        east -= 360
    return Box(west, south, east, north)


def compute_distances(center: Position, lats: Degrees, lngs: Degrees) -> Degrees:
    """Return the distance of each position from the center in km, by the haversine formula.

    The distance of a position does not depend on the others. That of NaN is NaN. Equal positions
    that follow one another, as those of an event with several dates, are computed once.
    """
    is_new = np.ones(len(lats), np.bool_)
    is_new[1:] = (lats[1:] != lats[:-1]) | (lngs[1:] != lngs[:-1])
    first = np.flatnonzero(is_new)
    new_lats, new_lngs, distances = lats[first], lngs[first], np.empty(len(first), np.float64)
    for start in range(0, len(first), CHUNK_LENGTH):
        chunk = slice(start, start + CHUNK_LENGTH)
        distances[chunk] = _compute_distances(center, new_lats[chunk], new_lngs[chunk])
    return np.repeat(distances, np.diff(first, append=len(lats)))


def _compute_distances(center: Position, lats: Degrees, lngs: Degrees) -> Degrees:
    center_lat, center_lng = math.radians(center.lat), math.radians(center.lng)
    other_lats, other_lngs = np.radians(lats), np.radians(lngs)
    haversines = (
        np.sin((other_lats - center_lat) / 2) ** 2
        + math.cos(center_lat) * np.cos(other_lats) * np.sin((other_lngs - center_lng) / 2) ** 2
    )
    angles = 2 * np.arcsin(np.sqrt(np.minimum(haversines, 1)))
    distances: Degrees = np.round(EARTH_RADIUS_KM * angles, DISTANCE_DECIMALS)
    return distances
