"""Schemas of the bodies that the Android app sends and reads.

The app sends whole models, with fields that a call does not need. They are ignored.
"""

from typing import ClassVar

from marshmallow import EXCLUDE, Schema, fields, validate

from eventapp.android import rules
from eventapp.core.http.fields import (
    MAX_EMAIL,
    Email,
    ListBody,
    NewName,
    NewPassword,
    Password,
    PositiveInt64,
    Text,
)
from eventapp.core.json import JsonObject

CATEGORY = Text(0, 100)
MAX_CATEGORIES = 50
_CATEGORIES = {
    "type": "array",
    "maxItems": MAX_CATEGORIES,
    "items": {"type": "string", **CATEGORY.metadata},
}
CATEGORIES_BODY = {
    "content": {"application/json": {"schema": _CATEGORIES, "example": ["concert", "comedy"]}}
}


class AppBody(Schema):
    """A body whose unknown fields are ignored."""

    class Meta:
        unknown = EXCLUDE


class Credentials(AppBody):
    """The name or the email of an account, in the field that the app has, and the password."""

    EXAMPLE: ClassVar[JsonObject] = {"name": "Ada", "password": "correct horse"}

    name = Text(1, MAX_EMAIL, required=True)
    password = Password()


class NewUser(Credentials):
    EXAMPLE: ClassVar[JsonObject] = {
        "name": "Ada",
        "email": "ada@example.org",
        "password": "correct horse",
    }

    name = NewName(1, 100, required=True)
    email = Email(required=True)
    password = NewPassword(rules.MIN_PASSWORD)


class Profile(AppBody):
    """The fields that the profile screen changes. Fields that are absent stay as they are."""

    EXAMPLE: ClassVar[JsonObject] = {"about": "Goes to concerts"}

    name = NewName(1, 100)
    email = Email()
    about = Text(0, 2000, multiline=True)


class AppFavorite(AppBody):
    EXAMPLE: ClassVar[JsonObject] = {"eventId": 1}

    eventId = PositiveInt64(required=True)


class Categories(ListBody):
    """A bare list of categories. A category that does not exist matches no event."""

    list_field = "categories"
    categories = fields.List(CATEGORY, required=True, validate=validate.Length(0, MAX_CATEGORIES))


class AppUser(Schema):
    _id = fields.String(
        required=True, metadata={"description": "For PUT users/{id}, while it lasts"}
    )
    name = fields.String(required=True)
    email = fields.String(required=True)
    about = fields.String(required=True)
    userImg = fields.String(required=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)

    class Meta:
        include = {"__v": fields.Integer(required=True)}


class AppEntry(Schema):
    date = fields.Date(required=True)
    location = fields.String(required=True)
    lat = fields.Float()
    lng = fields.Float()


class AppTicketType(Schema):
    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    price = fields.Integer(required=True)
    availableTickets = fields.Integer(required=True)


class AppEvent(Schema):
    _id = fields.String(required=True)
    eventId = fields.Integer(required=True)
    title = fields.String(required=True)
    description = fields.String(required=True)
    category = fields.String(required=True)
    image = fields.String(required=True)
    schedule = fields.List(fields.Nested(AppEntry), required=True)
    ticketTypes = fields.List(fields.Nested(AppTicketType), required=True)
    favorited = fields.Boolean(required=True)
    organizer = fields.String(required=True)
    tags = fields.List(fields.String(), required=True)
    status = fields.String(required=True)
    soldOut = fields.Boolean(required=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)

    class Meta:
        include = {"__v": fields.Integer(required=True)}
