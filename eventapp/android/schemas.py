"""The shapes the app sends and reads. Its models hold more than a call needs: that is ignored."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate

from eventapp.core.fields import Text, Whole


class Credentials(Schema):
    """A name, never an email, and the password."""

    name = Text(1, 100, required=True)
    password = fields.String(required=True, validate=validate.Length(1, 1000))


class NewUser(Credentials):
    email = Text(3, 254, required=True)


class Profile(Schema):
    """What the profile screen changes; what is left out stays."""

    name = Text(1, 100)
    email = Text(3, 254)
    about = Text(0, 2000, lines=True)


class AppFavorite(Schema):
    eventId = Whole(1, 2**63 - 1, required=True)


class Categories(Schema):
    """A bare list of categories; one that does not exist matches nothing."""

    categories = fields.List(Text(0, 100), required=True, validate=validate.Length(0, 50))

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


class AppTicketType(Schema):
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
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)

    class Meta:
        include = {"__v": fields.Integer(required=True)}
