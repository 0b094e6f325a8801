"""Sales rules of ticket types over HTTP: fields, refusals, and when answers change."""

from datetime import datetime, timedelta

import pytest

from eventapp.bookings import waitlist_offers
from eventapp.core.clock import utc_now
from eventapp.core.database import ServerClock
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.inventory import queues
from tests.bookings_factories import Caller, context_of, event_of, refused, stock_of, types
from tests.factories import event_body

HOUR = timedelta(hours=1)
BAD_TIMES = [
    "tomorrow",
    "2035-06-15",
    "2035-06-15T10:00:00",
    "2035-06-15T24:00:00Z",
    "2035-13-15T10:00:00Z",
    "1899-06-15T10:00:00Z",
    "9999-06-15T10:00:00Z",
    5,
    True,
    [],
]


class DatabaseTime:
    """The clock of the database, as every process sees it.

    Attributes:
        ahead: how far it is ahead of the real time.
    """

    def __init__(self):
        self.ahead = timedelta(0)

    def now(self):
        return utc_now() + self.ahead


@pytest.fixture
def time(monkeypatch):
    clock = DatabaseTime()
    monkeypatch.setattr(ServerClock, "correct", lambda _self, moment: moment + clock.ahead)
    return clock


class Guest:
    """A caller without an account, whose answers come from the cache."""

    def __init__(self, client):
        self._client = client

    def get(self, path):
        return self._client.get(f"/api{path}")


@pytest.fixture
def guest(client):
    return Guest(client)


def rfc(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sold(begins=None, ends=None, quantity=5):
    """Return the ticket types of an event: one with this window."""
    window = {"salesFrom": begins, "salesUntil": ends}
    set_ones = {name: moment for name, moment in window.items() if moment is not None}
    return [{**types(quantity)[0], **set_ones}]


def make(host, *ticket_types):
    """Create an event by the API and return it."""
    answer = host.call("POST", "/events", event_body(ticketTypes=list(ticket_types)))
    assert answer.status_code == 201, answer.json
    return answer.json


def sale_state(caller, event_id):
    return caller.get(f"/events/{event_id}").json["ticketTypes"][0]["saleState"]


# Fields.


RULES = {
    "description": "Standing only.",
    "salesFrom": "2035-01-01T09:00:00.000Z",
    "salesUntil": "2035-06-01T00:00:00.000Z",
}


def shown_rules(ticket_type):
    return {name: ticket_type[name] for name in RULES if name in ticket_type}


def test_a_type_shows_its_rules_to_everybody(host, ann):
    made = make(host, {**types(5)[0], **RULES, "salesFrom": "2035-01-01T12:00:00.000999+03:00"})
    path = f"/events/{made['eventId']}"
    answers = [made, host.get(path).json, ann.get(path).json, ann.get(f"{path}/ticket-types").json]
    listed = ann.get("/events").json["events"]
    for shown in [*answers, *listed]:
        assert shown_rules(shown["ticketTypes"][0]) == RULES
        assert shown["ticketTypes"][0]["saleState"] == "scheduled"


def test_a_type_without_rules_shows_none(host, ann):
    made = make(host, {**types(5)[0], **dict.fromkeys(RULES)})
    (shown,) = ann.get(f"/events/{made['eventId']}/ticket-types").json["ticketTypes"]
    assert (shown_rules(shown), shown["saleState"]) == ({}, "on_sale")


def test_put_and_patch_keep_what_they_leave_out_and_null_clears_it(host):
    made = make(host, {**types(5)[0], **RULES})
    path, bare = f"/events/{made['eventId']}", event_body(ticketTypes=types(5))
    kept = host.call("PUT", path, bare).json["ticketTypes"][0]
    assert shown_rules(kept) == RULES
    patched = host.call("PATCH", f"{path}/ticket-types/1", {"salesUntil": None}).json
    without_end = {name: RULES[name] for name in ("description", "salesFrom")}
    assert shown_rules(patched["ticketTypes"][0]) == without_end
    patched = host.call("PATCH", f"{path}/ticketTypes/0", {"description": None}).json
    assert shown_rules(patched["ticketTypes"][0]) == {"salesFrom": RULES["salesFrom"]}
    cleared = event_body(ticketTypes=[{**types(5)[0], "salesFrom": None}])
    assert shown_rules(host.call("PUT", path, cleared).json["ticketTypes"][0]) == {}


def test_a_type_can_be_added_with_rules(host):
    made = make(host, types(5)[0])
    added = {"type": "Late", "price": 5, "capacity": 3, **RULES}
    after = host.call("POST", f"/events/{made['eventId']}/ticket-types", added)
    assert after.status_code == 201
    assert shown_rules(after.json["ticketTypes"][1]) == RULES


def test_a_computed_field_that_a_client_sends_back_is_ignored(host, ann):
    made = make(host, {**types(5)[0], "saleState": "ended"})
    assert sale_state(ann, made["eventId"]) == "on_sale"
    path = f"/events/{made['eventId']}/ticket-types/1"
    assert host.call("PATCH", path, {"price": 3, "saleState": None}).status_code == 200


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        *(({"salesFrom": value}, "salesFrom") for value in BAD_TIMES),
        ({"salesUntil": "never"}, "salesUntil"),
        ({"salesFrom": RULES["salesUntil"], "salesUntil": RULES["salesFrom"]}, "salesUntil"),
        ({"salesFrom": RULES["salesFrom"], "salesUntil": RULES["salesFrom"]}, "salesUntil"),
        ({"description": "x" * 501}, "description"),
        ({"description": 5}, "description"),
    ],
)
def test_rules_that_make_no_sense_are_refused(host, rules, field):
    made = make(host, types(5)[0])
    path, wrong = f"/events/{made['eventId']}", {**types(5)[0], **rules}
    in_list = f"ticketTypes.0.{field}"
    for method, where, body, name in [
        ("POST", "/events", event_body(ticketTypes=[wrong]), in_list),
        ("PUT", path, event_body(ticketTypes=[wrong]), in_list),
        ("PATCH", f"{path}/ticket-types/1", rules, field),
        ("PATCH", f"{path}/ticketTypes/0", rules, field),
        ("POST", f"{path}/ticket-types", {**wrong, "type": "New"}, field),
    ]:
        body = refused(host.call(method, where, body), 400, "validation_error")
        assert list(body["errors"]) == [name]
    assert host.get(path).json["ticketTypes"] == made["ticketTypes"]


def test_an_end_before_the_stored_begin_is_refused(host):
    made = make(host, {**types(5)[0], **RULES})
    path = f"/events/{made['eventId']}/ticket-types/1"
    body = refused(
        host.call("PATCH", path, {"salesUntil": "2034-12-31T00:00:00Z"}), 400, "validation_error"
    )
    assert list(body["errors"]) == ["salesUntil"]


# Sales.


@pytest.mark.parametrize(
    ("begins", "ends", "refused_with"),
    [
        (-HOUR, HOUR, None),
        (None, HOUR, None),
        (-HOUR, None, None),
        (HOUR, None, ("scheduled", HOUR, None)),
        (HOUR, 2 * HOUR, ("scheduled", HOUR, 2 * HOUR)),
        (None, -HOUR, ("ended", None, -HOUR)),
        (-2 * HOUR, -HOUR, ("ended", -2 * HOUR, -HOUR)),
    ],
)
@pytest.mark.parametrize("hold", [False, True])
def test_a_sale_outside_its_window_is_refused_with_the_window(
    db, ann, begins, ends, refused_with, hold
):
    now = utc_now()
    bounds = [None if span is None else now + span for span in (begins, ends)]
    event_id = event_of(db, ticketTypes=sold(*bounds))
    answer = ann.order(event_id, ticketTypeId=1, quantity=1, hold=hold)
    if refused_with is None:
        assert answer.status_code == 201, answer.json
        return
    state, *spans = refused_with
    body = refused(answer, 409, "not_on_sale")
    expected = [None if span is None else rfc(now + span) for span in spans]
    assert [body["salesFrom"], body["salesUntil"]] == expected
    assert body["ticketTypeId"] == 1
    assert sale_state(ann, event_id) == state
    assert stock_of(db, event_id) == (5, 0, 0, 0)


@pytest.mark.parametrize("shortfall", ["partial", "waitlist"])
def test_no_way_to_buy_or_to_wait_leads_around_the_window(db, ann, shortfall):
    event_id = event_of(db, ticketTypes=sold(utc_now() + HOUR, quantity=0))
    order = ann.order(event_id, ticketTypeId=1, quantity=1, onShortfall=shortfall)
    refused(order, 409, "not_on_sale")
    refused(ann.order(event_id, quantity=1), 409, "not_on_sale")
    refused(ann.join(event_id), 409, "not_on_sale")
    assert stock_of(db, event_id) == (0, 0, 0, 0)


def test_a_closed_type_refuses_the_whole_order(db, ann):
    open_type, closed_type = types(5, 5)
    closed_type["salesFrom"] = utc_now() + HOUR
    event_id = event_of(db, ticketTypes=[open_type, closed_type])
    items = [{"ticketTypeId": id_, "quantity": 1} for id_ in (1, 2)]
    body = refused(ann.order(event_id, items=items), 409, "not_on_sale")
    assert body["ticketTypeId"] == 2
    assert stock_of(db, event_id) == (5, 0, 0, 0)
    ann.book(event_id)


def test_a_hold_may_be_paid_after_the_sale_has_ended(db, ann, time):
    event_id = event_of(db, ticketTypes=sold(None, utc_now() + HOUR))
    held = ann.book(event_id, hold=True)
    time.ahead = 2 * HOUR
    assert ann.confirm(held).status_code == 200
    assert stock_of(db, event_id) == (4, 1, 0, 0)


def test_the_database_decides_what_time_it_is(db, ann, time):
    event_id = event_of(db, ticketTypes=sold(utc_now() + HOUR))
    refused(ann.order(event_id, ticketTypeId=1, quantity=1), 409, "not_on_sale")
    time.ahead = HOUR + timedelta(seconds=1)
    ann.book(event_id)


def test_the_clock_of_a_real_database_is_read(app):
    offset = context_of(app).inventory.correct_clock(utc_now()) - utc_now()
    assert abs(offset) < timedelta(seconds=1)


def test_offers_are_made_only_inside_the_window(app, db, ann, bob, time):
    event_id = event_of(db, ticketTypes=sold(None, utc_now() + HOUR, quantity=1))
    held = ann.book(event_id)
    bob.wait(event_id)
    time.ahead = 2 * HOUR
    assert ann.cancel(held).status_code == 200
    assert waitlist_offers.offer_available_tickets(context_of(app), utc_now()) == 0
    assert bob.offers() == []
    assert stock_of(db, event_id) == (1, 0, 0, 1)
    time.ahead = timedelta(0)
    assert waitlist_offers.offer_available_tickets(context_of(app), utc_now()) == 1
    assert stock_of(db, event_id) == (0, 0, 1, 0)


def test_an_offer_of_a_window_that_has_just_ended_is_not_made(app, db, ann, bob, time, monkeypatch):
    """The window is also part of the write: here it ends between the read and the take."""
    event_id = event_of(db, ticketTypes=sold(None, utc_now() + HOUR, quantity=1))
    held = ann.book(event_id)
    bob.wait(event_id)
    time.ahead = 2 * HOUR
    ann.cancel(held)
    monkeypatch.setattr(queues, "is_in_window", lambda _type, _now: True)
    assert waitlist_offers.offer_tickets(context_of(app), event_id, utc_now()) == 0
    assert stock_of(db, event_id) == (1, 0, 0, 1)


# Answers from caches.


LIST_QUERIES = ["", "?search=sample", "?onSale=true", "?onSale=true&search=sample&sortBy=price"]


@pytest.mark.parametrize("query", LIST_QUERIES)
def test_cached_answers_change_at_the_edges_though_nothing_was_written(db, client, time, query):
    begins, ends = utc_now() + HOUR, utc_now() + 2 * HOUR
    event_id = event_of(db, ticketTypes=sold(begins, ends))
    seen = []
    for ahead in (timedelta(0), HOUR + timedelta(seconds=2), 2 * HOUR + timedelta(seconds=2)):
        time.ahead = ahead
        for _ in range(3):  # The second answer is cached, the third is from its cached bytes.
            page = client.get(f"/api/events{query}")
            shown = client.get(f"/api/events/{event_id}")
            states = [event["ticketTypes"][0]["saleState"] for event in page.json["events"]]
            seen.append((states, shown.json["ticketTypes"][0]["saleState"]))
            tags = page.headers["ETag"], shown.headers["ETag"]
        again = client.get(f"/api/events/{event_id}", headers={"If-None-Match": tags[1]})
        assert again.status_code == 304
    states = [state for state in ("scheduled", "on_sale", "ended") for _ in range(3)]
    is_listed = [state == "on_sale" or "onSale" not in query for state in states]
    pairs = zip(states, is_listed, strict=True)
    assert seen == [([state] if listed else [], state) for state, listed in pairs]


def test_an_etag_from_before_an_edge_does_not_hold_after_it(db, client, time):
    event_id = event_of(db, ticketTypes=sold(utc_now() + HOUR))
    for path in (f"/api/events/{event_id}", "/api/events"):
        time.ahead = timedelta(0)
        tag = client.get(path).headers["ETag"]
        time.ahead = HOUR + timedelta(seconds=1)
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_sale_renders_the_state_of_its_moment(db, guest, ann, time):
    event_id = event_of(db, ticketTypes=sold(None, utc_now() + HOUR, quantity=1))
    assert sale_state(guest, event_id) == "on_sale"
    ann.book(event_id)
    assert sale_state(guest, event_id) == "sold_out"
    time.ahead = 2 * HOUR
    assert sale_state(guest, event_id) == "ended"


def test_the_end_of_an_event_is_an_edge_too(db, guest, time):
    event_id = event_of(db, 5)
    assert sale_state(guest, event_id) == "on_sale"
    time.ahead = timedelta(days=40)
    assert sale_state(guest, event_id) == "ended"


# The filter.


@pytest.fixture
def on_sale(db):
    """Events, one for each reason why they are on sale or not; the titles of those that are."""
    now = utc_now()
    past, future = now - HOUR, now + HOUR
    made = {
        "always": sold(),
        "begun": sold(past),
        "not ended": sold(past, future),
        "one of two": [*sold(future), {**sold(None, future)[0], "type": "B"}],
        "later": sold(future),
        "ended": sold(None, past),
        "sold out": sold(quantity=0),
        "open but empty": [*sold(past, quantity=0), {**sold(future)[0], "type": "B"}],
        "draft": sold(),
    }
    for title, ticket_types in made.items():
        status = {"status": "draft"} if title == "draft" else {}
        event_of(db, ticketTypes=ticket_types, title=title, **status)
    over = event_of(db, ticketTypes=sold(), title="over today")
    ended = {"schedule.0.overAt": past, "overAt": past}
    db.events.update_one({"eventId": over}, {"$set": ended})
    return ["always", "begun", "not ended", "one of two"]


@pytest.mark.parametrize("more", ["", "&search=example", "&sortBy=title", "&upcoming=false"])
def test_the_filter_shows_what_can_be_bought_now(client, on_sale, more):
    found = client.get(f"/api/events?onSale=true{more}").json
    assert sorted(event["title"] for event in found["events"]) == sorted(on_sale)
    assert found["total"] == len(on_sale)
    everything = client.get(f"/api/events?onSale=false{more}").json
    assert everything["total"] == 9


def test_the_database_finds_the_same_as_the_index(client, on_sale, app, monkeypatch):
    monkeypatch.setattr(EVENT_CACHE.get(app).index, "find", lambda *_: None)
    found = client.get("/api/events?onSale=true").json["events"]
    assert [event["title"] for event in found] == on_sale


def test_the_filter_holds_for_an_organizers_own_events(client, app, db):
    host = Caller(client, app, "organizer")
    event_of(db, ticketTypes=sold(), title="now", organizer_id=host.id)
    event_of(db, ticketTypes=sold(utc_now() + HOUR), title="later", organizer_id=host.id)
    event_of(db, ticketTypes=sold(), title="draft", status="draft", organizer_id=host.id)
    for query in ("?onSale=true&mine=true", "?onSale=true"):
        assert [event["title"] for event in host.get(f"/events{query}").json["events"]] == ["now"]


def test_a_cursor_carries_the_filter(client, db):
    for number in range(3):
        event_of(db, ticketTypes=sold(), title=str(number))
        event_of(db, ticketTypes=sold(utc_now() + HOUR), title="later")
    seen, query = [], "onSale=true&limit=1"
    while query:
        page = client.get(f"/api/events?{query}").json
        seen += [event["title"] for event in page["events"]]
        query = page["nextCursor"] and f"limit=1&cursor={page['nextCursor']}"
    assert seen == ["0", "1", "2"]


@pytest.mark.parametrize("value", ["2", "", "maybe"])
def test_a_bad_value_of_the_filter_is_refused(client, value):
    refused(client.get(f"/api/events?onSale={value}"), 400, "validation_error")


def test_a_stored_time_is_in_utc(db, host):
    made = make(host, {**types(5)[0], "salesFrom": "2035-06-15T10:00:00+05:45"})
    stored = db.events.find_one({"eventId": made["eventId"]})["ticketTypes"][0]["salesFrom"]
    assert stored == datetime.fromisoformat("2035-06-15T04:15:00Z")
