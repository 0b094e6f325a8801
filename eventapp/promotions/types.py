"""Request bodies about promo codes as the schemas load them, codes in answers, and a projection."""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from eventapp.events.promo_codes import StoredPromoCode
from eventapp.events.sales_rules import Visibility
from eventapp.events.types import Closable, EventRevision

Kind: TypeAlias = Literal["percent", "amount", "fixed_price"]


class PromoCodePatch(TypedDict, total=False):
    """The fields of a promo code that a request changes. None removes an optional one."""

    code: str
    kind: Kind
    value: int | float  # percent of the price, or whole currency units; at most two decimals
    maxUses: int | None
    validFrom: datetime | None
    validUntil: datetime | None
    ticketTypeIds: list[int] | None
    unlocks: list[int] | None
    active: bool


class PromoCodeView(TypedDict):
    """A promo code as its organizer sees it. An absent limit is None."""

    codeId: int
    code: str
    kind: Kind
    value: int | float
    maxUses: int | None
    validFrom: datetime | None
    validUntil: datetime | None
    ticketTypeIds: list[int] | None
    unlocks: list[int] | None
    active: bool
    used: int


class TypeId(Visibility):
    """The id and the visibility of a ticket type."""

    ticketTypeId: int


class EventPromoCodes(EventRevision, Closable):
    """The fields of an event that changes of its promo codes read."""

    ticketTypes: list[TypeId]
    promoCodes: NotRequired[dict[str, StoredPromoCode]]  # by folded code; absent before the first
    nextCodeId: NotRequired[int]  # absent: 1
