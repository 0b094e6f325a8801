"""Decide which ticket types of an event a request may name.

A request that names another type gets the answer to a type that does not exist, so that nothing
tells of a secret type.
"""

from collections.abc import Collection
from datetime import datetime

from eventapp.core.errors import ValidationFailed
from eventapp.events.service import TicketTypeNotFound, list_visible_types, may_be_named
from eventapp.events.types import SaleState
from eventapp.inventory.errors import PromoNotFound
from eventapp.inventory.promo_codes import is_valid


def find_unlocked(event: SaleState, promo_code: str | None, moment: datetime) -> Collection[int]:
    """Return the ticketTypeIds that a request may name because of its promo code.

    The code is judged before the types that the request names. So an answer to a wrong code says
    nothing of them.

    Args:
        event: the event with the code, just read.
        promo_code: the folded code; None without one.
        moment: when the caller asked, by the database's clock.

    Raises:
        PromoNotFound: the code does not exist, or is not valid at this moment.
    """
    if promo_code is None:
        return ()
    code = event.get("promoCodes", {}).get(promo_code)
    if code is None or not is_valid(code, moment):
        raise PromoNotFound
    return code.get("unlocks", ())


class NameableTypes:
    """The ticket types of an event that one request may name."""

    def __init__(self, event: SaleState, unlocked: Collection[int] = ()) -> None:
        """Use the types of this state of the event, and what `find_unlocked` returned."""
        types = event["ticketTypes"]
        self._ids = {each["ticketTypeId"] for each in types if may_be_named(each, unlocked)}
        public_types = list_visible_types(types, may_manage=False)
        self._public_ids = [each["ticketTypeId"] for each in public_types]
        # A hidden type is named by its id alone.
        self._ids_by_name = {
            each["type"]: each["ticketTypeId"]
            for each in types
            if "visibility" not in each or each["ticketTypeId"] in unlocked
        }

    def require_id(self, type_id: int | None, name: str | None = None) -> int:
        """Return the ticketTypeId of a type that is named by its id, or by its name.

        Raises:
            TicketTypeNotFound: the request may name no such type.
        """
        if name is not None:
            type_id = self._ids_by_name.get(name)
        if type_id is None or type_id not in self._ids:
            raise TicketTypeNotFound
        return type_id

    def require_only_id(self) -> int:
        """Return the ticketTypeId of the only public type of the event.

        Raises:
            ValidationFailed: the event has several, or none.
        """
        if len(self._public_ids) == 1:
            return self._public_ids[0]
        errors = {"ticketTypeId": ["This event has several ticket types: name one."]}
        raise ValidationFailed("Missing ticketTypeId", code="ticket_type_required", errors=errors)
