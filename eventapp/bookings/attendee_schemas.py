"""Schemas of who comes with a ticket."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate

from eventapp.core.http.fields import Email, StrictInt, Text, make_limit_field
from eventapp.core.json import JsonObject

# An event has at most 20 questions.
MAX_ANSWERS = 20
_ANSWER_TEXT = Text(0, 500, multiline=True)


class Answers(fields.Field[dict[str, str | bool | None]]):
    """The answers to questions, by questionId as text: texts, true, false or null."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "type": "object",
            "maxProperties": MAX_ANSWERS,
            "propertyNames": {"pattern": "^[1-9][0-9]{0,9}$"},
            "additionalProperties": {"type": ["string", "boolean", "null"], "maxLength": 500},
            "description": "By questionId: a text, one of the choices, true or false, or a date as "
            "YYYY-MM-DD, as the question's `kind` says. null is no answer.",
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> dict[str, str | bool | None]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object with an answer for each questionId.")
        if len(value) > MAX_ANSWERS:
            raise ValidationError(f"Must hold at most {MAX_ANSWERS} answers.")
        return {_load_key(key): _load_answer(answer) for key, answer in value.items()}


def _load_key(key: str) -> str:
    if not (key.isascii() and key.isdigit() and key[0] != "0" and len(key) <= 10):
        raise ValidationError("Must be named by their questionId.")
    return key


def _load_answer(answer: object) -> str | bool | None:
    if answer is None or isinstance(answer, bool):
        return answer
    return _ANSWER_TEXT.deserialize(answer)


class AttendeeBody(Schema):
    """Who comes with a ticket, and the answers to the questions of the event.

    Nothing is mailed to the email.
    """

    EXAMPLE: ClassVar[JsonObject] = {"name": "Ada Lovelace", "answers": {}}

    name = Text(1, 100, required=True)
    email = Email(allow_none=True)
    answers = Answers(load_default=dict)


class TicketAttendeeBody(AttendeeBody):
    """Who comes with one of the tickets of a purchase."""

    ticketTypeId = StrictInt(1, required=True)


class GivenAnswer(Schema):
    """The answer of an attendee to a question."""

    questionId = fields.Integer(required=True)
    label = fields.String(
        required=True, metadata={"description": "Of the question when it was answered."}
    )
    value = fields.Raw(required=True, metadata={"type": ["string", "boolean"]})


class AttendeeAnswer(Schema):
    """Who comes with a ticket."""

    ticketId = fields.String(required=True)
    ticketTypeId = fields.Integer(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    answers = fields.List(fields.Nested(GivenAnswer), required=True)


class BookedAttendees(Schema):
    """Who comes with the tickets of a booking."""

    attendees = fields.List(
        fields.Nested(AttendeeAnswer),
        required=True,
        allow_none=True,
        metadata={"description": "Null for API tokens, except those of the holder."},
    )
    incompleteTickets = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "The tickets without an attendee: PUT /tickets/{id}/attendee."},
    )


class EventWaitlistQuery(Schema):
    """The page of the waitlist of an event."""

    limit = make_limit_field()
    cursor = fields.String(validate=validate.Length(1, 2000))


class EventWaitlistAnswer(Schema):
    """A page of those who wait for tickets of an event."""

    waitlist = fields.List(
        fields.Dict(),
        required=True,
        metadata={
            "description": "As in `GET /waitlist`, with `holder`: the `name` and `email` of who "
            "waits, or null for a deleted account and for who was not told yet."
        },
    )
    openOffers = fields.List(
        fields.Dict(),
        metadata={
            "description": "Only on the first page, those that expire first first: as in "
            "`GET /waitlist/notifications`, with `holder`."
        },
    )
    limit = fields.Integer(required=True)
    nextCursor = fields.String(required=True, allow_none=True)
