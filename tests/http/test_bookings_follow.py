"""A booking follows its event: after an edit of its schedule entry, every answer shows the entry as
it now is, and an ended booking shows what it was when the booking ended."""

import csv
import io
from datetime import UTC, datetime, timedelta

import icalendar
import pytest

from eventapp.core.translations import get_translator
from tests.bookings_factories import (
    Caller,
    context_of,
    event_of,
    expire_holds,
    later,
    refused,
    set_clock,
    types,
)
from tests.factories import day, event_body
from tests.notifications_factories import notify_holders

pytestmark = pytest.mark.usefixtures("clean_inventory")
FIELDS = ("date", "startsAt", "location")


@pytest.fixture
def event(db, host):
    schedule = [
        {"date": day(40), "location": "Larissa"},
        {
            "date": day(30),
            "startTime": "20:00",
            "endTime": "23:00",
            "timezone": "Europe/Athens",
            "location": "Volos",
        },
    ]
    return event_of(db, 10, organizer_id=host.id, schedule=schedule, title="Jazz")


def move(host, event):
    """Move entry 2 of an event, and return what it now shows."""
    patch = {
        "date": day(31),
        "startTime": "18:30",
        "endTime": "22:00",
        "timezone": "America/Los_Angeles",
        "location": "Hall 2",
    }
    answer = host.call("PATCH", f"/events/{event}/schedule/1", patch)
    assert answer.status_code == 200, answer.json
    return answer.json["schedule"][1]


def pick(shown):
    return tuple(shown[name] for name in FIELDS)


def booking_of(answer):
    assert answer.status_code in (200, 201), answer.json
    return pick(answer.json["data"]["booking"])


def only(rows):
    (row,) = rows
    return pick(row)


def read_csv(host, event, _booking):
    text = host.get(f"/events/{event}/bookings.csv").get_data().decode("utf-8-sig")
    return only(csv.DictReader(io.StringIO(text)))


def read_calendar(ann, _event, booking):
    file = ann.get(f"/bookings/{booking['_id']}/calendar.ics").data
    (entry,) = icalendar.Calendar.from_ical(file).walk("VEVENT")
    begin = entry["DTSTART"].dt
    return begin.date().isoformat(), to_text(begin), entry["LOCATION"]


def to_text(moment):
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def check_in(host, event, booking, holder):
    (ticket,) = holder.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    answer = host.call("POST", f"/events/{event}/check-in", {"code": ticket["code"]})
    assert answer.status_code == 200, answer.json
    return pick(answer.json)


def read_notification(app, caller):
    notify_holders(context_of(app))
    return only(
        row["data"]
        for row in caller.get("/notifications").json["notifications"]
        if row["kind"] == "event_changed"
    )


def read_mail(app, db):
    """Return what the mail of the move says, from its text and its calendar file."""
    notify_holders(context_of(app))
    (mail,) = db.mails.find({"kind": "event_changed"})
    (file,) = mail["attachments"]
    (entry,) = icalendar.Calendar.from_ical(file["content"]).walk("VEVENT")
    begin = entry["DTSTART"].dt
    written = get_translator("en").format_moment(begin, "America/Los_Angeles")
    when = f"{written} (America/Los_Angeles), {entry['LOCATION']}"
    assert f"is now for {mail['subject'].partition(': ')[2]} on {when}." in mail["text"]
    return begin.date().isoformat(), to_text(begin), entry["LOCATION"]


# The answers that show a confirmed booking, by their operationIds.
ANSWERS = {
    "bookings_my_bookings": lambda ann, _host, _event, _one: only(
        ann.get("/bookings").json["bookings"]
    ),
    "user_bookings_users_bookings": lambda ann, _host, _event, _one: only(
        ann.get(f"/users/{ann.id}/bookings").json["bookings"]
    ),
    "event_bookings_event_bookings": lambda _ann, host, event, _one: only(
        host.get(f"/events/{event}/bookings").json["bookings"]
    ),
    "bookings_show_booking": lambda ann, _host, _event, one: booking_of(
        ann.get(f"/bookings/{one['_id']}")
    ),
    "bookings_show_by_reference": lambda ann, _host, _event, one: booking_of(
        ann.get(f"/bookings/reference/{one['bookingReference']}")
    ),
    "bookings_confirm_booking": lambda ann, _host, _event, one: booking_of(ann.confirm(one)),
    "bookings_begin_payment": lambda ann, _host, _event, one: booking_of(
        ann.call("POST", f"/bookings/{one['_id']}/payments")
    ),
    "bookings_cancel_booking": lambda ann, _host, _event, one: booking_of(ann.cancel(one)),
    "bookings_delete_booking": lambda ann, _host, _event, one: booking_of(
        ann.call("DELETE", f"/bookings/{one['_id']}")
    ),
    "bookings_cancel_tickets": lambda ann, _host, _event, one: booking_of(
        ann.call(
            "POST",
            f"/bookings/{one['_id']}/cancellations",
            {"items": [{"ticketTypeId": 1, "quantity": 1}]},
        )
    ),
    "door_check_in": lambda ann, host, event, one: check_in(host, event, one, ann),
    "door_check_in_list": lambda _ann, host, event, _one: only(
        {**row, "location": "Hall 2"}
        for row in host.get(f"/events/{event}/check-in").json["tickets"]
    ),
    "csv": lambda _ann, host, event, one: read_csv(host, event, one),
    "calendar": lambda ann, _host, event, one: read_calendar(ann, event, one),
    "export": lambda ann, _host, _event, _one: only(
        ann.get(f"/users/{ann.id}/export").json["bookings"]
    ),
}
# The answers that show a booking which is made or accepted by the same call: see below.
MADE_BY_THE_CALL = {"bookings_create_booking", "offers_accept_offer"}
# The schemas of answers that show when a booking takes place.
SCHEMAS = {"BookingAnswer", "CheckedIn", "DoorRow"}


def test_no_answer_is_left_out(client):
    document = client.get("/api/openapi.json").json

    def find_schemas(value):
        if isinstance(value, dict):
            reference = str(value.get("$ref", ""))
            if reference.startswith("#/components/schemas/"):
                yield reference.rpartition("/")[2]
            for each in value.values():
                yield from find_schemas(each)
        elif isinstance(value, list):
            for each in value:
                yield from find_schemas(each)

    schemas = document["components"]["schemas"]
    showing = set(SCHEMAS)
    while (
        more := {name for name, each in schemas.items() if showing.intersection(find_schemas(each))}
        - showing
    ):
        showing |= more
    found = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        and showing.intersection(find_schemas(operation.get("responses", {})))
    }
    assert found == {name for name in ANSWERS if "_" in name} | MADE_BY_THE_CALL


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_shows_the_entry_as_it_now_is(ann, host, event, name):
    booking = ann.book(event, 1, scheduleId=2)
    assert pick(booking) == (day(30), booking["startsAt"], "Volos")
    entry = move(host, event)
    assert ANSWERS[name](ann, host, event, booking) == pick(entry) != pick(booking)


def test_a_notification_and_a_mail_of_a_move_show_the_entry_as_it_now_is(app, db, ann, host, event):
    ann.book(event, 1, scheduleId=2)
    notify_holders(context_of(app))
    entry = move(host, event)
    assert read_notification(app, ann) == pick(entry)
    assert read_mail(app, db) == pick(entry)


def test_a_booking_shows_its_entry_wherever_the_schedule_puts_it(ann, host, event):
    booking = ann.book(event, 1, scheduleId=2)
    first, second = host.get(f"/events/{event}").json["schedule"]
    second["location"], first["location"] = "Larissa", "Volos"
    schedule = [second, {"date": day(50), "location": "Third"}, first]
    body = event_body(schedule=schedule, ticketTypes=types(10))
    answer = host.call("PUT", f"/events/{event}", body)
    assert answer.status_code == 200, answer.json
    assert [entry["scheduleId"] for entry in answer.json["schedule"]] == [2, 3, 1]
    found = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert (found["scheduleId"], found["location"], found["date"]) == (2, "Larissa", day(30))


def end_by_cancellation(app, ann, host, event, booking):
    assert ann.cancel(booking).status_code == 200


def end_by_expiry(app, ann, host, event, booking):
    assert expire_holds(app, hours=1) == 1


def end_by_event(app, ann, host, event, booking):
    assert host.call("POST", f"/events/{event}/cancel").status_code == 200


@pytest.mark.parametrize("end", [end_by_cancellation, end_by_expiry, end_by_event])
def test_an_ended_booking_shows_what_its_entry_was_when_it_ended(app, db, ann, host, event, end):
    booking = ann.book(event, 1, scheduleId=2, hold=end is end_by_expiry)
    entry = move(host, event)
    end(app, ann, host, event, booking)
    db.events.update_one(
        {"eventId": event},
        {"$set": {"schedule.1.location": "Later"}, "$inc": {"rev": 1, "schedule.1.moves": 1}},
    )
    notify_holders(context_of(app))
    found = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert found["status"] != "confirmed"
    assert pick(found) == pick(entry)
    assert found["endsAt"] == entry["endsAt"]
    assert read_calendar(ann, event, booking) == pick(entry)


def test_prices_and_entries_keep_what_was_issued(db, ann, host, event):
    booking = ann.book(event, 2, scheduleId=2)
    before = db.bookings.find_one({})
    move(host, event)
    after = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert (after["totalPrice"], after["items"]) == (booking["totalPrice"], booking["items"])
    assert db.bookings.find_one({})["entries"] == before["entries"]


# The copies by which lists are filtered.


def upcoming(caller):
    return [row["_id"] for row in caller.get("/bookings?upcoming=true").json["bookings"]]


def test_the_worker_refreshes_the_copies_that_lists_are_filtered_by(
    app, db, ann, bob, host, event, monkeypatch
):
    booking, other = ann.book(event, 1, scheduleId=2), bob.book(event, 1, scheduleId=1)
    move(host, event)
    unmoved = db.bookings.find_one({"scheduleId": 1})
    set_clock(monkeypatch, later(days=31))
    assert upcoming(ann) == []
    assert notify_holders(context_of(app)) == 3  # two confirmations and the move
    assert upcoming(ann) == [booking["_id"]]
    stored = db.bookings.find_one({"scheduleId": 2})
    assert (stored["bookedMoves"], stored["copiedMoves"]) == (0, 1)
    assert stored["location"] == "Hall 2"
    assert stored["updatedAt"] == stored["createdAt"]
    assert db.bookings.find_one({"scheduleId": 1}, {"tell": 0}) == {
        name: value for name, value in unmoved.items() if name not in ("tell", "tellAt")
    }
    assert other["location"] == "Larissa"


def test_a_booking_that_is_recorded_after_the_edit_is_refreshed_too(app, db, ann, host, event):
    """Its sale was in flight during the edit, and it has the copy from before."""
    ann.book(event, 1, scheduleId=2)
    before = db.bookings.find_one({}, {"copiedMoves": 1, "location": 1})
    entry = move(host, event)
    notify_holders(context_of(app))
    old = {name: before[name] for name in ("copiedMoves", "location")}
    db.bookings.update_one({}, {"$set": old})
    assert notify_holders(context_of(app)) == 0
    assert db.bookings.find_one({})["location"] == "Volos"
    notify_holders(context_of(app), minutes=1)
    assert db.bookings.find_one({})["location"] == entry["location"]
    assert "tellAt" not in db.events.find_one({})


def test_a_second_move_is_notified_and_copied_like_the_first(app, db, ann, host, event):
    ann.book(event, 1, scheduleId=2)
    notify_holders(context_of(app))
    move(host, event)
    assert notify_holders(context_of(app)) == 1
    host.call("PATCH", f"/events/{event}/schedule/1", {"location": "Hall 3"})
    assert notify_holders(context_of(app)) == 1
    assert notify_holders(context_of(app), minutes=1) == 0
    assert db.bookings.find_one({})["location"] == "Hall 3"
    kinds = [row["kind"] for row in ann.get("/notifications").json["notifications"]]
    assert kinds == ["event_changed", "event_changed", "booking_confirmed"]


# Until when the holder may cancel.


def test_the_cutoff_is_real_hours_before_the_present_begin(db, ann, event, monkeypatch):
    booking = ann.book(event, 1, scheduleId=2)
    begin = datetime.fromisoformat(booking["startsAt"])
    set_clock(monkeypatch, begin - timedelta(hours=24) + timedelta(milliseconds=1))
    refused(ann.cancel(booking), 409, "cancellation_closed")
    set_clock(monkeypatch, begin - timedelta(hours=24))
    assert ann.cancel(booking).status_code == 200


def test_after_a_move_the_holder_may_cancel_until_the_begin(
    client, app, ann, bob, host, event, monkeypatch
):
    before = ann.book(event, 1, scheduleId=2), bob.book(event, 1, scheduleId=2)
    begin = datetime.fromisoformat(move(host, event)["startsAt"])
    carl = Caller(client, app)
    after = carl.book(event, 1, scheduleId=2)
    set_clock(monkeypatch, begin)
    refused(carl.cancel(after), 409, "cancellation_closed")
    assert ann.cancel(before[0]).status_code == 200
    set_clock(monkeypatch, begin + timedelta(milliseconds=1))
    refused(bob.cancel(before[1]), 409, "cancellation_closed")


# Which entry is booked.


def test_an_entry_is_booked_by_its_id(ann, bob, event):
    assert ann.book(event, 1, scheduleId=1)["location"] == "Larissa"
    assert bob.book(event, 1, scheduleId=2)["scheduleId"] == 2


def test_without_an_id_the_next_entry_that_is_not_over_is_booked(db, ann, bob, event):
    assert ann.book(event)["scheduleId"] == 2
    over = {"schedule.1.overAt": later(seconds=-1)}
    db.events.update_one({}, {"$set": over, "$inc": {"rev": 1, "terms": 1}})
    assert bob.book(event)["scheduleId"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scheduleId": 3}, "scheduleId"),
        ({"scheduleId": 0}, "scheduleId"),
        ({"scheduleId": "1"}, "scheduleId"),
        ({"scheduleId": 1.5}, "scheduleId"),
        ({"scheduleId": True}, "scheduleId"),
        ({"scheduleId": 1, "scheduleIndex": 0}, "scheduleId"),
        ({"scheduleIndex": 2}, "scheduleIndex"),
    ],
)
def test_an_entry_that_is_not_there_is_refused(db, ann, event, body, field):
    answer = refused(ann.order(event, quantity=1, **body), 400, "validation_error")
    assert list(answer["errors"]) == [field]
    assert db.bookings.count_documents({}) == 0


def test_an_entry_that_is_over_is_refused_even_if_the_process_does_not_know_it_yet(
    db, ann, bob, event
):
    ann.book(event, 1, scheduleId=2)  # The sale state of the event is cached now.
    over = {"schedule.1.overAt": later(seconds=-1)}
    db.events.update_one({}, {"$set": over, "$inc": {"rev": 1}})
    refused(bob.order(event, quantity=1, scheduleId=2), 409, "event_past")
    assert db.bookings.count_documents({}) == 1
    assert bob.book(event, 1, scheduleId=1)["location"] == "Larissa"
