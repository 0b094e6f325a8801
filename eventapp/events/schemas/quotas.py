"""Schemas of requests and answers about quotas."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import StrictInt, Text
from eventapp.core.json import JsonObject
from eventapp.events.quotas import MAX_IDS, MAX_QUOTAS
from eventapp.events.schemas.bodies import Patch


def _make_id_list(what: str) -> "fields.List[int]":
    return fields.List(
        StrictInt(1),
        allow_none=True,
        validate=validate.Length(1, MAX_IDS),
        metadata={
            "uniqueItems": True,
            "description": f"The {what} that it matches; null for all. Both lists together hold at "
            f"most {MAX_IDS} ids.",
        },
    )


class QuotaPatch(Patch):
    """The changes of a quota. An absent field is kept."""

    EXAMPLE: ClassVar[JsonObject] = {"capacity": 450}

    name = Text(1, 100)
    capacity = StrictInt(
        metadata={"description": "Places. Not below the tickets that are sold and held."}
    )
    ticketTypeIds = _make_id_list("ticket types")
    scheduleIds = _make_id_list("dates")


class QuotaBody(QuotaPatch):
    """A new quota. An event has at most 50."""

    EXAMPLE: ClassVar[JsonObject] = {"name": "Friday", "capacity": 400, "scheduleIds": [1]}

    name = Text(1, 100, required=True)
    capacity = StrictInt(required=True, metadata=QuotaPatch().fields["capacity"].metadata)

    class Meta:
        json_schema: ClassVar[JsonObject] = {}


class QuotaAnswer(Schema):
    """A quota, for the event's organizer and admins."""

    quotaId = fields.Integer(required=True)
    name = fields.String(required=True)
    capacity = fields.Integer(required=True)
    availableTickets = fields.Integer(
        required=True, metadata={"description": "Places neither sold nor held."}
    )
    ticketTypeIds = fields.List(fields.Integer(), metadata={"description": "Absent for all."})
    scheduleIds = fields.List(fields.Integer(), metadata={"description": "Absent for all."})


class QuotasAnswer(Schema):
    """The quotas of an event, the oldest first."""

    quotas = fields.List(
        fields.Nested(QuotaAnswer), required=True, validate=validate.Length(max=MAX_QUOTAS)
    )
