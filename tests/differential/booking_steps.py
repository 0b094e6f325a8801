"""The steps of programs that concern bookings, the waitlist and the door, with their weights."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.differential.pair import PASSWORD, Step
from tests.differential.requests import (
    ALL_SCOPES,
    ATTENDEES,
    BOOK,
    BOOKING,
    CODES,
    EVENT,
    EVENT_IDS,
    ITEMS,
    KEYS,
    LISTS,
    ORGANIZERS,
    SMALL,
    WAITS,
    call,
    known,
    queries,
)
from tests.differential.values import MOMENTS, of, record, texts, words

# How often each step comes, compared with the others.
BOOKING_STEPS: list[tuple[int, SearchStrategy[Step]]] = [
    (10, BOOK),
    (3, WAITS),
    (1, call("GET", f"{EVENT}/stats", *ORGANIZERS)),
    (
        2,
        call(
            "GET",
            f"{EVENT}/bookings",
            *ORGANIZERS,
            query=queries({**LISTS, "status": of("held", "confirmed", "cancelled", "expired")}, 3),
        ),
    ),
    (1, call("GET", f"{EVENT}/bookings.csv", *ORGANIZERS)),
    (1, call("GET", f"{EVENT}/attendees.csv", *ORGANIZERS)),
    (1, call("GET", f"{EVENT}/payments.csv", *ORGANIZERS)),
    (1, call("GET", f"{EVENT}/waitlist", *ORGANIZERS, query=queries(LISTS, 2))),
    (
        2,
        call(
            "GET",
            f"{EVENT}/attendees",
            *ORGANIZERS,
            query=queries(
                {
                    **LISTS,
                    "search": words(),
                    "ticketTypeId": SMALL,
                    "scheduleId": SMALL,
                    "checkedIn": of("true", "false"),
                },
                3,
            ),
        ),
    ),
    (
        1,
        call(
            "POST",
            f"{EVENT}/quote",
            *ATTENDEES,
            body=record({"items": ITEMS}, scheduleId=SMALL, promoCode=CODES),
        ),
    ),
    (
        2,
        call(
            "POST",
            f"{EVENT}/check-in",
            *ORGANIZERS,
            body=record({"ticketId": known("ticketId")}) | record({"code": known("code")}),
        ),
    ),
    (1, call("GET", f"{EVENT}/check-in", *ORGANIZERS)),
    (
        1,
        call(
            "POST",
            f"{EVENT}/check-in/undo",
            *ORGANIZERS,
            body=record({"ticketId": known("ticketId")}),
        ),
    ),
    (
        1,
        call(
            "POST",
            f"{EVENT}/check-in/batch",
            *ORGANIZERS,
            body=record(
                {
                    "scans": st.lists(
                        st.fixed_dictionaries(
                            {"ticketId": known("ticketId"), "scannedAt": of(*MOMENTS)}
                        ),
                        min_size=1,
                        max_size=3,
                    )
                }
            ),
        ),
    ),
    (
        2,
        call(
            "POST",
            "/api/waitlist",
            *ATTENDEES,
            body=record(
                {"eventId": EVENT_IDS},
                ticketTypeId=SMALL,
                scheduleId=of(1, 2),
                quantity=of(1, 2, 11),
            ),
        ),
    ),
    (1, call("GET", "/api/waitlist", *ATTENDEES, query=queries(LISTS, 2))),
    (2, call("GET", "/api/waitlist/notifications", *ATTENDEES, query=queries(LISTS, 2))),
    (
        2,
        call(
            "POST",
            "/api/waitlist/{event}/accept",
            *ATTENDEES,
            body=record({}, quantity=of(1, 2), bookingId=known("booking")),
        ),
    ),
    (1, call("DELETE", "/api/waitlist/{event}", *ATTENDEES)),
    (
        3,
        call(
            "GET",
            "/api/bookings",
            *ATTENDEES,
            query=queries(
                {
                    **LISTS,
                    "status": of("held", "confirmed", "cancelled", "x"),
                    "eventId": EVENT_IDS,
                    "upcoming": of("true", "false"),
                },
                4,
            ),
        ),
    ),
    (1, call("GET", BOOKING, *ATTENDEES)),
    (1, call("DELETE", BOOKING, *ATTENDEES)),
    (1, call("GET", "/api/bookings/reference/{bookingReference}", *ATTENDEES)),
    (2, call("PUT", f"{BOOKING}/cancel", *ATTENDEES)),
    (1, call("POST", f"{BOOKING}/resend", *ATTENDEES)),
    (
        2,
        call(
            "POST",
            f"{BOOKING}/cancellations",
            *ATTENDEES,
            body=record({"items": ITEMS})
            | record({"ticketIds": st.lists(known("ticketId"), min_size=1, max_size=2)}),
            headers=KEYS,
        ),
    ),
    (3, call("POST", f"{BOOKING}/confirm", *ATTENDEES)),
    (1, call("POST", f"{BOOKING}/payments", *ATTENDEES, headers=KEYS)),
    (
        1,
        call(
            "GET",
            f"{BOOKING}/receipt",
            *ATTENDEES,
            query=queries({"format": of("json", "html", "pdf", "x")}, 2),
        ),
    ),
    (3, call("GET", f"{BOOKING}/tickets", *ATTENDEES)),
    (1, call("GET", f"{BOOKING}/calendar.ics", *ATTENDEES)),
    (1, call("POST", f"{BOOKING}/link/rotate", *ATTENDEES)),
    (
        1,
        call(
            "PUT",
            "/api/tickets/{ticketId}/attendee",
            *ATTENDEES,
            body=record(
                {"name": texts()},
                email=of(None, "eve@example.org"),
                answers=of({"1": "S"}, {"2": "2030-01-01"}),
            ),
        ),
    ),
    (1, call("GET", "/api/tickets/{ticketId}/qr.svg", *ATTENDEES)),
    (
        2,
        call(
            "POST",
            "/api/auth/tokens",
            *ORGANIZERS,
            body=record(
                {
                    "name": words(),
                    "scopes": of(ALL_SCOPES, ["events:read"], ["check-in"], ["x"]),
                    "currentPassword": of(PASSWORD, "x"),
                },
                eventIds=of([1], [2, 99]),
                expiresAt=of(*MOMENTS),
            ),
        ),
    ),
]
