"""Schemas of figures. Amounts of money are in whole units of the answer's `currency`."""

from marshmallow import Schema, fields, validate

from eventapp.analytics import rules
from eventapp.core.http.fields import CalendarDate, PageAnswer, PageQuery, StrictText
from eventapp.core.roles import ROLES


class RevenueQuery(Schema):
    interval = fields.String(load_default=rules.DAY, validate=validate.OneOf(rules.INTERVALS))
    timezone = fields.String(load_default="UTC", validate=validate.Length(1, 64))

    class Meta:
        include = {"from": CalendarDate(), "to": CalendarDate()}


class ListQuery(PageQuery):
    cursor = fields.String(validate=validate.Length(1, 2000))


class EventsQuery(ListQuery):
    sortBy = fields.String(load_default="revenue", validate=validate.OneOf(rules.SORTS))
    status = fields.String(validate=validate.OneOf(rules.EVENT_STATUSES))


class UsersQuery(ListQuery):
    search = StrictText(0, 100)
    role = fields.String(validate=validate.OneOf(ROLES))


class Counts(Schema):
    total = fields.Integer(required=True)
    confirmed = fields.Integer(required=True)
    held = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)
    expired = fields.Integer(required=True)


class EventCounts(Schema):
    total = fields.Integer(required=True)
    draft = fields.Integer(required=True)
    published = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)
    completed = fields.Integer(required=True)


class Waiting(Schema):
    entries = fields.Integer(required=True)
    tickets = fields.Integer(required=True)


class WaitedFor(Waiting):
    eventId = fields.Integer(required=True)
    title = fields.String(required=True)
    since = fields.DateTime(required=True)
    openOffers = fields.Integer(required=True)


class MostWaitedFor(Waiting):
    events = fields.List(fields.Nested(WaitedFor), required=True)


class Price(Schema):
    gross = fields.Float(
        required=True, metadata={"description": "The list prices of confirmed tickets."}
    )
    discount = fields.Float(required=True, metadata={"description": "By promo codes."})
    revenue = fields.Float(required=True, metadata={"description": "`gross` less `discount`."})


class Money(Schema):
    """Money that moved, whatever happened to the tickets. It counts at the time it moved."""

    charged = fields.Float(required=True, metadata={"description": "What buyers paid."})
    refunded = fields.Float(required=True, metadata={"description": "What they got back."})
    fees = fields.Float(required=True, metadata={"description": "What the payment providers kept."})
    net = fields.Float(
        required=True, metadata={"description": "`charged` less `refunded` and `fees`."}
    )


class OverviewAnswer(Price, Money):
    currency = fields.String(required=True)
    bookings = fields.Nested(Counts, required=True)
    ticketsSold = fields.Integer(required=True)
    ticketsHeld = fields.Integer(required=True)
    cancellationRate = fields.Float(required=True)
    events = fields.Nested(EventCounts, required=True)
    capacity = fields.Integer(required=True)
    available = fields.Integer(required=True)
    utilization = fields.Float(required=True)
    views = fields.Integer(required=True)
    waitlist = fields.Nested(MostWaitedFor, required=True)


class Sums(Price, Money):
    bookings = fields.Integer(required=True)
    tickets = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)


class Point(Sums):
    start = fields.Date(required=True)


class RevenueAnswer(Schema):
    currency = fields.String(required=True)
    interval = fields.String(required=True)
    timezone = fields.String(required=True)
    points = fields.List(fields.Nested(Point), required=True)
    total = fields.Nested(Sums, required=True)

    class Meta:
        include = {"from": fields.Date(required=True), "to": fields.Date(required=True)}


class Stock(Schema):
    capacity = fields.Integer(required=True)
    sold = fields.Integer(required=True)
    held = fields.Integer(required=True)
    available = fields.Integer(required=True)


class EventFigures(Stock, Price, Money):
    eventId = fields.Integer(required=True)
    title = fields.String(required=True)
    organizer = fields.String(required=True)
    organizerId = fields.String(required=True, allow_none=True)
    status = fields.String(required=True)
    nextDate = fields.Date(required=True)
    views = fields.Integer(required=True)
    utilization = fields.Float(required=True)
    bookings = fields.Nested(Counts, required=True)
    cancellationRate = fields.Float(required=True)


class EventFiguresAnswer(PageAnswer):
    events = fields.List(fields.Nested(EventFigures), required=True)


class TypeFigures(Stock, Price):
    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    price = fields.Float(required=True)
    waiting = fields.Integer(required=True)


class DayFigures(Sums):
    date = fields.Date(required=True)


class StatsAnswer(Stock, Price, Money):
    eventId = fields.Integer(required=True)
    title = fields.String(required=True)
    status = fields.String(required=True)
    currency = fields.String(required=True)
    utilization = fields.Float(required=True)
    bookings = fields.Nested(Counts, required=True)
    cancellationRate = fields.Float(required=True)
    views = fields.Integer(required=True)
    byType = fields.List(fields.Nested(TypeFigures), required=True)
    byDay = fields.List(fields.Nested(DayFigures), required=True)
    waitlist = fields.Nested(Waiting, required=True)


class WaitlistAnswer(PageAnswer, MostWaitedFor):
    """Events with waitlists, most wanted tickets first. The sums include all pages."""


class Engagement(Schema):
    users = fields.Integer(required=True)
    usersByRole = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    newUsers = fields.Integer(required=True)
    activeBookers = fields.Integer(required=True)
    favorites = fields.Integer(required=True)


class DashboardAnswer(Schema):
    overview = fields.Nested(OverviewAnswer, required=True)
    trends = fields.Nested(RevenueAnswer, required=True)
    topEvents = fields.List(fields.Nested(EventFigures), required=True)
    fullestEvents = fields.List(fields.Nested(EventFigures), required=True)
    waitlist = fields.Nested(WaitlistAnswer, required=True)
    engagement = fields.Nested(Engagement, required=True)


class Booker(Schema):
    _id = fields.String(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    emailVerified = fields.Boolean(required=True)
    role = fields.String(required=True)
    about = fields.String(required=True)
    userImg = fields.String(required=True)
    language = fields.String(required=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)
    bookings = fields.Nested(Counts, required=True)
    spent = fields.Float(required=True)

    class Meta:
        include = {"__v": fields.Integer(required=True)}


class BookersAnswer(PageAnswer):
    users = fields.List(fields.Nested(Booker), required=True)


class HealthAnswer(Schema):
    status = fields.String(required=True)
    time = fields.DateTime(required=True)
    database = fields.Dict(required=True)
    process = fields.Dict(required=True)
    requests = fields.Dict(required=True)
    payments = fields.Dict(
        required=True,
        metadata={
            "description": "What waits for a payment provider: `refundsOpen`, the time and the "
            "age of the oldest, `refundsFailed`, and payments that are `unknown`."
        },
    )
    queues = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    failedWork = fields.Dict(required=True)
    webhooks = fields.Dict(required=True)
    mail = fields.Dict(required=True)
    jobs = fields.Dict(keys=fields.String(), values=fields.Dict(), required=True)
