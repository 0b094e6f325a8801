"""Who comes with the tickets of a booking, and the answers to the questions of the event."""

import pytest

from eventapp.core.database import OPEN_DATABASE
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller, expire_holds, refused, types
from tests.factories import event_body

pytestmark = pytest.mark.usefixtures("clean_inventory")
MEAL = {"label": "Meal", "kind": "choice", "required": True, "choices": ["Fish", "Vegan"]}
QUESTIONS = [
    MEAL,
    {"label": "Company", "kind": "text", "ticketTypeIds": [1]},
    {"label": "Parking", "kind": "boolean"},
    {"label": "Born", "kind": "date", "required": True, "ticketTypeIds": [2]},
]
ADA = {"ticketTypeId": 1, "name": "Ada", "answers": {"1": "Fish"}}
BEN = {
    "ticketTypeId": 2,
    "name": "Ben",
    "email": "ben@example.com",
    "answers": {"4": "2001-02-28", "3": False, "1": "Vegan"},
}


def make_event(host, *quantities, **changes):
    body = event_body(ticketTypes=types(*quantities), questions=QUESTIONS, **changes)
    answer = host.call("POST", "/events", body)
    assert answer.status_code == 201, answer.json
    return answer.json["eventId"]


@pytest.fixture
def event_id(host):
    return make_event(host, 10, 10)


def order(caller, event_id, *attendees, one=0, two=0, key=None, **body):
    items = [{"ticketTypeId": n, "quantity": q} for n, q in ((1, one), (2, two)) if q]
    return caller.order(event_id, key, items=items, attendees=list(attendees), **body)


def book(caller, event_id, *attendees, **body):
    answer = order(caller, event_id, *attendees, **body)
    assert answer.status_code == 201, answer.json
    return answer.json["data"]["booking"]


def names(booking):
    return [(each["ticketId"][25:], each["name"]) for each in booking["attendees"]]


def incomplete(booking):
    return [ticket_id[25:] for ticket_id in booking["incompleteTickets"]]


def put(caller, ticket_id, **body):
    return caller.call("PUT", f"/tickets/{ticket_id}/attendee", {"name": "Eve", **body})


def fault(answer):
    return list(refused(answer, 400, "validation_error")["errors"])


def test_attendees_are_assigned_in_order_within_a_type(ann, event_id):
    booking = book(ann, event_id, BEN, ADA, {**ADA, "name": "Al"}, one=3, two=1)
    assert names(booking) == [("1-1", "Ada"), ("1-2", "Al"), ("2-1", "Ben")]
    assert incomplete(booking) == ["1-3"]
    ben = booking["attendees"][2]
    assert list(ben) == ["ticketId", "ticketTypeId", "name", "email", "answers"]
    assert (ben["ticketTypeId"], ben["email"]) == (2, "ben@example.com")
    assert ben["answers"] == [
        {"questionId": 1, "label": "Meal", "value": "Vegan"},
        {"questionId": 3, "label": "Parking", "value": False},
        {"questionId": 4, "label": "Born", "value": "2001-02-28"},
    ]
    assert booking["attendees"][0]["email"] is None
    assert ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"] == booking
    assert ann.get("/bookings").json["bookings"] == [booking]


def test_without_attendees_the_booking_lists_its_tickets_as_incomplete(ann, event_id):
    booking = ann.book(event_id, 2)
    assert (booking["attendees"], incomplete(booking)) == ([], ["1-1", "1-2"])


WRONG = [
    ({**ADA, "answers": {}}, "answers.1"),
    ({"ticketTypeId": 1, "name": "Ada"}, "answers.1"),
    ({**ADA, "answers": {"1": None}}, "answers.1"),
    ({**ADA, "answers": {"1": ""}}, "answers.1"),
    ({**ADA, "answers": {"1": "Meat"}}, "answers.1"),
    ({**ADA, "answers": {"1": True}}, "answers.1"),
    ({**ADA, "answers": {"1": "Fish", "3": "yes"}}, "answers.3"),
    ({**ADA, "answers": {"1": "Fish", "2": True}}, "answers.2"),
    ({**ADA, "answers": {"1": "Fish", "2": "x" * 501}}, "answers"),
    ({**ADA, "answers": {"1": "Fish", "4": "2001-01-01"}}, "answers.4"),
    ({**ADA, "answers": {"1": "Fish", "9": "x"}}, "answers.9"),
    ({**ADA, "answers": {"1": 7}}, "answers"),
    ({**ADA, "answers": {"meal": "Fish"}}, "answers"),
    ({**ADA, "answers": {"1": ["Fish"]}}, "answers"),
    ({**ADA, "answers": []}, "answers"),
    ({**ADA, "answers": {str(n): "x" for n in range(1, 22)}}, "answers"),
    ({**BEN, "answers": {"1": "Fish", "4": "2001-02-29"}}, "answers.4"),
    ({**BEN, "answers": {"1": "Fish", "4": "20010228"}}, "answers.4"),
    ({**ADA, "email": "ada@"}, "email"),
    ({**ADA, "name": " "}, "name"),
    ({**ADA, "ticketTypeId": 3}, "ticketTypeId"),
    ({**ADA, "age": 3}, "age"),
]


@pytest.mark.parametrize(("attendee", "field"), WRONG)
def test_a_wrong_attendee_is_refused_and_nothing_is_booked(ann, db, event_id, attendee, field):
    good = {**ADA, "name": "Al"}
    answer = order(ann, event_id, good, attendee, one=2, two=1)
    assert fault(answer) == [f"attendees.1.{field}"]
    assert db.bookings.count_documents({}) == 0
    assert db.events.find_one()["ticketTypes"][0]["soldTickets"] == 0


def test_a_missing_answer_is_named_with_its_question(ann, event_id):
    error = refused(order(ann, event_id, {**ADA, "answers": {}}, one=1), 400, "validation_error")
    assert error["errors"] == {"attendees.0.answers.1": ["Must be answered: Meal"]}


def test_there_are_at_most_as_many_attendees_as_tickets(ann, event_id):
    assert fault(order(ann, event_id, ADA, ADA, one=1)) == ["attendees.1.ticketTypeId"]
    assert fault(order(ann, event_id, BEN, one=1)) == ["attendees.0.ticketTypeId"]
    assert fault(order(ann, event_id, *[ADA] * 101, one=10)) == ["attendees"]


def test_texts_are_cleaned_and_empty_answers_are_none(ann, event_id):
    ada = {**ADA, "name": " Ada\n", "email": None, "answers": {"1": " Fish ", "2": " \n"}}
    (shown,) = book(ann, event_id, ada, one=1)["attendees"]
    assert (shown["name"], shown["email"]) == ("Ada", None)
    assert shown["answers"] == [{"questionId": 1, "label": "Meal", "value": "Fish"}]


def test_the_idempotency_key_covers_the_attendees(ann, event_id):
    first = book(ann, event_id, ADA, one=1, key="k")
    assert book(ann, event_id, ADA, one=1, key="k") == first
    other = order(ann, event_id, {**ADA, "name": "Al"}, one=1, key="k")
    refused(other, 409, "idempotency_mismatch")


def test_a_hold_keeps_its_attendees(ann, event_id):
    held = book(ann, event_id, ADA, one=2, hold=True)
    assert (names(held), incomplete(held)) == ([("1-1", "Ada")], ["1-2"])
    confirmed = ann.confirm(held).json["data"]["booking"]
    assert (confirmed["attendees"], incomplete(confirmed)) == (held["attendees"], ["1-2"])


def test_with_fewer_tickets_the_first_count_and_the_rest_waits(ann, bob, app, host, db):
    event_id = make_event(host, 3, 1)
    first = bob.book(event_id, 2)
    four = [{**ADA, "name": name} for name in ("Ada", "Al", "Amy")]
    booking = book(ann, event_id, *four, one=4, onShortfall="waitlist")
    assert names(booking) == [("1-1", "Ada")]
    assert [each["quantity"] for each in ann.waitlist_entries()] == [3]
    # One ticket comes back: it is offered with the next attendee, and then the others with theirs.
    bob.cancel_some(first, 1)
    bob.cancel_some(first, 1)
    offers = [ann.get(f"/bookings/{each['bookingId']}").json for each in reversed(ann.offers())]
    offered = [each["data"]["booking"] for each in offers]
    assert [names(each) for each in offered] == [[("1-1", "Al")], [("1-1", "Amy")]]
    ann.accept(event_id, bookingId=offered[0]["_id"])
    confirmed = ann.get(f"/bookings/{offered[0]['_id']}").json["data"]["booking"]
    assert (confirmed["status"], names(confirmed)) == ("confirmed", [("1-1", "Al")])
    expire_holds(app, hours=1)
    ended = ann.get(f"/bookings/{offered[1]['_id']}").json["data"]["booking"]
    assert (ended["status"], ended["attendees"], ended["incompleteTickets"]) == ("expired", [], [])
    # The entry waits for one more ticket, of which it is not known who comes, and then ends.
    assert [each["quantity"] for each in ann.waitlist_entries()] in ([1], [])
    ann.call("DELETE", f"/waitlist/{event_id}")
    assert db.waitlist.count_documents({"attendees": {"$exists": True}}) == 0


def test_an_attendee_of_a_cancelled_ticket_is_not_shown(ann, event_id):
    booking = book(ann, event_id, ADA, {**ADA, "name": "Al"}, one=2)
    left = ann.cancel_tickets(booking, ticketIds=[f"{booking['_id']}-1-1"]).json["data"]["booking"]
    assert (names(left), left["incompleteTickets"]) == ([("1-2", "Al")], [])


def test_the_holder_says_later_who_comes(ann, event_id):
    booking = ann.book(event_id, 2)
    ticket_id = booking["incompleteTickets"][1]
    answer = put(ann, ticket_id, email="eve@example.com", answers={"1": "Fish", "2": "Acme"})
    assert answer.status_code == 200, answer.json
    assert answer.json["answers"][1] == {"questionId": 2, "label": "Company", "value": "Acme"}
    shown = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert shown["attendees"] == [answer.json]
    assert incomplete(shown) == ["1-1"]
    tickets = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    assert [each["attendee"] for each in tickets] == [None, answer.json]
    assert [each["incomplete"] for each in tickets] == [True, False]
    # It is replaced as a whole.
    again = put(ann, ticket_id, name="Fay", answers={"1": "Vegan"}).json
    assert (again["name"], again["email"], len(again["answers"])) == ("Fay", None, 1)
    assert fault(put(ann, ticket_id)) == ["answers.1"]
    assert fault(put(ann, ticket_id, answers={"1": "Fish"}, ticketTypeId=1)) == ["ticketTypeId"]


def test_only_the_holder_says_who_comes(ann, bob, host, root, db, event_id):
    (ticket_id,) = ann.book(event_id)["incompleteTickets"]
    for other in (bob, host):
        refused(put(other, ticket_id, answers={"1": "Fish"}), 404, "ticket_not_found")
    assert put(root, ticket_id, answers={"1": "Fish"}).status_code == 200
    writing, reading = (TokenCaller(ann, db, f"bookings:{what}") for what in ("write", "read"))
    assert put(writing, ticket_id, answers={"1": "Fish"}).status_code == 200
    refused(put(reading, ticket_id, answers={"1": "Fish"}), 403, "scope_missing")


def test_only_valid_tickets_have_an_attendee(ann, client, app, event_id):
    held = ann.book(event_id, 1, hold=True)
    refused(put(ann, held["incompleteTickets"][0], answers={"1": "Fish"}), 404, "ticket_not_found")
    for ticket_id in ("nonsense", f"{held['_id']}-1-2", f"{held['_id']}", "0" * 24 + "-1-1"):
        refused(put(ann, ticket_id, answers={"1": "Fish"}), 404, "ticket_not_found")
    other = Caller(client, app)
    booking = other.book(event_id, 2)
    one, two = booking["incompleteTickets"]
    other.cancel_tickets(booking, ticketIds=[two])
    refused(put(other, two, answers={"1": "Fish"}), 404, "ticket_not_found")
    other.cancel(booking)
    refused(put(other, one, answers={"1": "Fish"}), 404, "ticket_not_found")


def test_an_attendee_is_set_until_the_check_in(ann, host, event_id):
    booking = ann.book(event_id, 2)
    one, two = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    host.call("POST", f"/events/{event_id}/check-in", {"code": one["code"]})
    refused(put(ann, one["ticketId"], answers={"1": "Fish"}), 409, "ticket_checked_in")
    assert put(ann, two["ticketId"], answers={"1": "Fish"}).status_code == 200


def test_the_organizer_sees_attendees_and_a_token_only_those_of_its_owner(ann, host, db, event_id):
    booking = book(ann, event_id, ADA, one=2)
    path = f"/bookings/{booking['_id']}"
    assert host.get(path).json["data"]["booking"]["attendees"] == booking["attendees"]
    assert host.get(f"/events/{event_id}/bookings").json["bookings"] == [booking]
    token = TokenCaller(host, db, "bookings:read", "bookings:write")
    hidden = {**booking, "attendees": None}
    assert token.get(path).json["data"]["booking"] == hidden
    by_reference = token.get(f"/bookings/reference/{booking['bookingReference']}")
    assert by_reference.json["data"]["booking"] == hidden
    assert token.get(f"/events/{event_id}/bookings").json["bookings"] == [hidden]
    own = TokenCaller(ann, db, "bookings:read")
    assert own.get(path).json["data"]["booking"] == booking
    assert own.get("/bookings").json["bookings"] == [booking]
    cancelled = token.call("PUT", f"{path}/cancel").json["data"]["booking"]
    assert cancelled["attendees"] is None


def test_an_answered_question_keeps_its_kind_and_stays_known(ann, bob, host, db, event_id):
    event = host.get(f"/events/{event_id}").json
    questions = event["questions"]

    def replace(**kinds):
        asked = [{**each, "kind": kinds.get(each["label"], each["kind"])} for each in questions]
        return host.call("PUT", f"/events/{event_id}", {**event, "questions": asked})

    booking = book(ann, event_id, {**ADA, "answers": {"1": "Fish", "2": "Acme"}}, one=2)
    assert refused(replace(Company="date"), 409, "question_answered")["questionId"] == 2
    assert replace(Parking="text").status_code == 200
    # Also by the holder of a ticket.
    answers = {"1": "Fish", "3": "P1"}
    assert put(ann, booking["incompleteTickets"][0], answers=answers).status_code == 200
    assert refused(replace(Parking="boolean"), 409, "question_answered")["questionId"] == 3
    # What was answered to a deleted question is still shown.
    host.call("PUT", f"/events/{event_id}", {**event, "questions": [questions[3]]})
    shown = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]["attendees"]
    assert [each["label"] for each in shown[0]["answers"]] == ["Meal", "Company"]
    former = db.events.find_one()["formerQuestions"]
    assert [each["label"] for each in former] == ["Meal", "Company", "Parking"]


def test_export_holds_the_attendees_and_erasure_removes_them(ann, bob, host, app, db):
    event_id = make_event(host, 2, 1)
    two = [ADA, {**ADA, "name": "Quillfeather", "email": "q@example.com"}]
    bob.book(event_id, 1, type_id=1)
    booking = book(ann, event_id, *two, one=2, onShortfall="waitlist", key="k")
    (ticket,) = ann.ticket_ids(booking)
    put(ann, ticket, name="Zenobia", answers={"1": "Fish", "2": "Acme & Sons"})
    exported = ann.get(f"/users/{ann.id}/export").json
    (attendee,) = exported["bookings"][0]["attendees"]
    assert attendee["name"] == "Zenobia"
    assert attendee["answers"][1] == {"questionId": 2, "label": "Company", "value": "Acme & Sons"}
    (waiting,) = exported["waitlist"][0]["attendees"]
    assert (waiting["name"], waiting["email"]) == ("Quillfeather", "q@example.com")
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    stored = OPEN_DATABASE.get(app).db
    for name in ("bookings", "waitlist"):
        text = str(list(stored[name].find()))
        for trace in ("Ada", "Zenobia", "Quillfeather", "q@example.com", "Acme", "'Fish'"):
            assert trace not in text, (name, trace)
