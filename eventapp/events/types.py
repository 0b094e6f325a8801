"""Types of the documents of the `events` collection: of whole events, and of each projection.

A function takes the smallest type with the fields that it needs, so that no type promises a field
that was not read. Times are aware and in UTC. Prices are amounts of `CURRENCY`, not cents.

Four fields distinguish the states of an event. The revision `rev` is raised by every write that an
answer can show, also by a sale, and by every write that a guarded write relies on. It is not raised
when a popularity score increases, an alert is recorded as sent, or `marksSince` is refreshed. The
edit count `__v` is raised by edits that the API shows, but not by sales; `terms` by all edits.
`changedAt` is the time of the last write that other processes must learn of, by the database's
clock.
"""

from datetime import datetime
from typing import Final, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict, final

from bson import ObjectId

from eventapp.events.entry_types import IndexedEntry as IndexedEntry
from eventapp.events.entry_types import ScheduleEntry as ScheduleEntry
from eventapp.events.log_types import LogFields
from eventapp.events.promo_codes import NamedPromoCodes, PromoCodeFields
from eventapp.events.question_types import QuestionEdit, QuestionFields
from eventapp.events.sales_rules import QuantityLimits, SaleWindow, Visibility
from eventapp.events.search_types import SearchTexts
from eventapp.events.stock_types import Cells, InFlightEntry, Queues, Quota


class TicketType(SaleWindow, QuantityLimits, Visibility):
    """A type of ticket, with its price and stock.

    Always capacity = availableTickets + heldTickets + soldTickets.
    """

    ticketTypeId: int  # from 1, unique within its event, never used again
    type: str  # its name, 1 to 100 characters, unique within its event when folded
    price: float  # of one ticket; 0 or more, at most two decimals
    availableTickets: int  # neither sold nor held; 0 or more. If anybody waits, they are for them
    soldTickets: int  # tickets of confirmed bookings
    heldTickets: int  # tickets of bookings not yet confirmed, waitlist offers included
    capacity: int  # tickets put on sale in all
    waiting: int  # active waitlist entries of the queues that are counted here
    description: NotRequired[str]  # 1 to 500 characters; absent where there is none


class EventPhoto(TypedDict):
    """The uploaded photo that an event shows."""

    _id: ObjectId  # of the photo's document
    sha: str  # hash of its content, which the URL in `image` holds


class ScheduleChange(TypedDict):
    """A record that ticket holders must be notified of a date or location that an edit removed."""

    at: datetime  # when the edit was made
    rev: int  # the revision that the edit replaced


class ScheduleChangeFields(TypedDict, total=False):
    """The fields that record schedule changes for the alerts job; both or none are set."""

    tell: list[ScheduleChange]
    tellAt: datetime


class EventKey(TypedDict):
    """An event by its number."""

    eventId: int  # from 1, unique, given by the server, never given again


class ListedKey(EventKey):
    """What an index of the public pages has of an event."""

    organizerId: ObjectId | None
    updatedAt: datetime


class Revision(TypedDict):
    """The revision of an event."""

    rev: int  # from 0, see above


class EventRevision(EventKey, Revision):
    """An event and its revision."""


class EventVisibility(EventKey):
    """The fields of an event by which its visibility to a caller is decided."""

    status: str
    organizerId: ObjectId | None  # None for an event that only admins manage


class Terms(TypedDict):
    """The number of edits that may change what is sold, listed or shown, to whom and how."""

    # Every change of the stock is guarded by it. No answer shows it: unlike `__v`, it also counts
    # edits that only the organizer may know of. Absent before the first.
    terms: NotRequired[int]


class EventTerms(EventKey, Terms):
    """An event and the number of its edits."""


class Closable(TypedDict):
    """Whether an event is closed while a script compares or repairs its stock.

    Every edit, and every write that changes the stock, is guarded by this time. It is compared with
    the clock of the writing process. A process whose clock is ahead may therefore write too early,
    so a repair also guards its own write by the revision that it has read.
    """

    closedUntil: NotRequired[datetime]  # absent while the event is open; in the past, it is open


# Functional syntax, because a class body would mangle the name `__v`.
EditCount = TypedDict(
    "EditCount",
    {"__v": int},  # from 0, raised by every edit that the API shows, not by sales
)


class SearchedTexts(TypedDict):
    """The texts of an event, from which `rules.derive_text_fields` computes others."""

    title: str  # 1 to 200 characters
    schedule: list[ScheduleEntry]  # 1 to 100, in the organizer's order
    tags: list[str]  # up to 20, as the organizer wrote them
    organizer: str  # name of the organizer as shown, 1 to 200 characters
    description: str  # up to 10,000 characters, may be empty


class ListedParts(SearchedTexts):
    """The parts of an event from which `rules.derive_fields` computes others."""

    ticketTypes: list[TicketType]  # 1 to 50, in the organizer's order
    status: str  # one of rules.EVENT_STATUSES


class EventFields(ListedParts, Revision, EditCount, Terms, Closable, QuestionFields):
    """The fields of every event that answers and edits need."""

    category: str  # one of rules.CATEGORIES
    image: str  # URL of its picture; `/images/...` for an uploaded photo; may be empty
    photo: NotRequired[EventPhoto]  # the last uploaded photo; absent where there never was one
    nextTypeId: int  # the first ticketTypeId that the event never used
    cells: NotRequired[Cells]  # what is sold and held for each schedule entry; absent is empty
    # `cells` counts all tickets. Absent on an event that was stored before there were cells, until
    # `bookings.cell_counts` has counted them; till then no write changes its cells.
    cellsCounted: NotRequired[Literal[True]]
    quotas: NotRequired[list[Quota]]  # in the order of their ids; absent is none
    nextQuotaId: NotRequired[int]  # the first quotaId that the event never used; absent is 1
    # The sequence number of the last waitlist entry; 0 before the first. Absent on an event that
    # was stored before there were queues, until `bookings.cell_counts` has counted them; till then
    # its types count everybody who waits, nobody joins, and no write changes its queues.
    waitSequence: NotRequired[int]
    queues: NotRequired[Queues]  # who waits for each ticket type and entry; absent is empty
    nextScheduleId: int  # the first scheduleId that the event never used
    organizerId: ObjectId | None  # the user who manages it; None for sample events
    createdAt: datetime
    updatedAt: datetime  # of the last edit
    changedAt: datetime  # of the last write that other processes must learn of
    # Values by which lists are filtered and sorted. `rules.derive_fields` computes them from the
    # fields above.
    firstDate: datetime  # of the first schedule entry
    lastDate: datetime  # of the last schedule entry
    nextDate: datetime  # of the first entry on or after today, else of the last one
    overAt: datetime  # when all entries are over: the last overAt of the schedule
    public: bool  # anyone may see it in a list: published or completed, with a public type
    publicUntil: NotRequired[datetime]  # when an edit last made it not public; absent before any
    listed: bool  # it is published, with an entry on or after today and a public ticket type
    minPrice: float  # the lowest price of its public ticket types, of all if none is public
    available: int  # tickets that can be bought now, of all types
    titleKey: str  # the folded title, for sorting
    # Popularity.
    popularity: float  # logarithmic score, see popularity.py; 0.0 at first
    views: NotRequired[int]  # times it was shown; absent until the first are counted
    # What the background jobs read.
    closing: NotRequired[datetime]  # when it was cancelled, while its bookings are being ended
    tell: NotRequired[list[ScheduleChange]]  # schedule changes that no one was notified of yet
    tellAt: NotRequired[datetime]  # of the newest of `tell`; absent without one
    lowToldAt: NotRequired[datetime]  # when a low stock alert was sent, once an event
    hadWaitlist: NotRequired[bool]  # True once anyone has waited for it; absent before
    marksSince: NotRequired[datetime]  # not after the oldest in-flight entry; absent without one
    struck: NotRequired[int]  # writes that cleared in-flight entries of moves; absent before
    closedBy: NotRequired[ObjectId]  # the token of who closed it; set and removed with closedUntil


class InternalFields(PromoCodeFields, LogFields, SearchTexts):
    """The fields that only queries, the inventory and the log need."""

    places: list[str]  # the folded locations of its schedule, sorted, each once
    tagKeys: list[str]  # the folded tags, sorted, each once
    inFlight: dict[str, InFlightEntry]  # stock changes that may not be recorded yet, by their key


class NewEvent(EventFields, InternalFields):
    """A new event without its ids, which the store adds."""


class Event(EventKey, EventFields):
    """An event as single reads and lists load it: without InternalFields."""

    _id: ObjectId


class StoredEvent(Event, InternalFields):
    """An event as it is stored, whole."""


class CopiedEvent(Event, PromoCodeFields):
    """An event as a duplicate of it is made: with its promo codes, without cells and queues."""


class EventPatch(QuestionEdit, total=False):
    """The fields that an edit sets, without those that are computed from them."""

    title: str
    description: str
    category: str
    image: str
    photo: EventPhoto
    schedule: list[ScheduleEntry]
    ticketTypes: list[TicketType]
    nextTypeId: int
    quotas: list[Quota]
    nextQuotaId: int
    queues: Queues
    nextScheduleId: int
    organizer: str
    tags: list[str]
    status: str
    closing: datetime


class DerivedTextFields(SearchTexts):
    """The fields that `rules.derive_text_fields` computes; EventFields documents them."""

    titleKey: str
    places: list[str]
    tagKeys: list[str]


class DerivedFields(DerivedTextFields):
    """The fields that `rules.derive_fields` computes; EventFields documents them."""

    firstDate: datetime
    lastDate: datetime
    nextDate: datetime
    overAt: datetime
    public: bool
    listed: bool
    minPrice: float
    available: int


# Projections.


class SaleState(EventRevision, Terms, Closable, NamedPromoCodes, QuestionFields):
    """The fields of an event that a sale reads."""

    _id: ObjectId
    title: str
    status: str
    lastDate: datetime
    schedule: list[ScheduleEntry]
    ticketTypes: list[TicketType]
    organizerId: ObjectId | None
    hadWaitlist: NotRequired[bool]
    cellsCounted: NotRequired[Literal[True]]  # see EventFields
    quotas: NotRequired[list[Quota]]
    waitSequence: NotRequired[int]  # see EventFields
    queues: NotRequired[Queues]


class InFlightState(SaleState):
    """The fields of an event that recovery and the inventory check read."""

    available: int
    inFlight: dict[str, InFlightEntry]
    marksSince: NotRequired[datetime]
    struck: NotRequired[int]


class AuditedState(InFlightState):
    """The fields of an event that the inventory check reads."""

    cells: NotRequired[Cells]


class CountedStock(NamedTuple):
    """The queues of an event, and its stocks with the places that they count."""

    queues: Queues
    ticket_types: list[TicketType]
    quotas: list[Quota]


class Stock(TypedDict):
    """What decides how many tickets of a type or of a quota can be bought."""

    availableTickets: int
    waiting: NotRequired[int]  # absent is 0


class PriceAndStock(Stock, SaleWindow, Visibility):
    """The fields of a ticket type that list filters compare."""

    ticketTypeId: int
    price: float


class IndexedEvent(EventKey, Terms):
    """The fields of an event that the in-memory index reads."""

    listed: bool
    title: str
    tags: list[str]
    searchTexts: NotRequired[list[str]]  # absent from an event that could not be migrated
    category: str
    organizer: str
    organizerId: ObjectId | None
    tagKeys: list[str]
    schedule: list[IndexedEntry]
    lastDate: datetime
    ticketTypes: list[PriceAndStock]
    quotas: NotRequired[list[Quota]]


@final
class EventWrite(EventRevision, Terms):
    """A change as the change feed reads it: the state of an event after a write."""

    changedAt: datetime
    ticketTypes: list[Stock]
    quotas: NotRequired[list[Stock]]


@final
class EventDeletion(EventRevision):
    """A change as the change feed reads it: an event was deleted."""

    changedAt: datetime
    gone: Literal[True]


EventChange: TypeAlias = EventWrite | EventDeletion


# The name of the computed relevance among the fields that lists are sorted by.
RELEVANCE: Final = "score"
# The name of the computed distance from a position among them.
DISTANCE: Final = "distance"
# What the events of a list are sorted by: a title, an eventId, a price, a score or a distance, a
# date.
SortValue: TypeAlias = str | int | float | datetime


class EventSchedule(EventRevision):
    """An event's revision and schedule."""

    schedule: list[ScheduleEntry]


class CandidateEvent(EventKey):
    """An event of which a schedule entry may satisfy the filters of a list."""

    schedule: list[IndexedEntry]


class UnmigratedEvent(EventRevision):
    """An event whose schedule entries may lack fields of later schema versions."""

    schedule: list[ScheduleEntry]
    overAt: NotRequired[datetime]  # absent in version 1
    nextScheduleId: NotRequired[int]


class RefoldedEvent(EventRevision, SearchedTexts, DerivedTextFields):
    """An event with the texts that are folded, and with their stored folded forms."""


class ClosingEvent(EventKey):
    """A cancelled event whose bookings are being ended."""

    closing: datetime


class RescheduledEvent(EventKey):
    """An event with schedule changes that its ticket holders are not notified of yet."""

    title: str
    schedule: list[ScheduleEntry]
    tell: list[ScheduleChange]


class CapacityAndStock(Stock, Visibility):
    """How many tickets of a type were put on sale, and how many can be bought."""

    ticketTypeId: int
    capacity: int


class LowTicketsEvent(EventKey):
    """An event that may be almost sold out."""

    title: str
    schedule: list[ScheduleEntry]
    nextDate: datetime
    listed: bool
    ticketTypes: list[CapacityAndStock]
    quotas: NotRequired[list[Quota]]
