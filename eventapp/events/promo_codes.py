"""The promo codes in the documents of the `events` collection."""

from datetime import datetime
from typing import Literal, NotRequired, TypedDict


class StoredPromoCode(TypedDict):
    """A promo code of an event, which `promoCodes` holds by its folded spelling.

    Answers to anyone but the organizer and admins never contain one.
    """

    codeId: int  # from 1, unique within its event, never used again
    code: str  # as the organizer writes it; 3 to 40 of A-Z a-z 0-9 - _
    kind: Literal["percent", "amount", "fixed_price"]
    # percent: hundredths of a percent of the price, 1 to 10,000. amount: cents off each ticket.
    # fixed_price: cents that a ticket costs, unless its price is lower.
    value: int
    maxUses: NotRequired[int]  # 1 or more; absent: no limit
    validFrom: NotRequired[datetime]  # the first moment at which it is valid; absent: always
    validUntil: NotRequired[datetime]  # the first moment at which it is no longer valid
    ticketTypeIds: NotRequired[list[int]]  # the types that it discounts; absent: all
    # The types that nobody may name without such a code; absent: none. They were secret when named.
    unlocks: NotRequired[list[int]]
    active: bool  # False: nobody can use it
    used: int  # active bookings that carry it, and takes in flight that do
    taken: bool  # True once it was in a take. It then keeps its spelling and is never deleted


class NamedPromoCodes(TypedDict):
    """The promo codes of an event that requests name."""

    promoCodes: NotRequired[dict[str, StoredPromoCode]]  # by folded code; absent if none was read


class PromoCodeFields(TypedDict):
    """The promo codes of an event."""

    promoCodes: NotRequired[dict[str, StoredPromoCode]]  # by folded code; absent before the first
    nextCodeId: NotRequired[int]  # the first codeId that the event never used; absent: 1


class CodeUse(TypedDict):
    """The use of a promo code, as the in-flight entry of a take names it."""

    code: NotRequired[str]  # folded; absent without one
