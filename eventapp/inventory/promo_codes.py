"""Judge promo codes, and compute the discount of a ticket.

A code discounts each ticket of the types that it names. The discount of one ticket is rounded half
up to a cent and is at most the price of the ticket. All amounts are whole cents, so that sums are
exact.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, TypeAlias

from eventapp.events.promo_codes import StoredPromoCode
from eventapp.events.types import SaleState, TicketType

CODE_PATTERN = "[A-Za-z0-9_-]{3,40}"
CODE = re.compile(CODE_PATTERN, re.ASCII)
# A percentage is stored in hundredths of a percent.
WHOLE = 10_000

# Why a request does not get the code that it names.
PromoRefusal: TypeAlias = Literal["not_found", "not_applicable", "exhausted"]


def fold_code(code: str) -> str | None:
    """Return the key of a code: its spelling in lower case, by which codes are unique in an event.

    The key is part of the paths of queries, so it must not contain a dot or a dollar sign.

    Returns:
        None if the text cannot be a code.
    """
    return code.lower() if CODE.fullmatch(code) else None


def compute_ticket_discount(code: StoredPromoCode, price_cents: int) -> int:
    """Return the discount of one ticket in cents: 0 to its price.

    Args:
        price_cents: the list price of the ticket.
    """
    if code["kind"] == "percent":
        # Adding half of the divisor before a whole division rounds half up.
        return (price_cents * code["value"] + WHOLE // 2) // WHOLE
    if code["kind"] == "amount":
        return min(code["value"], price_cents)
    return max(0, price_cents - code["value"])


def compute_discounts(code: StoredPromoCode, ticket_types: Iterable[TicketType]) -> dict[int, int]:
    """Return the discount of one ticket in cents by ticketTypeId, without types that have none."""
    discounts = {
        each["ticketTypeId"]: compute_ticket_discount(code, round(each["price"] * 100))
        for each in ticket_types
        if "ticketTypeIds" not in code or each["ticketTypeId"] in code["ticketTypeIds"]
    }
    return {type_id: discount for type_id, discount in discounts.items() if discount}


def is_valid(code: StoredPromoCode, moment: datetime) -> bool:
    """Return whether a code can be used at a moment, apart from its number of uses."""
    has_begun = "validFrom" not in code or code["validFrom"] <= moment
    has_ended = "validUntil" in code and code["validUntil"] <= moment
    return code["active"] and has_begun and not has_ended


def count_uses_left(code: StoredPromoCode) -> int | None:
    """Return how often a code can still be used; None without a limit."""
    return code["maxUses"] - code["used"] if "maxUses" in code else None


class PromoCodeUses:
    """The codes of one event while the requests of a batch are judged in their order."""

    def __init__(self, event: SaleState) -> None:
        """Begin with the uses that the codes have left in this state of the event."""
        self._codes: Mapping[str, StoredPromoCode] = event.get("promoCodes", {})
        self._ticket_types = event["ticketTypes"]
        self._secret_ids = {
            each["ticketTypeId"]
            for each in event["ticketTypes"]
            if each.get("visibility") == "secret"
        }
        self._left = {key: count_uses_left(code) for key, code in self._codes.items()}

    def judge(
        self, key: str | None, ticket_type_ids: Iterable[int], moment: datetime | None
    ) -> PromoRefusal | None:
        """Return why a request cannot use the code that it names; None if it can, or names none.

        Args:
            key: the folded code; None without one.
            ticket_type_ids: the types of the tickets that the request asks for, or would get.
            moment: when the caller asked, by the database's clock. A code is not found without it.
        """
        if key is None:
            return None
        code = self._codes.get(key)
        if code is None or moment is None or not is_valid(code, moment):
            return "not_found"
        affected = compute_discounts(code, self._ticket_types).keys() | code.get("unlocks", ())
        if not affected & set(ticket_type_ids):
            return "not_applicable"
        left = self._left[key]
        return "exhausted" if left is not None and left <= 0 else None

    def judge_retake(self, key: str | None) -> PromoRefusal | None:
        """Return why tickets that were bought with a code cannot be taken again; None if they can.

        Only a use of the code is needed: the price and the discount stay as they were.
        """
        if key is None:
            return None
        if key not in self._codes:
            return "not_found"
        left = self._left[key]
        return "exhausted" if left is not None and left <= 0 else None

    def find_locked(self, key: str | None, ticket_type_ids: Iterable[int]) -> int | None:
        """Return one of these types that is secret and that the code does not unlock, or None.

        Args:
            key: the folded code, which is valid; None without one.
        """
        locked = self._secret_ids & set(ticket_type_ids) if self._secret_ids else ()
        if locked and key:
            locked -= set(self._codes[key].get("unlocks", ()))
        return min(locked, default=None)

    def add_use(self, key: str | None) -> None:
        """Count the use of the code that a request names, if it names one."""
        if key and (left := self._left[key]) is not None:
            self._left[key] = left - 1


def count_uses(codes: Iterable[str | None]) -> dict[str, int]:
    """Return how often each folded code occurs; None is no code."""
    return dict(Counter(code for code in codes if code))
