"""Types of request bodies about events, as the schemas load them, and of events in answers."""

from datetime import date, datetime
from typing import NotRequired, TypedDict

from bson import ObjectId

from eventapp.events.question_types import Question, QuestionInput
from eventapp.events.sales_rules import SaleStateName, VisibilityName
from eventapp.events.types import EditCount


class ScheduleEntryInput(TypedDict):
    """A schedule entry of a request.

    A date-time with an offset is an instant; without one, it is local. None clears a time, and for
    the zone it stands for the default. The times and the zone that are absent keep their value.
    """

    scheduleId: NotRequired[int]  # the entry that it replaces; absent: one of its date and location
    date: date | datetime
    startTime: NotRequired[str | None]  # HH:MM, as all times; absent if `date` is a date-time
    endTime: NotRequired[str | None]
    doorsTime: NotRequired[str | None]
    timezone: NotRequired[str | None]
    location: str
    lat: NotRequired[float]
    lng: NotRequired[float]


class ScheduleEntryPatch(TypedDict, total=False):
    """The fields of a schedule entry that a request changes; see `ScheduleEntryInput`."""

    date: date | datetime
    startTime: str | None
    endTime: str | None
    doorsTime: str | None
    timezone: str | None
    location: str
    lat: float
    lng: float


class SalesRules(TypedDict, total=False):
    """The optional fields of a ticket type in a request. Absent keeps a field, None clears it."""

    description: str | None
    salesFrom: datetime | None
    salesUntil: datetime | None
    minPerBooking: int | None
    maxPerBooking: int | None
    maxPerUser: int | None
    visibility: VisibilityName | None


class TicketTypeInput(SalesRules):
    """A ticket type of a whole event."""

    ticketTypeId: NotRequired[int]  # the type that it replaces; absent: the one of this name
    type: str
    price: float
    availableTickets: int


class TicketTypePatch(SalesRules, total=False):
    """The fields of a ticket type that a request changes or gives to a new one.

    A request holds at most one of availableTickets and capacity.
    """

    type: str
    price: float
    availableTickets: int
    capacity: int


class QuotaInput(TypedDict):
    """A new quota of an event."""

    name: str  # 1 to 100 characters
    capacity: int  # places; 0 or more
    ticketTypeIds: NotRequired[list[int] | None]  # what it matches; absent or None matches all
    scheduleIds: NotRequired[list[int] | None]


class QuotaPatch(TypedDict, total=False):
    """A change of a quota. An absent field keeps its value."""

    name: str
    capacity: int
    ticketTypeIds: list[int] | None  # None matches all
    scheduleIds: list[int] | None


class EventInput(TypedDict):
    """A whole event, as POST and PUT take it."""

    title: str
    description: str
    category: str
    image: str
    schedule: list[ScheduleEntryInput]
    ticketTypes: list[TicketTypeInput]
    organizer: str
    tags: list[str]
    # Draft or published, or the status that the event has; absent: published, or as it was.
    status: NotRequired[str]
    questions: NotRequired[list[QuestionInput] | None]  # absent: as they were; None: none


class NewEventInput(EventInput):
    """A whole event, as POST takes it."""

    organizerId: NotRequired[ObjectId]  # whose event it is; absent: the caller's


class ScheduleEntryView(TypedDict):
    """A schedule entry of an answer."""

    scheduleId: int
    date: str  # as 2026-12-31
    startTime: NotRequired[str]
    endTime: NotRequired[str]
    doorsTime: NotRequired[str]
    timezone: str
    location: str
    lat: NotRequired[float]
    lng: NotRequired[float]
    startsAt: NotRequired[datetime]
    endsAt: NotRequired[datetime]


class ChangedTicketTypeView(TypedDict):
    """A ticket type of an answer to clients that follow changes."""

    ticketTypeId: int
    type: str
    price: float
    availableTickets: int
    description: NotRequired[str]
    salesFrom: NotRequired[datetime]
    salesUntil: NotRequired[datetime]
    minPerBooking: NotRequired[int]
    maxPerBooking: NotRequired[int]
    maxPerUser: NotRequired[int]


class TicketTypeView(ChangedTicketTypeView):
    """A ticket type of any other answer. Only the organizer and admins see the last four fields."""

    saleState: SaleStateName
    visibility: NotRequired[VisibilityName]
    soldTickets: NotRequired[int]
    heldTickets: NotRequired[int]
    capacity: NotRequired[int]


class QuotaView(TypedDict):
    """A quota of an answer, for the event's organizer and admins."""

    quotaId: int
    name: str
    capacity: int
    availableTickets: int
    ticketTypeIds: NotRequired[list[int]]  # absent matches all
    scheduleIds: NotRequired[list[int]]


class PairView(TypedDict):
    """What can be booked now of one ticket type for one schedule entry."""

    scheduleId: int
    ticketTypeId: int
    availableTickets: int  # 0 unless it is on sale
    saleState: SaleStateName


class CommonEventView(EditCount):
    """The fields of an event of any answer."""

    _id: ObjectId
    eventId: int
    title: str
    description: str
    category: str
    image: str  # absolute
    schedule: list[ScheduleEntryView]
    organizer: str
    organizerId: ObjectId | None
    tags: list[str]
    status: str
    createdAt: datetime
    updatedAt: datetime
    questions: NotRequired[list[Question]]  # absent if the viewer sees none
    soldOut: bool  # no ticket type has a ticket left


class EventView(CommonEventView):
    """An event of an answer. `rules.present_event` fixes the order of its fields."""

    ticketTypes: list[TicketTypeView]
    favorited: bool  # by the caller
    distanceKm: NotRequired[float]  # two decimals; only in lists of events near a position


class ChangedEventView(CommonEventView):
    """An event of an answer to clients that follow changes."""

    ticketTypes: list[ChangedTicketTypeView]


class ChangesView(TypedDict):
    """What changed of the public events since a client asked last."""

    events: list[ChangedEventView]  # as they are now, by eventId
    deletedEventIds: list[int]  # not public any more, or deleted
    nextCursor: str
    hasMore: bool  # ask again at once
