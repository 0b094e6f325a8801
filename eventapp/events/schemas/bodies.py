"""Schemas of the bodies that create or change an event and its parts."""

from datetime import datetime
from typing import Any, ClassVar, get_args

from marshmallow import (
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates,
    validates_schema,
)

from eventapp.core.http.app_context import current_config
from eventapp.core.http.fields import (
    DateOrMoment,
    ImageUrl,
    LocalTime,
    ObjectIdField,
    Price,
    StrictBool,
    StrictFloat,
    StrictInt,
    Text,
    ZoneName,
)
from eventapp.core.http.timestamps import Timestamp
from eventapp.core.json import JsonObject
from eventapp.events.filters import CategoryName
from eventapp.events.question_types import QuestionKind
from eventapp.events.questions import CHOICE, MAX_CHOICES, MAX_QUESTIONS
from eventapp.events.rules import DRAFT, MAX_ENTRIES, MAX_PAIRS, MAX_TAGS, MAX_TYPES, PUBLISHED
from eventapp.events.ticket_types import (
    MAX_DESCRIPTION,
    VISIBILITIES,
    has_duplicate_names,
    has_duplicates,
)


class Patch(Schema):
    """A body that changes some fields: each is optional, but there must be one."""

    class Meta:
        json_schema: ClassVar[JsonObject] = {"minProperties": 1}

    @validates_schema
    def require_a_field(self, data: JsonObject, **_kwargs: Any) -> None:
        if not data:
            raise ValidationError("Send at least one field.")


# Fields of a schedule entry that the server computes. A client may send back what it was answered.
COMPUTED_FIELDS = ("startsAt", "endsAt")


class Ignored(fields.String):
    """A text that an answer has and a request may send back, to no effect."""

    def __init__(self) -> None:
        length = validate.Length(max=40)
        super().__init__(allow_none=True, validate=length, metadata={"description": "Ignored"})


class ScheduleEntryPatch(Patch):
    """The changes of a schedule entry. The computed fields and the scheduleId are ignored."""

    EXAMPLE: ClassVar[JsonObject] = {
        "startTime": "20:30",
        "endTime": "23:00",
        "doorsTime": "19:30",
        "timezone": "Europe/Athens",
        "location": "Technopolis, Athens",
        "lat": 37.98,
        "lng": 23.71,
    }

    scheduleId = StrictInt(1)
    date = DateOrMoment()
    startTime = LocalTime(allow_none=True)
    endTime = LocalTime(allow_none=True)
    doorsTime = LocalTime(allow_none=True)
    timezone = ZoneName(allow_none=True)
    location = Text(1, 200)
    lat = StrictFloat(-90, 90)
    lng = StrictFloat(-180, 180)
    startsAt = Ignored()
    endsAt = Ignored()

    @validates_schema
    def refuse_two_starts(self, data: JsonObject, **_kwargs: Any) -> None:
        if isinstance(data.get("date"), datetime) and "startTime" in data:
            raise ValidationError("Send a date-time or a startTime.", "startTime")

    @post_load
    def drop_computed(self, data: JsonObject, **_kwargs: Any) -> JsonObject:
        """Return the fields without those that the server computes."""
        return {name: value for name, value in data.items() if name not in COMPUTED_FIELDS}


class ScheduleEntry(ScheduleEntryPatch):
    """A schedule entry of a whole event."""

    date = DateOrMoment(required=True)
    location = Text(1, 200, required=True)


class SalesRules(Schema):
    """The optional fields of a ticket type. An absent one is kept, null clears it."""

    description = Text(
        0, MAX_DESCRIPTION, multiline=True, allow_none=True, metadata={"description": "For buyers."}
    )
    salesFrom = Timestamp(
        allow_none=True, metadata={"description": "The sale begins then; null for at once."}
    )
    salesUntil = Timestamp(
        allow_none=True,
        metadata={"description": "The sale ends then, which must be after `salesFrom`."},
    )
    minPerBooking = StrictInt(
        1,
        allow_none=True,
        metadata={
            "description": "Tickets of one booking, at least. Not above the server's own limits of "
            "a booking and of a user, because then none could be sold."
        },
    )
    maxPerBooking = StrictInt(
        1, allow_none=True, metadata={"description": "Tickets of one booking, at most."}
    )
    maxPerUser = StrictInt(
        1,
        allow_none=True,
        metadata={"description": "Tickets that one user may book or be offered in all."},
    )
    visibility = fields.String(
        allow_none=True,
        validate=validate.OneOf(VISIBILITIES),
        metadata={
            "description": "`public`, also for null. `hidden`: in no list of types, sold to who "
            "names its id. `secret`: as unknown, but for a promo code that unlocks it."
        },
    )
    saleState = Ignored()

    @validates("minPerBooking")
    def refuse_unreachable_minimum(self, minimum: int | None, **_kwargs: Any) -> None:
        config = current_config()
        most = min(config.max_tickets_per_booking, config.max_tickets_per_user)
        if minimum is not None and minimum > most:
            raise ValidationError(f"Must be at most {most}, the limit of this server.")


class TicketTypeIndexPatch(SalesRules, Patch):
    """The changes of a ticket type that is named by its index."""

    EXAMPLE: ClassVar[JsonObject] = {"price": 24.5}

    type = Text(1, 100)
    price = Price()
    availableTickets = StrictInt()


class TicketTypePatch(TicketTypeIndexPatch):
    """The changes of a ticket type that is named by its id."""

    capacity = StrictInt()

    class Meta:
        json_schema: ClassVar[JsonObject] = {
            "minProperties": 1,
            "not": {"required": ["availableTickets", "capacity"]},
        }

    @validates_schema
    def refuse_two_amounts(self, data: JsonObject, **_kwargs: Any) -> None:
        if "availableTickets" in data and "capacity" in data:
            raise ValidationError("Send availableTickets or capacity.", "capacity")


class NewTicketType(TicketTypePatch):
    """A ticket type to add to an event."""

    EXAMPLE: ClassVar[JsonObject] = {"type": "Balcony", "price": 15, "availableTickets": 40}

    type = Text(1, 100, required=True)
    price = Price(required=True)

    class Meta:
        json_schema: ClassVar[JsonObject] = {
            "oneOf": [{"required": ["availableTickets"]}, {"required": ["capacity"]}]
        }

    @validates_schema
    def require_an_amount(self, data: JsonObject, **_kwargs: Any) -> None:
        if "availableTickets" not in data and "capacity" not in data:
            raise ValidationError("Missing data for required field.", "availableTickets")


class TicketType(SalesRules):
    """A ticket type of a whole event."""

    ticketTypeId = StrictInt(1)
    type = Text(1, 100, required=True)
    price = Price(required=True)
    availableTickets = StrictInt(required=True)


class Question(Schema):
    """A question that each attendee is asked."""

    questionId = StrictInt(
        1,
        metadata={
            "description": "The question that it replaces. Without it, that is the one with this "
            "label, and else it is a new one, whose id the event gives."
        },
    )
    label = Text(1, 200, required=True)
    kind = fields.String(
        required=True,
        validate=validate.OneOf(get_args(QuestionKind)),
        metadata={
            "description": "What an answer is: a text of at most 500 characters, one of `choices`, "
            "true or false, or a date. It cannot change once the question was answered."
        },
    )
    required = StrictBool(load_default=False)
    choices = fields.List(
        Text(1, 100),
        validate=validate.Length(1, MAX_CHOICES),
        metadata={"uniqueItems": True, "description": "Of a question of the kind `choice`."},
    )
    ticketTypeIds = fields.List(
        StrictInt(1),
        allow_none=True,
        validate=validate.Length(1, MAX_TYPES),
        metadata={
            "uniqueItems": True,
            "description": "The ticket types whose attendees are asked; null for all.",
        },
    )

    class Meta:
        json_schema: ClassVar[JsonObject] = {
            "if": {"properties": {"kind": {"const": CHOICE}}},
            "then": {"required": ["choices"]},
            "else": {"not": {"required": ["choices"]}},
        }

    @validates_schema
    def require_choices(self, data: JsonObject, **_kwargs: Any) -> None:
        if (data.get("kind") == CHOICE) != ("choices" in data):
            raise ValidationError("A question has choices if its kind is choice.", "choices")

    @validates_schema
    def refuse_equal_elements(self, data: JsonObject, **_kwargs: Any) -> None:
        for name in ("choices", "ticketTypeIds"):
            if has_duplicates(data.get(name) or ()):
                raise ValidationError("Each must be there once.", name)


class EventBody(Schema):
    """A whole event, as POST and PUT take it."""

    EXAMPLE: ClassVar[JsonObject] = {
        "title": "Jazz by the Sea",
        "description": "Two sets and a sunset.",
        "category": "concert",
        "organizer": "Harbour Ensemble",
        "schedule": [
            {
                "date": "2035-06-15",
                "startTime": "20:30",
                "endTime": "23:00",
                "timezone": "Europe/Athens",
                "location": "Old Port, Volos",
            }
        ],
        "ticketTypes": [
            {"type": "General", "price": 20, "availableTickets": 100},
            {
                "type": "Early",
                "price": 15,
                "availableTickets": 20,
                "description": "Until the end of May, in groups.",
                "salesFrom": "2035-01-01T09:00:00Z",
                "salesUntil": "2035-06-01T00:00:00Z",
                "minPerBooking": 2,
                "maxPerUser": 6,
            },
        ],
        "tags": ["jazz", "open air"],
    }

    title = Text(1, 200, required=True)
    description = Text(0, 10_000, multiline=True, load_default="")
    category = CategoryName(required=True)
    image = ImageUrl(2000, load_default="")
    schedule = fields.List(
        fields.Nested(ScheduleEntry),
        required=True,
        validate=validate.Length(1, MAX_ENTRIES),
        metadata={"description": f"At most {MAX_PAIRS} pairs of an entry and a ticket type."},
    )
    ticketTypes = fields.List(
        fields.Nested(TicketType), required=True, validate=validate.Length(1, MAX_TYPES)
    )
    organizer = Text(1, 200, required=True)
    tags = fields.List(Text(1, 60), load_default=list, validate=validate.Length(0, MAX_TAGS))
    status = fields.String(validate=validate.OneOf((DRAFT, PUBLISHED)))
    questions = fields.List(
        fields.Nested(Question),
        allow_none=True,
        validate=validate.Length(0, MAX_QUESTIONS),
        metadata={
            "description": "What each attendee is asked. Absent keeps the questions that the event "
            "has, null and [] remove them. Answers to a removed one are kept."
        },
    )

    @validates_schema
    def refuse_equal_questions(self, data: JsonObject, **_kwargs: Any) -> None:
        questions = data.get("questions") or []
        if has_duplicates(each["questionId"] for each in questions if "questionId" in each):
            raise ValidationError("Each question must have its own questionId.", "questions")

    @validates_schema
    def refuse_equal_types(self, data: JsonObject, **_kwargs: Any) -> None:
        types = data.get("ticketTypes", [])
        ids = [each["ticketTypeId"] for each in types if "ticketTypeId" in each]
        if has_duplicate_names(types) or has_duplicates(ids):
            raise ValidationError("Each ticket type must have its own name.", "ticketTypes")

    @validates_schema
    def refuse_equal_entries(self, data: JsonObject, **_kwargs: Any) -> None:
        entries = data.get("schedule", [])
        if has_duplicates(each["scheduleId"] for each in entries if "scheduleId" in each):
            raise ValidationError("Each entry must have its own scheduleId.", "schedule")


class NewEventBody(EventBody):
    """A whole event, as POST takes it."""

    organizerId = ObjectIdField(
        metadata={"description": "The organizer in whose team you are a manager; default: you"}
    )
