"""Distances and boxes on the sphere, against formulas of other kinds."""

import math
import random

import numpy as np
import pytest

from eventapp.core.geography import (
    EARTH_RADIUS_KM,
    Box,
    Circle,
    Position,
    bound,
    compute_distances,
)

RANDOM = random.Random(5)
CENTERS = [
    Position(*each)
    for each in [
        (40.64, 22.94),
        (0, 0),
        (90, 0),
        (-90, 123),
        (89.9, 10),
        (-86, -170),
        (0, 180),
        (0, -180),
        (-17, 179.5),
        (52, -179.99),
    ]
]


def draw_position(near=None):
    """Return a random position on the sphere, or one within some 600 km of another."""
    if near is None:
        return Position(math.degrees(math.asin(RANDOM.uniform(-1, 1))), RANDOM.uniform(-180, 180))
    angle, bearing = math.sqrt(RANDOM.random()) * 0.09, RANDOM.uniform(0, math.tau)
    x, y, z = to_vector(near)
    east, north = rotate(near)
    step = [math.cos(bearing) * n + math.sin(bearing) * e for n, e in zip(north, east, strict=True)]
    moved = [
        math.cos(angle) * a + math.sin(angle) * b for a, b in zip((x, y, z), step, strict=True)
    ]
    return Position(
        math.degrees(math.asin(max(-1, min(1, moved[2])))),
        math.degrees(math.atan2(moved[1], moved[0])),
    )


def to_vector(position):
    lat, lng = map(math.radians, position)
    return math.cos(lat) * math.cos(lng), math.cos(lat) * math.sin(lng), math.sin(lat)


def rotate(position):
    """Return the unit vectors to the east and to the north."""
    lat, lng = map(math.radians, position)
    east = (-math.sin(lng), math.cos(lng), 0.0)
    north = (-math.sin(lat) * math.cos(lng), -math.sin(lat) * math.sin(lng), math.cos(lat))
    return east, north


def measure(first, second):
    """Return the distance in km by the angle between two vectors, not by haversines."""
    a, b = to_vector(first), to_vector(second)
    cross = np.linalg.norm(np.cross(a, b))
    return EARTH_RADIUS_KM * math.atan2(float(cross), float(np.dot(a, b)))


def to_arrays(positions):
    lats, lngs = zip(*positions, strict=True)
    return np.array(lats, np.float64), np.array(lngs, np.float64)


def test_known_distances():
    degree = EARTH_RADIUS_KM * math.pi / 180
    known = [
        ((0, 0), (0, 1), degree),
        ((10, 20), (11, 20), degree),
        ((0, 0), (0, 180), 180 * degree),
        ((90, 0), (-90, 77), 180 * degree),
        ((90, 5), (90, -120), 0),
        ((3, 180), (3, -180), 0),
        ((0, 179.5), (0, -179.5), degree),
        ((40.64, 22.94), (40.64, 22.94), 0),
    ]
    for first, second, distance in known:
        lats, lngs = to_arrays([second])
        assert compute_distances(Position(*first), lats, lngs)[0] == pytest.approx(
            distance, abs=2e-6
        )


@pytest.mark.parametrize("center", CENTERS, ids=str)
def test_a_distance_is_the_angle_between_vectors_and_alone_as_among_others(center):
    positions = [draw_position() for _ in range(300)] + [draw_position(center) for _ in range(300)]
    found = compute_distances(center, *to_arrays(positions))
    for position, distance in zip(positions, found, strict=True):
        assert distance == pytest.approx(measure(center, position), abs=5e-6)
        assert compute_distances(center, *to_arrays([position]))[0] == distance


def test_a_position_without_coordinates_has_no_distance_and_is_in_no_box():
    nothing = np.array([np.nan])
    assert math.isnan(compute_distances(CENTERS[0], nothing, nothing)[0])
    assert not Box(-180, -90, 180, 90).contains(nothing, np.array([1.0])).any()
    assert not Box(-180, -90, 180, 90).contains(np.array([1.0]), nothing).any()


@pytest.mark.parametrize("radius", [0, 0.5, 25, 500])
@pytest.mark.parametrize("center", CENTERS, ids=str)
def test_the_box_around_a_circle_contains_all_of_it(center, radius):
    positions = [draw_position(center) for _ in range(400)] + [center]
    lats, lngs = to_arrays(positions)
    inside = compute_distances(center, lats, lngs) <= radius
    assert inside.any()
    box = bound(Circle(center, radius))
    assert box.contains(lats, lngs)[inside].all()
    # It is no larger than needed: each of its four sides touches the circle.
    if radius and box.width < 360:
        middle = center.lat
        sides = [(box.south, center.lng), (box.north, center.lng)]
        lats, lngs = to_arrays(sides)
        assert compute_distances(center, lats, lngs) == pytest.approx(radius, abs=0.01)
        assert box.south < middle < box.north


@pytest.mark.parametrize(
    "box",
    [
        Box(19, 34, 30, 42),
        Box(170, -50, -170, -10),
        Box(-180, 80, -60, 90),
        Box(60, -90, 180, -80),
        Box(0, -90, 180, 90),
        Box(5, 5, 5, 5),
        Box(179, 0, -179, 1),
    ],
    ids=str,
)
def test_the_circle_around_a_box_contains_all_of_it(box):
    positions = [
        Position(
            RANDOM.uniform(box.south, box.north),
            (box.west + RANDOM.random() * box.width + 180) % 360 - 180,
        )
        for _ in range(500)
    ]
    lats, lngs = to_arrays(positions)
    assert box.contains(lats, lngs).mean() > 0.99  # Rounding may move one over the edge.
    circle = box.enclose()
    assert circle is not None
    assert (compute_distances(circle.center, lats, lngs) <= circle.radius_km + 0.001).all()


def test_a_box_wider_than_half_of_the_sphere_has_no_circle():
    assert Box(-100, 0, 100, 1).enclose() is None
    assert Box(10, 0, 9, 1).enclose() is None
    assert Box(-180, -90, 180, 90).enclose() is None


@pytest.mark.parametrize(
    ("box", "inside", "outside"),
    [
        (Box(170, 0, -170, 1), [170, 175, 180, -180, -170], [169.9, 0, -169.9]),
        (Box(170, 0, 180, 1), [170, 180, -180], [-179.9, 169.9]),
        (Box(-180, 0, -170, 1), [-180, 180, -170], [179.9, -169.9]),
        (Box(-180, 0, 180, 1), [-180, 0, 180], []),
        (Box(180, 0, -180, 1), [180, -180], [179.9, -179.9, 0]),
        (Box(7, 0, 7, 1), [7], [6.9, 7.1]),
        (Box(10, 0, 9, 1), [10, 180, 0, 9], [9.5]),
    ],
    ids=str,
)
def test_the_longitudes_of_a_box(box, inside, outside):
    assert box.contains(np.zeros(len(inside)), np.array(inside, np.float64)).all()
    assert not box.contains(np.zeros(len(outside)), np.array(outside, np.float64)).any()
    assert not box.contains(np.full(len(inside), 1.1), np.array(inside, np.float64)).any()
