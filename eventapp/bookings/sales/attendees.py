"""Assign the attendees of a purchase to its tickets, and check their answers."""

from collections.abc import Iterable

from eventapp.bookings.bodies import TicketAttendeeInput
from eventapp.core.errors import ValidationFailed
from eventapp.events.attendees import check_attendee
from eventapp.events.question_types import Attendee
from eventapp.events.types import SaleState
from eventapp.inventory.service import Quantities


def resolve_attendees(
    attendees: Iterable[TicketAttendeeInput], items: Quantities, event: SaleState
) -> dict[int, list[Attendee]]:
    """Return the attendees of a purchase by ticketTypeId, in the order of the request.

    Args:
        items: the requested quantities by ticketTypeId.
        event: the state of the event with whose questions the answers are compared.

    Raises:
        ValidationFailed: an attendee is for a ticket that is not requested, or lacks a required
            answer, or has one that is not valid. It names the fields of the first such attendee.
    """
    by_type: dict[int, list[Attendee]] = {}
    for index, body in enumerate(attendees):
        type_id = body["ticketTypeId"]
        listed = by_type.setdefault(type_id, [])
        if len(listed) >= items.get(type_id, 0):
            fault = "There are more attendees than tickets of this type."
            errors = {f"attendees.{index}.ticketTypeId": [fault]}
            raise ValidationFailed("Invalid attendees", errors=errors)
        listed.append(check_attendee(body, event, type_id, f"attendees.{index}."))
    return by_type
