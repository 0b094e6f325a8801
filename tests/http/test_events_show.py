"""GET /api/events/:eventId: its fields, and which callers see them."""

import pytest

from eventapp.core.http.app_context import CONFIG
from tests.factories import make_event, make_user

TYPE_FOR_ALL = {"ticketTypeId", "type", "price", "availableTickets", "saleState"}
TYPE_FOR_ORGANIZER = TYPE_FOR_ALL | {"visibility", "soldTickets", "heldTickets", "capacity"}


def show(client, event, person=None):
    headers = person["headers"] if person else {}
    return client.get(f"/api/events/{event['eventId']}", headers=headers)


def test_anyone_may_see_an_event(client, db):
    answer = show(client, make_event(db))
    assert answer.status_code == 200
    assert (answer.json["eventId"], answer.json["title"]) == (1, "Sample Event")


def test_internal_fields_are_hidden(client, db, organizer):
    event = make_event(db, organizer_id=organizer["id"])
    for person in (None, organizer):
        shown = show(client, event, person).json
        own = {
            "rev",
            "inFlight",
            "titleKey",
            "places",
            "tagKeys",
            "listed",
            "minPrice",
            "firstDate",
        }
        assert own.isdisjoint(shown)
        assert "waiting" not in shown["ticketTypes"][0]


@pytest.mark.parametrize("path", ["abc", "1.5", "-1", "1e3", "9223372036854775808", "%00", "1 "])
def test_an_invalid_event_id_is_refused(client, path):
    answer = client.get(f"/api/events/{path}")
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
    assert answer.json["message"] == "Invalid eventId"
    assert list(answer.json["errors"]) == ["eventId"]


@pytest.mark.parametrize("path", ["0", "7", "9223372036854775807"])
def test_a_missing_event_is_404(client, path):
    answer = client.get(f"/api/events/{path}")
    assert answer.status_code == 404
    assert answer.json == {"message": "Event not found", "code": "event_not_found"}


def test_only_the_organizer_and_admins_see_counts(client, db, app, organizer, admin, attendee):
    event = make_event(db, organizer_id=organizer["id"])
    seen = {
        name: set(show(client, event, person).json["ticketTypes"][0])
        for name, person in [
            ("nobody", None),
            ("attendee", attendee),
            ("another", make_user(app, "organizer")),
            ("organizer", organizer),
            ("admin", admin),
        ]
    }
    assert seen["nobody"] == seen["attendee"] == seen["another"] == TYPE_FOR_ALL
    assert seen["organizer"] == seen["admin"] == TYPE_FOR_ORGANIZER


def test_lists_show_organizers_the_counts_of_their_own_events(client, db, app, organizer):
    make_event(db, organizer_id=organizer["id"])
    make_event(db, organizer_id=make_user(app, "organizer")["id"])
    shown = client.get("/api/events", headers=organizer["headers"]).json["events"]
    assert set(shown[0]["ticketTypes"][0]) == TYPE_FOR_ORGANIZER
    assert set(shown[1]["ticketTypes"][0]) == TYPE_FOR_ALL


def test_only_the_organizer_and_admins_see_a_draft(client, db, app, organizer, admin, attendee):
    event = make_event(db, organizer_id=organizer["id"], status="draft")
    for person in (None, attendee, make_user(app, "organizer")):
        assert show(client, event, person).json["message"] == "Event not found"
    for person in (organizer, admin):
        assert show(client, event, person).json["status"] == "draft"


def test_a_cancelled_event_is_still_shown(client, db):
    assert show(client, make_event(db, status="cancelled")).json["status"] == "cancelled"


def test_an_event_is_sold_out_when_no_type_has_tickets(client, db):
    none = [{"type": "A", "price": 1, "availableTickets": 0}]
    some = [*none, {"type": "B", "price": 1, "availableTickets": 1}]
    assert show(client, make_event(db, ticketTypes=some)).json["soldOut"] is False
    assert show(client, make_event(db, ticketTypes=none)).json["soldOut"] is True


def test_favorited_depends_on_the_caller_and_is_not_stored(client, db, app):
    event, fan = make_event(db), make_user(app)
    client.post("/api/favorites", json={"eventId": 1}, headers=fan["headers"])
    assert show(client, event, fan).json["favorited"] is True
    assert show(client, event).json["favorited"] is False
    assert show(client, event, make_user(app)).json["favorited"] is False
    assert "favorited" not in db.events.find_one({})


def test_the_url_of_an_uploaded_photo_is_absolute(client, db, make_app):
    event = make_event(db)
    db.events.update_one({}, {"$set": {"image": "/images/x.webp"}})
    assert show(client, event).json["image"] == "http://localhost/images/x.webp"
    at = {"base_url": "https://tickets.example.org"}
    shown = client.get("/api/events/1", **at).json
    assert shown["image"] == "https://tickets.example.org/images/x.webp"


def test_public_base_url_takes_precedence_over_the_host_of_the_request(
    client, db, app, monkeypatch
):
    make_event(db)
    db.events.update_one({}, {"$set": {"image": "/images/x.webp"}})
    settings = CONFIG.get(app)
    changed = type(settings)(**{**vars(settings), "public_base_url": "https://cdn.example.org/"})
    monkeypatch.setitem(app.extensions, "config", changed)
    assert client.get("/api/events/1").json["image"] == "https://cdn.example.org/images/x.webp"
