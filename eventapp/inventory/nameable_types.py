"""Decide which ticket types of an event a request may name.

A request that names another type gets the answer to a type that does not exist, so that nothing
tells of a secret type.
"""

from eventapp.core.errors import ValidationFailed
from eventapp.events.service import TicketTypeNotFound, list_visible_types, may_be_named
from eventapp.events.types import SaleState


class NameableTypes:
    """The ticket types of an event that one request may name."""

    def __init__(self, event: SaleState) -> None:
        """Use the types of this state of the event."""
        self._ids = {each["ticketTypeId"] for each in event["ticketTypes"] if may_be_named(each)}
        # A hidden type is named by its id alone.
        public_types = list_visible_types(event["ticketTypes"], may_manage=False)
        self._ids_by_name = {each["type"]: each["ticketTypeId"] for each in public_types}

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
        if len(self._ids_by_name) == 1:
            return next(iter(self._ids_by_name.values()))
        errors = {"ticketTypeId": ["This event has several ticket types: name one."]}
        raise ValidationFailed("Missing ticketTypeId", code="ticket_type_required", errors=errors)
