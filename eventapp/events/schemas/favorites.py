"""Schemas of the bodies about favorites and recommendations."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import ListBody, PositiveInt64
from eventapp.core.json import JsonObject
from eventapp.events.filters import CategoryName
from eventapp.events.rules import CATEGORIES

MAX_CATEGORIES = 50
_CATEGORIES = {
    "type": "array",
    "maxItems": MAX_CATEGORIES,
    "items": {"type": "string", "enum": list(CATEGORIES)},
}
CATEGORIES_BODY = {
    "content": {"application/json": {"schema": _CATEGORIES, "example": ["concert", "comedy"]}}
}


class FavoriteBody(Schema):
    """The event to add to the favorites, or to remove from them."""

    EXAMPLE: ClassVar[JsonObject] = {"eventId": 1}

    eventId = PositiveInt64(required=True)


class Recommendation(ListBody):
    """A bare list of categories, which loads as `categories`."""

    list_field = "categories"
    categories = fields.List(
        CategoryName(), required=True, validate=validate.Length(0, MAX_CATEGORIES)
    )
