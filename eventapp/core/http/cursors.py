"""Cursors that carry the filters of their list: only `limit` counts beside one."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from eventapp.core import paging

BESIDE = frozenset({"cursor", "page", "limit"})


def opened(
    query: Mapping[str, Any], schema: type[Schema]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The filters of the list that is asked for, and the place in it, None at its beginning.

    Args:
        query: as `schema` loaded it.

    Raises:
        ValidationFailed: not a cursor of such a list. What one carries is checked again: anyone
            may write one.
    """
    cursor = query.get("cursor")
    if not cursor:
        return {name: value for name, value in query.items() if name not in BESIDE}, None
    place = paging.decode_cursor(cursor)
    carried = place.get("query")
    if not isinstance(carried, dict):
        raise paging.bad_cursor()
    try:
        return dict(schema(only=set(schema().fields) - BESIDE).load(carried)), place
    except ValidationError:
        raise paging.bad_cursor() from None


def following(place: Mapping[str, Any] | None, filters: Mapping[str, Any]) -> str | None:
    """The cursor of this place in the list with these filters; None where the list ends."""
    return paging.encode_cursor({**place, "query": dict(filters)}) if place else None
