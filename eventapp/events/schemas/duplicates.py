"""The schema of the body that duplicates an event."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import CalendarDate
from eventapp.core.json import JsonObject
from eventapp.events.rules import MAX_ENTRIES


class DuplicateBody(Schema):
    """On which dates the duplicate takes place; without them, on the same as the event."""

    EXAMPLE: ClassVar[JsonObject] = {"dates": ["2031-06-20"]}

    dates = fields.List(
        CalendarDate(),
        validate=validate.Length(1, MAX_ENTRIES),
        metadata={
            "description": "A date for each entry of the schedule, in its order. Local times, "
            "zones and places stay. Times of sale, and those at which promo codes are valid, move "
            "by as many days as the first date of the event."
        },
    )
