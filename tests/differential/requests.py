"""Strategies for requests: who calls, paths, queries and bodies."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.differential.pair import PASSWORD, Call, Wait
from tests.differential.values import (
    CATEGORIES,
    CITIES,
    DATES,
    MOMENTS,
    PLACES,
    PRICES,
    TAGS,
    of,
    optional,
    questions,
    record,
    schedule_entries,
    texts,
    ticket_types,
    words,
)

# Olga has the events that exist at the start.
ATTENDEES, ORGANIZERS = ("ann", "ann", "bob"), ("olga", "olga", "olga", "otto")
ANYBODY = ("", "admin", "olga", "otto", "ann", "bob", "ann", "olga")
EVENT_IDS = of(1, 1, 1, 2, 2, 2, 3, 4, 99)
SMALL = of(1, 1, 2, 3, 9)
ODD_PARAMETERS = ("", "x", "-1", "0", "1.5", "1e400", "NaN", "9" * 30, "é", "true", "1,2", "a\x00")
# What stands for a part of a path.
PATH_PARTS = {
    "event": EVENT_IDS.map(str) | of("0", "abc", "1.0", "9" * 30, "-1", "%00", "é"),
    "number": SMALL.map(str),
    "index": of("0", "1", "7", "x"),
}


def known(kind: str) -> SearchStrategy[str]:
    """A reference to one of the newest objects of a kind."""
    return of(0, 0, 0, 1, 1, 2, 3).map(lambda number: f"<{kind}:{number}>")


@st.composite
def queries(draw: st.DrawFn, fields: dict[str, SearchStrategy[Any]], one_in: int) -> dict[str, Any]:
    """Queries that have each parameter once in some times. One in ten has a wrong parameter."""
    query = draw(optional(fields, one_in))
    if not query or draw(st.integers(0, 9)):
        return query
    return {**query, draw(st.sampled_from(sorted(query))): draw(of(*ODD_PARAMETERS))}


@st.composite
def paths(draw: st.DrawFn, path: str) -> str:
    """Fill `{event}` and so on in a path."""
    parts = []
    for part in path.split("/"):
        if part.startswith("{"):
            name = part[1:-1]
            usual = EVENT_IDS.map(str) if name == "event" else PATH_PARTS.get(name, known(name))
            is_odd = draw(st.integers(0, 19)) == 19 and name in PATH_PARTS
            part = draw(PATH_PARTS[name] if is_odd else usual)
        parts.append(part)
    return "/".join(parts)


def call(
    method: str,
    path: str,
    *callers: str,
    query: SearchStrategy[dict[str, Any]] | None = None,
    body: SearchStrategy[Any] | None = None,
    headers: SearchStrategy[dict[str, str]] | None = None,
) -> SearchStrategy[Call]:
    """Calls of an operation, mostly by these callers, and sometimes by anybody."""
    caller = of(*callers * 15, *ANYBODY)
    return st.builds(
        Call,
        st.just(method),
        paths(path),
        caller,
        st.just({}) if query is None else query,
        st.none() if body is None else body,
        st.just({}) if headers is None else headers,
    )


# Filters of the list of events. Their values are valid, but not always together.
FILTERS = {
    "search": texts() | words(),
    "upcoming": of("true", "false"),
    "mine": of("true", "false"),
    "sortBy": of("eventId", "title", "date", "schedule.date", "price", "popularity"),
    "sortOrder": of("asc", "desc"),
    "category": of(*CATEGORIES),
    "city": of(*CITIES) | words(),
    "tags": st.lists(of(*TAGS), min_size=1, max_size=2).map(",".join),
    "organizerId": known("user"),
    "dateFrom": of(*DATES[:4]),
    "dateTo": of(*DATES[4:]),
    "minPrice": of(*PRICES[:4]),
    "maxPrice": of(*PRICES[3:]),
    "availableOnly": of("true", "false"),
    "onSale": of("true", "false"),
    "near": of(*PLACES).map(lambda place: f"{place[0]},{place[1]}"),
    "bbox": of("-180,-90,180,90", "22,39,23,40", "170,-10,-170,10", "0,0,0,0"),
    "facets": of("category", "city,tags", "category,city,tags,month"),
    "limit": of("1", "2", "100"),
    "cursor": known("nextCursor"),
}
NEAR = st.fixed_dictionaries(
    {"near": FILTERS["near"], "sortBy": of("distance", "date")},
    optional={"radius": of("0", "1", "50", "500"), "limit": of("1", "2")},
)
DEVICES = optional({"X-Device-Id": of("device-0001", "device-0002", "x")}, 3)
KEYS = optional({"Idempotency-Key": of("key-1", "key-2", "k" * 300)}, 4)
EVENTS = record(
    {
        "title": texts(),
        "category": of(*CATEGORIES),
        "schedule": st.lists(schedule_entries(), min_size=1, max_size=3),
        "ticketTypes": ticket_types(),
        "organizer": words(),
    },
    description=texts(),
    tags=st.lists(of(*TAGS), max_size=3),
    status=of("draft", "published", "published"),
    image=of("", "https://example.org/a.jpg"),
    questions=questions(),
)
ITEMS = st.lists(
    st.fixed_dictionaries({"ticketTypeId": SMALL, "quantity": of(1, 1, 2, 3, 11)}),
    min_size=1,
    max_size=2,
)
CODES = of("SPRING", "spring", "HALF", "GIFT-1", "ΕΑΡ", "nothing")
BOOKINGS = record(
    {"eventId": EVENT_IDS, "ticketTypeId": of(1, 1, 1, 2, 3), "quantity": of(1, 1, 2, 3, 6)},
    scheduleId=of(1, 1, 2, 9),
    promoCode=CODES,
    hold=st.booleans(),
    onShortfall=of("reject", "partial", "waitlist"),
) | record(
    {"eventId": EVENT_IDS},
    items=ITEMS,
    scheduleIndex=of(0, 1, 9),
    hold=st.booleans(),
    promoCode=CODES,
    attendees=st.lists(
        st.fixed_dictionaries(
            {"ticketTypeId": of(1, 2), "name": texts()},
            optional={"email": of("eve@example.org", "x"), "answers": of({"1": "S"}, {"1": True})},
        ),
        min_size=1,
        max_size=2,
    ),
)
LISTS = {
    "limit": of("1", "2", "2", "3", "100"),
    "cursor": known("nextCursor"),
}
PROFILE = record(
    {},
    name=texts(),
    email=of("ann@example.org", "ANN@example.org", "new@example.org", "x"),
    about=texts(),
    language=of("en", "el"),
    currentPassword=of(PASSWORD, "wrong password"),
)
CODE_FIELDS = {
    "maxUses": of(None, 1, 2),
    "validFrom": of(None, *MOMENTS),
    "validUntil": of(None, *MOMENTS),
    "ticketTypeIds": of(None, [1], [1, 2], [9]),
    "unlocks": of(None, [1], [2]),
    "active": st.booleans(),
}
ALL_SCOPES = ["events:read", "events:write", "bookings:read", "bookings:write", "attendees:read",
              "check-in", "analytics:read", "webhooks"]  # fmt: skip


EVENT, BOOKING = "/api/events/{event}", "/api/bookings/{booking}"
SEARCH = call("GET", "/api/events", query=queries(FILTERS, 8) | NEAR)
CREATE_EVENT = call("POST", "/api/events", *ORGANIZERS, body=EVENTS)
BOOK = call("POST", "/api/bookings", *ATTENDEES, body=BOOKINGS, headers=KEYS)
WAITS = of(1, 61, 16 * 60, 3600, 86_400, 40 * 86_400).map(Wait)
