"""Fields of queries for places: a position, and a box of latitudes and longitudes."""

import re
from collections.abc import Sequence
from typing import Any

from marshmallow import ValidationError, fields

from eventapp.core.geography import Box, Position

_NUMBER = r"\s*[-+]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?\s*"
_IS_NUMBER = re.compile(_NUMBER, re.ASCII)


class PositionField(fields.Field[Position]):
    """A latitude and a longitude in degrees, such as `40.64,22.94`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata=_describe(2, kwargs.pop("metadata", {})), **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Position:
        lat, lng = _parse_numbers(value, ("latitude", "longitude"))
        _check_range("latitude", lat, 90)
        _check_range("longitude", lng, 180)
        return Position(lat, lng)


class BoxField(fields.Field[Box]):
    """Longitudes and latitudes in degrees as `west,south,east,north`, such as `19,34.8,29.7,41.8`.

    The box crosses the date line if `west` is greater than `east`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata=_describe(4, kwargs.pop("metadata", {})), **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Box:
        box = Box(*_parse_numbers(value, Box._fields))
        for name in ("west", "east"):
            _check_range(name, getattr(box, name), 180)
        for name in ("south", "north"):
            _check_range(name, getattr(box, name), 90)
        if box.south > box.north:
            raise ValidationError("south must not be greater than north.")
        return box


def _describe(count: int, metadata: dict[str, Any]) -> dict[str, Any]:
    pattern = f"^{_NUMBER}(?:,{_NUMBER}){{{count - 1}}}$"
    return {"type": "string", "pattern": pattern, **metadata}


def _parse_numbers(value: Any, names: Sequence[str]) -> list[float]:
    """Return the numbers of a text such as `1,2.5`, one for each name."""
    parts = value.split(",") if isinstance(value, str) else []
    if len(parts) != len(names) or not all(map(_IS_NUMBER.fullmatch, parts)):
        raise ValidationError(f"Must be {','.join(names)} in degrees.")
    # Adding 0 makes 0 of -0.
    return [float(part) + 0.0 for part in parts]


def _check_range(name: str, number: float, limit: int) -> None:
    if not -limit <= number <= limit:
        raise ValidationError(f"The {name} must be from -{limit} to {limit}.")
