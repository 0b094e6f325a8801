"""Strategies for programs: lists of calls of the API, and of times that pass."""

from typing import Any

from hypothesis import strategies as st

from tests.differential.account_steps import ACCOUNT_STEPS
from tests.differential.booking_steps import BOOKING_STEPS
from tests.differential.event_steps import EVENT_STEPS
from tests.differential.pair import Call, NextPage, Step


def make_event(title: str, place: dict[str, Any], **changes: Any) -> Call:
    """Return the call that creates an event with 3 tickets A and 2 tickets B."""
    types = [
        {"type": "A", "price": 20, "availableTickets": 3},
        {"type": "B", "price": 0, "availableTickets": 2},
    ]
    body = {
        "title": title,
        "category": "concert",
        "schedule": [{"date": "2030-06-03", **place}, {"date": "2030-06-15", "location": "Athens"}],
        "ticketTypes": types,
        "organizer": "Olga",
        "tags": ["live"],
        "questions": [{"label": "Size", "kind": "choice", "choices": ["S", "M"]}],
    }
    return Call("POST", "/api/events", "olga", body={**body, **changes})


def make_booking(caller: str, event_id: int, type_id: int, **changes: Any) -> Call:
    body = {"eventId": event_id, "ticketTypeId": type_id, "quantity": 1, **changes}
    return Call("POST", "/api/bookings", caller, body=body)


# Programs begin with three events. One has no ticket left, and Bob waits for two.
FIRST_CALLS = [
    make_event("Jazz at the café", {"location": "Volos", "lat": 39.36, "lng": 22.94}),
    make_event("Άνοιξη", {"location": "Αθήνα", "lat": 37.98, "lng": 23.73}, category="theater"),
    make_event("Jazz and rock", {"location": "Volos"}, status="draft", tags=[]),
    make_booking("ann", 1, 1, quantity=3),
    make_booking("bob", 1, 2, quantity=2, hold=True),
    make_booking("ann", 2, 1, hold=True),
    Call("POST", "/api/waitlist", "bob", body={"eventId": 1, "ticketTypeId": 1, "quantity": 2}),
    Call("GET", "/api/bookings/<booking:2>/tickets", "ann"),
]
MAX_STEPS = 45
WEIGHTED_STEPS = [(8, st.just(NextPage())), *EVENT_STEPS, *BOOKING_STEPS, *ACCOUNT_STEPS]
# None comes first, so that hypothesis shrinks a step to none.
STEPS = [None, *(step for weight, step in WEIGHTED_STEPS for _ in range(weight))]
NUMBERS = st.sampled_from(range(len(STEPS)))


@st.composite
def programs(draw: st.DrawFn) -> list[Step]:
    """Programs of the first calls and at most MAX_STEPS more. To shrink one leaves steps out."""
    chosen = (STEPS[draw(NUMBERS)] for _ in range(MAX_STEPS))
    return [*FIRST_CALLS, *(draw(step) for step in chosen if step is not None)]
