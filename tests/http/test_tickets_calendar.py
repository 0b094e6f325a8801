"""The calendar entry of a booking, as two independent parsers read it."""

from datetime import date, timedelta

import icalendar
import pytest
import vobject

from tests.bookings_factories import Caller, event_of, types
from tests.factories import FAR_DAY, day, event_body

pytestmark = pytest.mark.usefixtures("clean_inventory")
PLACE = {"location": "Théâtre, Hall 1; north\\south", "lat": 39.3622, "lng": -22.9442}


@pytest.fixture
def organizer(client, app, db):
    return Caller(client, app, "organizer")


@pytest.fixture
def event(db, organizer):
    schedule = [
        {"date": day(40), "location": "Volos", "lat": 39.36, "lng": 22.94},
        {"date": day(30), **PLACE},
    ]
    return event_of(db, 10, organizer_id=organizer.id, schedule=schedule, title="Jazz, live; late")


@pytest.fixture
def booking(holder, event):
    return holder.book(event, 2)


def fetch(caller, booking):
    answer = caller.get(f"/bookings/{booking['_id']}/calendar.ics")
    assert answer.status_code == 200, answer.json
    return answer


def entry(caller, booking):
    """Return the only entry, as icalendar reads it."""
    (found,) = icalendar.Calendar.from_ical(fetch(caller, booking).data).walk("VEVENT")
    return found


def test_the_answer_is_a_calendar_file(holder, booking):
    answer = fetch(holder, booking)
    assert answer.content_type == "text/calendar; charset=utf-8"
    assert f'filename="{booking["bookingReference"]}.ics"' in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.data.endswith(b"END:VCALENDAR\r\n")
    assert max(len(line) for line in answer.data.split(b"\r\n")) <= 75


def test_the_entry_lasts_the_whole_booked_day(holder, booking):
    found = entry(holder, booking)
    booked = date.fromisoformat(day(30))
    assert booking["date"] == booked.isoformat()
    assert found["DTSTART"].dt == booked
    assert found["DTEND"].dt == booked + timedelta(days=1)
    assert found["DTSTART"].params["VALUE"] == "DATE"


def test_the_entry_has_title_location_and_status(holder, booking):
    found = entry(holder, booking)
    assert found["SUMMARY"] == "Jazz, live; late"
    assert found["LOCATION"] == PLACE["location"]
    assert (found["GEO"].latitude, found["GEO"].longitude) == (PLACE["lat"], PLACE["lng"])
    assert found["DESCRIPTION"] == f"{booking['bookingReference']}: 2 x A"
    assert found["STATUS"] == "CONFIRMED"


def test_a_second_parser_reads_the_same_entry(holder, booking):
    calendar = vobject.readOne(fetch(holder, booking).get_data(as_text=True))
    assert calendar.method.value == "PUBLISH"
    found = calendar.vevent
    assert found.summary.value == "Jazz, live; late"
    assert found.location.value == PLACE["location"]
    assert found.dtstart.value == date.fromisoformat(day(30))
    assert found.dtend.value == date.fromisoformat(day(31))
    assert found.geo.value == f"{PLACE['lat']};{PLACE['lng']}"
    assert found.uid.value == f"{booking['_id']}@eventapp"
    assert found.status.value == "CONFIRMED"
    assert int(found.sequence.value) == entry(holder, booking)["SEQUENCE"]


def test_the_entry_is_of_the_booked_date(holder, event):
    booking = holder.book(event, 1, scheduleIndex=0)
    found = entry(holder, booking)
    assert found["DTSTART"].dt == date.fromisoformat(day(40))
    assert found["LOCATION"] == "Volos"


@pytest.mark.parametrize(
    ("patch", "name", "value"),
    [
        ({"location": "Hall 2"}, "LOCATION", "Hall 2"),
        ({"date": FAR_DAY}, "DTSTART", date.fromisoformat(FAR_DAY)),
        ({"lat": 1.5, "lng": 2.5}, "GEO", (1.5, 2.5)),
    ],
)
def test_an_update_is_the_same_entry_with_a_higher_sequence(
    organizer, holder, event, booking, patch, name, value
):
    before = entry(holder, booking)
    answer = organizer.call("PATCH", f"/events/{event}/schedule/1", patch)
    assert answer.status_code == 200, answer.json
    after = entry(holder, booking)
    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]
    assert after["LAST-MODIFIED"].dt >= before["LAST-MODIFIED"].dt
    found = after[name]
    shown = (found.latitude, found.longitude) if name == "GEO" else getattr(found, "dt", found)
    assert shown == value


def test_the_file_is_the_same_while_nothing_changes(holder, booking):
    assert fetch(holder, booking).data == fetch(holder, booking).data


def test_the_only_schedule_entry_is_used_if_nothing_else_matches(db, organizer, holder):
    event = event_of(db, 10, organizer_id=organizer.id)
    booking = holder.book(event)
    moved = event_body(
        schedule=[{"date": day(50), "location": "Larissa"}], ticketTypes=types(10), title="Moved"
    )
    answer = organizer.call("PUT", f"/events/{event}", moved)
    assert answer.status_code == 200, answer.json
    found = entry(holder, booking)
    assert found["DTSTART"].dt == date.fromisoformat(day(50))
    assert (found["SUMMARY"], found["LOCATION"]) == ("Moved", "Larissa")
    assert "GEO" not in found


def test_a_held_booking_is_tentative(holder, event):
    booking = holder.book(event, 1, hold=True)
    assert entry(holder, booking)["STATUS"] == "TENTATIVE"


def test_the_entry_of_a_cancelled_booking_is_cancelled(holder, booking):
    before = entry(holder, booking)
    holder.cancel(booking)
    after = entry(holder, booking)
    assert after["STATUS"] == "CANCELLED"
    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]


def test_the_entry_of_a_cancelled_or_deleted_event_is_cancelled(organizer, holder, event, booking):
    sequences = [entry(holder, booking)["SEQUENCE"]]
    organizer.call("POST", f"/events/{event}/cancel")
    sequences.append(entry(holder, booking)["SEQUENCE"])
    assert organizer.call("DELETE", f"/events/{event}").status_code == 200
    found = entry(holder, booking)
    sequences.append(found["SEQUENCE"])
    assert found["STATUS"] == "CANCELLED"
    assert found["LOCATION"] == PLACE["location"]
    assert sequences == sorted(set(sequences))


def test_the_entry_of_an_ended_booking_shows_nothing_of_a_draft(
    db, organizer, holder, event, booking
):
    before = entry(holder, booking)
    holder.cancel(booking)
    secret = {"title": "Secret", "schedule.0.location": "Secret", "status": "draft"}
    db.events.update_one({"eventId": event}, {"$set": secret, "$inc": {"rev": 1, "__v": 1}})
    ended = entry(holder, booking)
    assert "Secret" not in fetch(holder, booking).text
    assert ended["SUMMARY"] == before["SUMMARY"]
    assert ended["LOCATION"] == before["LOCATION"]
    assert before["SEQUENCE"] < ended["SEQUENCE"] < 2**31 - 1  # It may be published again.


def test_admins_see_the_entry(client, app, booking):
    assert entry(Caller(client, app, "admin"), booking)["STATUS"] == "CONFIRMED"
