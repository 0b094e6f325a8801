"""Types of the rules by which tickets of a type are sold."""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

# Whether tickets of a type can be bought: see ticket_types.determine_sale_state.
SaleStateName: TypeAlias = Literal["scheduled", "on_sale", "sold_out", "ended"]


class SaleWindow(TypedDict):
    """When a type of ticket is on sale. An absent bound is none."""

    salesFrom: NotRequired[datetime]  # the first moment of the sale
    salesUntil: NotRequired[datetime]  # the first moment after the sale; after salesFrom


class QuantityLimits(TypedDict):
    """How many tickets of a type are sold together, and to one user. An absent limit is none."""

    minPerBooking: NotRequired[int]  # of a new booking or waitlist entry; 1 or more
    maxPerBooking: NotRequired[int]  # the same; not below minPerBooking
    maxPerUser: NotRequired[int]  # of all active bookings and offers; not below minPerBooking
