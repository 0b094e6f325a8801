"""The steps of programs that concern events, lists of them and favorites, with their weights."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.differential.pair import FEED, Step
from tests.differential.requests import (
    ANYBODY,
    ATTENDEES,
    CODE_FIELDS,
    CODES,
    CREATE_EVENT,
    DEVICES,
    EVENT,
    EVENT_IDS,
    EVENTS,
    FILTERS,
    KEYS,
    LISTS,
    ORGANIZERS,
    SEARCH,
    SMALL,
    call,
    queries,
)
from tests.differential.values import (
    CATEGORIES,
    CITIES,
    DATES,
    MOMENTS,
    PRICES,
    ZONES,
    of,
    record,
    sale_terms,
    texts,
    words,
)

# How often each step comes, compared with the others.
EVENT_STEPS: list[tuple[int, SearchStrategy[Step]]] = [
    (4, CREATE_EVENT),
    (14, SEARCH),
    (2, call("GET", EVENT, headers=DEVICES)),
    (2, call("PUT", EVENT, *ORGANIZERS, body=EVENTS)),
    (1, call("DELETE", EVENT, *ORGANIZERS)),
    (1, call("POST", f"{EVENT}/publish", *ORGANIZERS)),
    (1, call("POST", f"{EVENT}/cancel", *ORGANIZERS)),
    (
        1,
        call(
            "POST",
            f"{EVENT}/duplicate",
            *ORGANIZERS,
            body=record({}, dates=st.lists(of(*DATES), max_size=2)),
        ),
    ),
    (
        1,
        call(
            "PATCH",
            f"{EVENT}/ticketTypes/{{index}}",
            *ORGANIZERS,
            body=record({}, price=of(*PRICES), availableTickets=of(0, 3)),
        ),
    ),
    (
        2,
        call(
            "PATCH",
            f"{EVENT}/ticket-types/{{number}}",
            *ORGANIZERS,
            body=record({}, capacity=of(0, 1, 5), type=of("A", "B"), **sale_terms()),
        ),
    ),
    (
        1,
        call(
            "POST",
            f"{EVENT}/ticket-types",
            *ORGANIZERS,
            body=record(
                {"type": of("A", "D", "é"), "price": of(*PRICES), "availableTickets": of(0, 2)}
            ),
        ),
    ),
    (1, call("DELETE", f"{EVENT}/ticket-types/{{number}}", *ORGANIZERS)),
    (1, call("GET", f"{EVENT}/ticket-types")),
    (
        1,
        call(
            "PATCH",
            f"{EVENT}/schedule/{{index}}",
            *ORGANIZERS,
            body=record(
                {},
                date=of(*DATES),
                location=of(*CITIES),
                startTime=of(None, "09:00"),
                timezone=of(*ZONES),
            ),
        ),
    ),
    (
        2,
        call(
            "GET",
            f"{EVENT}/availability",
            query=queries({**LISTS, "scheduleId": SMALL, "ticketTypeId": SMALL}, 4),
        ),
    ),
    (
        2,
        call(
            "POST",
            f"{EVENT}/quotas",
            *ORGANIZERS,
            body=record(
                {"name": words(), "capacity": of(0, 1, 2, 50)},
                ticketTypeIds=of(None, [1], [1, 2]),
                scheduleIds=of(None, [1], [2]),
            ),
        ),
    ),
    (
        1,
        call(
            "PATCH",
            f"{EVENT}/quotas/{{number}}",
            *ORGANIZERS,
            body=record({}, capacity=of(0, 1, 9), ticketTypeIds=of(None, [2])),
        ),
    ),
    (1, call("DELETE", f"{EVENT}/quotas/{{number}}", *ORGANIZERS)),
    (1, call("GET", f"{EVENT}/quotas", *ORGANIZERS)),
    (
        2,
        call(
            "POST",
            f"{EVENT}/promo-codes",
            *ORGANIZERS,
            body=record(
                {
                    "code": CODES,
                    "kind": of("percent", "amount", "fixed_price"),
                    "value": of(50, 100, 5, 0.01),
                },
                **CODE_FIELDS,
            ),
        ),
    ),
    (
        1,
        call(
            "PATCH",
            f"{EVENT}/promo-codes/{{number}}",
            *ORGANIZERS,
            body=record({}, code=CODES, **CODE_FIELDS),
        ),
    ),
    (1, call("DELETE", f"{EVENT}/promo-codes/{{number}}", *ORGANIZERS)),
    (1, call("GET", f"{EVENT}/promo-codes", *ORGANIZERS)),
    (1, call("GET", f"{EVENT}/log", *ORGANIZERS, query=queries(LISTS, 2))),
    (
        2,
        call(
            "POST",
            f"{EVENT}/announcements",
            *ORGANIZERS,
            body=record(
                {"subject": texts(), "text": texts()},
                to=of({"ticketTypeIds": [1]}, {"checkedIn": False}, {"scheduleIds": [2]}),
                sendAt=of(*MOMENTS),
            ),
            headers=KEYS,
        ),
    ),
    (1, call("GET", f"{EVENT}/announcements", *ANYBODY, query=queries(LISTS, 2))),
    (1, call("DELETE", f"{EVENT}/announcements/{{announcement}}", *ORGANIZERS)),
    (1, call("POST", f"{EVENT}/messages", *ATTENDEES, *ORGANIZERS, body=record({"text": texts()}))),
    (1, call("GET", f"{EVENT}/messages", query=queries({**LISTS, "after": of(0, 1, 5)}, 3))),
    (1, call("DELETE", f"{EVENT}/messages/{{message}}", *ATTENDEES, *ORGANIZERS)),
    (1, call("POST", f"{EVENT}/devices", *ORGANIZERS, body=record({"name": words()}))),
    (1, call("GET", f"{EVENT}/devices", *ORGANIZERS)),
    (1, call("DELETE", f"{EVENT}/devices/{{deviceId}}", *ORGANIZERS)),
    (1, call("GET", f"{EVENT}/calendar.ics")),
    (
        1,
        call(
            "GET",
            "/api/events.ics",
            query=queries(
                {
                    name: FILTERS[name]
                    for name in ("search", "category", "city", "tags", "near", "onSale")
                },
                3,
            ),
        ),
    ),
    (
        2,
        call(
            "GET",
            "/api/events/suggest",
            query=st.fixed_dictionaries({"q": words() | words().map(lambda word: word[:2])}),
        ),
    ),
    (1, call("GET", "/api/events/popular", query=queries({"limit": of(1, 3, 0)}, 2))),
    (1, call("GET", FEED, query=queries({**LISTS, "cursor": of("", "x")}, 2))),
    (1, call("GET", "/api/favorites", headers=DEVICES)),
    (
        2,
        call(
            "POST",
            "/api/favorites",
            *ATTENDEES,
            body=record({"eventId": EVENT_IDS}),
            headers=DEVICES,
        ),
    ),
    (1, call("DELETE", "/api/favorites/{event}", *ATTENDEES, headers=DEVICES)),
    (
        1,
        call(
            "POST", "/api/recoms", body=st.lists(of(*CATEGORIES, "x"), max_size=3), headers=DEVICES
        ),
    ),
    (1, call("GET", "/android/api/events")),
    (1, call("GET", "/android/api/favorites")),
    (1, call("POST", "/android/api/favorites", body=record({"eventId": EVENT_IDS}))),
    (1, call("POST", "/android/api/recoms", body=st.lists(of(*CATEGORIES, "x"), max_size=3))),
]
