"""The shapes the app sends and reads. Its models hold more than a call needs, and know less than
an event has: that is ignored."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate

from eventapp.android import rules
from eventapp.core.http.fields import Email, Password, StrictInt, Text

CATEGORY, MAX_CATEGORIES = Text(0, 100), 50
# A bare list is no schema of marshmallow's, so the document is told of it by hand.
_CATEGORIES = {
    "type": "array",
    "maxItems": MAX_CATEGORIES,
    "items": {"type": "string", **CATEGORY.metadata},
}
CATEGORIES_BODY = {"content": {"application/json": {"schema": _CATEGORIES}}}


class AppBody(Schema):
    class Meta:
        unknown = EXCLUDE


class Credentials(AppBody):
    """A name, never an email, and the password."""

    name = Text(1, 100, required=True)
    password = Password()


class NewUser(Credentials):
    email = Email(required=True)
    password = Password(rules.MIN_PASSWORD, rules.MAX_PASSWORD_BYTES)


class Profile(AppBody):
    """What the profile screen changes; what is left out stays."""

    name = Text(1, 100)
    email = Email()
    about = Text(0, 2000, lines=True)


class AppFavorite(AppBody):
    eventId = StrictInt(1, 2**63 - 1, required=True)


class Categories(Schema):
    """A bare list of categories; one that does not exist matches nothing."""

    categories = fields.List(CATEGORY, required=True, validate=validate.Length(0, MAX_CATEGORIES))

    @pre_load
    def wrap(self, data: Any, **_kwargs: Any) -> dict[str, Any]:
        if not isinstance(data, list):
            raise ValidationError("Send a list of categories.")
        return {"categories": data}


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
