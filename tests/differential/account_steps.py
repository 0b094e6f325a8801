"""The steps of programs that concern accounts, figures and notifications, with their weights."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.differential.pair import PASSWORD, Step
from tests.differential.requests import (
    ATTENDEES,
    EVENT_IDS,
    LISTS,
    ORGANIZERS,
    PROFILE,
    call,
    known,
    queries,
)
from tests.differential.values import DATES, MOMENTS, ZONES, of, record, texts, words

# How often each step comes, compared with the others.
ACCOUNT_STEPS: list[tuple[int, SearchStrategy[Step]]] = [
    (
        1,
        call(
            "GET", "/api/notifications", query=queries({**LISTS, "unread": of("true", "false")}, 3)
        ),
    ),
    (1, call("POST", "/api/notifications/{notification}/read")),
    (1, call("POST", "/api/notifications/read")),
    (1, call("GET", "/api/analytics/overview", *ORGANIZERS, "admin")),
    (
        2,
        call(
            "GET",
            "/api/analytics/revenue",
            *ORGANIZERS,
            "admin",
            query=queries(
                {
                    "interval": of("day", "week", "month"),
                    "timezone": of(*ZONES),
                    "from": of(*DATES),
                    "to": of(*DATES),
                },
                2,
            ),
        ),
    ),
    (
        2,
        call(
            "GET",
            "/api/analytics/events",
            *ORGANIZERS,
            "admin",
            query=queries(
                {
                    **LISTS,
                    "sortBy": of("revenue", "sold", "utilization"),
                    "status": of("draft", "published", "cancelled", "completed"),
                },
                3,
            ),
        ),
    ),
    (1, call("GET", "/api/analytics/payments.csv", *ORGANIZERS)),
    (1, call("GET", "/api/admin/dashboard", "admin")),
    (
        2,
        call(
            "GET",
            "/api/admin/users",
            "admin",
            query=queries(
                {
                    **LISTS,
                    "search": words() | of("a", "example", "@"),
                    "role": of("attendee", "organizer"),
                },
                3,
            ),
        ),
    ),
    (
        1,
        call(
            "GET",
            "/api/admin/events",
            "admin",
            query=queries(
                {
                    **LISTS,
                    "sortBy": of("revenue", "sold", "utilization"),
                    "status": of("draft", "cancelled"),
                },
                3,
            ),
        ),
    ),
    (1, call("GET", "/api/admin/waitlist", "admin", query=queries(LISTS, 2))),
    (
        1,
        call(
            "GET",
            "/api/admin/payments",
            "admin",
            query=queries(
                {
                    **LISTS,
                    "state": of("succeeded", "refunded"),
                    "eventId": EVENT_IDS,
                    "since": of(*MOMENTS),
                    "until": of(*MOMENTS),
                },
                4,
            ),
        ),
    ),
    (1, call("GET", "/api/admin/payments.csv", "admin")),
    (
        1,
        call(
            "POST",
            "/api/webhooks",
            *ORGANIZERS,
            body=record(
                {
                    "url": of(
                        "https://example.org/hook", "http://example.org", "https://127.0.0.1/"
                    ),
                    "events": of(
                        ["booking.confirmed"], ["event.updated", "event.cancelled"], ["x"]
                    ),
                },
                eventIds=of(None, [1], [99]),
            ),
        ),
    ),
    (1, call("GET", "/api/webhooks", *ORGANIZERS)),
    (
        1,
        call(
            "PATCH",
            "/api/webhooks/{webhookId}",
            *ORGANIZERS,
            body=record({}, enabled=st.booleans(), eventIds=of(None, [1])),
        ),
    ),
    (1, call("DELETE", "/api/webhooks/{webhookId}", *ORGANIZERS)),
    (1, call("GET", "/api/webhooks/{webhookId}/deliveries", *ORGANIZERS, query=queries(LISTS, 2))),
    (1, call("GET", "/api/auth/tokens")),
    (1, call("DELETE", "/api/auth/tokens/{tokenId}", *ORGANIZERS)),
    (1, call("GET", "/api/auth/sessions", query=queries(LISTS, 2))),
    (1, call("DELETE", "/api/auth/sessions/{session}")),
    (1, call("GET", "/api/auth/profile")),
    (2, call("PUT", "/api/auth/profile", body=PROFILE)),
    (1, call("POST", "/api/auth/logout", *ATTENDEES, body=record({}, everywhere=st.booleans()))),
    (
        2,
        call(
            "POST",
            "/api/auth/register",
            "",
            body=record(
                {
                    "name": words(),
                    "email": of(
                        "eve@example.org",
                        "EVE@example.org",
                        "ann@example.org",
                        "é@example.org",
                        "x",
                    ),
                    "password": of(PASSWORD, "x"),
                },
                role=of("attendee", "organizer", "admin"),
            ),
        ),
    ),
    (
        1,
        call(
            "POST",
            "/api/auth/login",
            "",
            body=record(
                {
                    "email": of("eve@example.org", "ANN@example.org", "olga@example.org"),
                    "password": of(PASSWORD, PASSWORD, "wrong one"),
                }
            ),
        ),
    ),
    (
        1,
        call("POST", "/api/auth/refresh", "", body=record({"refreshToken": known("refreshToken")})),
    ),
    (
        1,
        call(
            "POST",
            "/api/auth/forgot-password",
            "",
            body=record({"email": of("ann@example.org", "nobody@example.org")}),
        ),
    ),
    (
        1,
        call(
            "PUT",
            "/api/auth/change-password",
            *ATTENDEES,
            body=record(
                {
                    "currentPassword": of(PASSWORD, "x"),
                    "newPassword": of(PASSWORD, "another password", "x"),
                }
            ),
        ),
    ),
    (
        1,
        call(
            "GET",
            "/api/users",
            "admin",
            query=queries(
                {
                    **LISTS,
                    "search": words() | of("a", "example"),
                    "role": of("attendee", "organizer"),
                },
                3,
            ),
        ),
    ),
    (1, call("GET", "/api/users/{user}", "admin", *ATTENDEES)),
    (
        1,
        call(
            "PUT",
            "/api/users/{user}",
            "admin",
            *ATTENDEES,
            body=record({}, role=of("attendee", "organizer", "admin"), name=texts(), about=texts()),
        ),
    ),
    (
        1,
        call(
            "DELETE",
            "/api/users/{user}",
            "admin",
            *ATTENDEES,
            query=queries({"transferTo": known("user")}, 2),
        ),
    ),
    (1, call("GET", "/api/users/{user}/export", "admin", *ATTENDEES)),
    (1, call("GET", "/api/users/{user}/bookings", "admin", *ATTENDEES, query=queries(LISTS, 2))),
    (1, call("GET", "/api/organizers/{user}")),
    (1, call("GET", "/api/organizers/{user}/events", query=queries(LISTS, 2))),
    (
        1,
        call(
            "PUT",
            "/api/organizers/me",
            *ORGANIZERS,
            body=record(
                {},
                name=texts(),
                about=texts(),
                links=of([{"url": "https://example.org"}]),
                showPhoto=st.booleans(),
            ),
        ),
    ),
    (1, call("GET", "/api/organizers/me/members", *ORGANIZERS)),
    (
        1,
        call(
            "POST",
            "/api/organizers/me/members",
            *ORGANIZERS,
            body=record(
                {
                    "email": of("ann@example.org", "bob@example.org"),
                    "role": of("manager", "viewer", "door"),
                },
                eventIds=of([1], [99]),
            ),
        ),
    ),
    (1, call("GET", "/api/organizers/memberships", *ATTENDEES)),
]
