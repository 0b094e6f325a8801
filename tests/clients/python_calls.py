"""Calls with the generated Python client, as its user writes them; run by test_clients.py.

The arguments are the address of the server and the folder that contains the generated `client`.
"""

# ruff: noqa: E402, I001
import sys

BASE_URL, FOLDER = sys.argv[1:]
sys.path.insert(0, FOLDER)

from client import AuthenticatedClient, Client
from client.api.accounts import auth_register
from client.api.bookings import (
    bookings_cancel_booking,
    bookings_create_booking,
    bookings_my_bookings,
)
from client.api.events import events_list_events, events_show_event
from client.models import BookedAnswer, BookingBody, ErrorBody, ItemBody, Registration

public = Client(base_url=BASE_URL, raise_on_unexpected_status=True)
page = events_list_events.sync(client=public, limit=2)
assert len(page.events) == 2
event = events_show_event.sync(client=public, event_id=page.events[0].event_id)
assert event.title == page.events[0].title

account = Registration(name="Ada", email="ada.python@example.org", password="correct horse")
tokens = auth_register.sync(client=public, body=account)
ada = AuthenticatedClient(BASE_URL, tokens.access_token, raise_on_unexpected_status=True)
wanted = BookingBody(
    event_id=event.event_id,
    items=[ItemBody(ticket_type_id=event.ticket_types[0].ticket_type_id, quantity=2)],
)
booked = bookings_create_booking.sync(client=ada, body=wanted, idempotency_key="once")
assert isinstance(booked, BookedAnswer)
booking = booked.data.booking
assert (booking.status, booking.quantity) == ("confirmed", 2)
refused = bookings_create_booking.sync(client=ada, body=wanted)
assert isinstance(refused, ErrorBody)
assert refused.code == "already_booked"
cancelled = bookings_cancel_booking.sync_detailed(client=ada, booking_id=booking.field_id)
assert cancelled.status_code == 200
assert bookings_my_bookings.sync(client=ada).bookings[0].status == "cancelled"
