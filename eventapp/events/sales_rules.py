"""Types of the rules by which tickets of a type are sold."""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

# Whether tickets of a type can be bought: see ticket_types.determine_sale_state.
SaleStateName: TypeAlias = Literal["scheduled", "on_sale", "sold_out", "ended"]
# `public`: anyone sees the type. `hidden`: it is in no list of types, and is sold to who names its
# id. `secret`: nobody can name it without a promo code that unlocks it.
VisibilityName: TypeAlias = Literal["public", "hidden", "secret"]


class Visibility(TypedDict):
    """Who sees a type of ticket, besides the organizer, admins and holders of its tickets."""

    visibility: NotRequired[Literal["hidden", "secret"]]  # absent: public


class SaleWindow(TypedDict):
    """When a type of ticket is on sale. An absent bound is none."""

    salesFrom: NotRequired[datetime]  # the first moment of the sale
    salesUntil: NotRequired[datetime]  # the first moment after the sale; after salesFrom


class QuantityLimits(TypedDict):
    """How many tickets of a type are sold together, and to one user. An absent limit is none."""

    minPerBooking: NotRequired[int]  # of a new booking or waitlist entry; 1 or more
    maxPerBooking: NotRequired[int]  # the same; not below minPerBooking
    maxPerUser: NotRequired[int]  # of all active bookings and offers; not below minPerBooking
