"""Parse the query parameters of lists, whose cursors carry the filters of their list.

A request with a cursor needs no other parameter: only `limit` is still read beside it.
`eventapp.core.paging` encodes and decodes cursors.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from eventapp.core import paging
from eventapp.core.json import JsonObject

PAGING_PARAMETERS = frozenset({"cursor", "page", "limit"})


def parse_list_query(
    query: Mapping[str, Any], schema: type[Schema]
) -> tuple[JsonObject, JsonObject | None]:
    """Return the filters of the list, and the position to go on from, None for its first page.

    Args:
        query: the query parameters as `schema` has loaded them.

    Raises:
        ValidationFailed: the cursor does not belong to such a list. The filters in a cursor are
            validated again, because clients may write cursors of their own.
    """
    cursor = query.get("cursor")
    if not cursor:
        filters = {name: value for name, value in query.items() if name not in PAGING_PARAMETERS}
        return filters, None
    position = paging.decode_cursor(cursor)
    raw_filters = position.get("query")
    if not isinstance(raw_filters, dict):
        raise paging.invalid_cursor()
    try:
        filters = schema(only=set(schema().fields) - PAGING_PARAMETERS).load(raw_filters)
        return dict(filters), position
    except ValidationError:
        raise paging.invalid_cursor() from None
