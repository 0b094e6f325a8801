"""Types of the time in which tickets are on sale."""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

# Whether tickets of a type can be bought: see ticket_types.determine_sale_state.
SaleStateName: TypeAlias = Literal["scheduled", "on_sale", "sold_out", "ended"]


class SaleWindow(TypedDict):
    """When a type of ticket is on sale. An absent bound is none."""

    salesFrom: NotRequired[datetime]  # the first moment of the sale
    salesUntil: NotRequired[datetime]  # the first moment after the sale; after salesFrom
