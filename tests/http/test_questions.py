"""Questions of events: how organizers set them, who sees them, and what edits do with them."""

import pytest

from tests.bookings_factories import Caller, refused, types
from tests.factories import event_body

MEAL = {"label": "Meal", "kind": "choice", "required": True, "choices": ["Fish", "Vegan"]}
COMPANY = {"label": "Company", "kind": "text", "required": False}
ASKED = [
    {"questionId": 1, **MEAL},
    {"questionId": 2, **COMPANY},
]


@pytest.fixture
def event(host):
    """An event of the host with two ticket types and two questions."""
    answer = host.call(
        "POST", "/events", event_body(ticketTypes=types(5, 5), questions=[MEAL, COMPANY])
    )
    assert answer.status_code == 201, answer.json
    return answer.json


def replace(host, event, **changes):
    return host.call("PUT", f"/events/{event['eventId']}", {**event, **changes})


def show(caller, event):
    return caller.get(f"/events/{event['eventId']}").json


def invalid(answer):
    return list(refused(answer, 400, "validation_error")["errors"])


def test_an_event_shows_its_questions_with_their_ids(host, ann, client, event):
    assert event["questions"] == ASKED
    assert list(event)[-3:] == ["__v", "questions", "soldOut"]
    for caller in (host, ann):
        assert show(caller, event)["questions"] == ASKED
    (listed,) = client.get("/api/events").json["events"]
    assert listed["questions"] == ASKED
    (android,) = client.get("/android/api/events").json
    assert "questions" not in android


def test_an_event_without_questions_shows_none(host):
    made = host.call("POST", "/events", event_body(questions=[])).json
    assert "questions" not in made
    assert "questions" not in show(host, made)


def test_a_replacement_without_questions_keeps_them(host, event):
    body = {name: value for name, value in event.items() if name != "questions"}
    assert host.call("PUT", f"/events/{event['eventId']}", body).json["questions"] == ASKED


@pytest.mark.parametrize("nothing", [None, []])
def test_null_and_an_empty_list_remove_all(host, event, nothing):
    assert "questions" not in replace(host, event, questions=nothing).json
    # A question that nobody answered leaves no trace, and its id is not used again.
    added = replace(host, event, questions=[COMPANY]).json
    assert added["questions"] == [{"questionId": 3, **COMPANY}]


def test_a_question_is_matched_by_its_id_else_by_its_label(host, event):
    changed = [
        {**COMPANY, "label": "COMPANY", "required": True},
        {**MEAL, "questionId": 1, "label": "Your meal", "choices": ["Fish"]},
        {"label": "Born", "kind": "date"},
        {**MEAL, "questionId": 77},
    ]
    after = replace(host, event, questions=changed).json["questions"]
    assert [each["questionId"] for each in after] == [2, 1, 3, 4]
    assert [each["label"] for each in after] == ["COMPANY", "Your meal", "Born", "Meal"]
    assert after[2] == {"questionId": 3, "label": "Born", "kind": "date", "required": False}


def test_the_kind_of_a_question_that_nobody_answered_may_change(host, event):
    changed = [{"questionId": 1, "label": "Vegan?", "kind": "boolean"}, ASKED[1]]
    (first, _) = replace(host, event, questions=changed).json["questions"]
    assert first == {"questionId": 1, "label": "Vegan?", "kind": "boolean", "required": False}


def test_the_kind_of_an_answered_question_is_kept(host, event, db):
    db.events.update_one({}, {"$set": {"answeredQuestions": {"2": True}}, "$inc": {"rev": 1}})
    error = refused(
        replace(host, event, questions=[ASKED[0], {**ASKED[1], "kind": "date"}]),
        409,
        "question_answered",
    )
    assert error["questionId"] == 2
    assert show(host, event)["questions"] == ASKED
    # All else may change, and a deleted one stays known.
    changed = {**ASKED[1], "label": "Employer", "required": True}
    assert replace(host, event, questions=[changed]).json["questions"] == [changed]
    assert "questions" not in replace(host, event, questions=[]).json
    assert db.events.find_one()["formerQuestions"] == [changed]


def test_a_question_may_be_for_some_ticket_types(host, ann, event):
    some = [{**MEAL, "ticketTypeIds": [2]}, {**COMPANY, "ticketTypeIds": None}]
    after = replace(host, event, questions=some).json
    assert after["questions"] == [{**ASKED[0], "ticketTypeIds": [2]}, ASKED[1]]
    assert show(ann, event)["questions"] == after["questions"]
    unknown = [{**MEAL, "ticketTypeIds": [1, 9]}]
    assert invalid(replace(host, event, questions=unknown)) == ["questions.0.ticketTypeIds"]


def test_no_answer_tells_of_a_type_that_no_list_shows(host, ann, event):
    some = [{**MEAL, "ticketTypeIds": [1, 2]}, {**COMPANY, "ticketTypeIds": [2]}]
    kinds = [event["ticketTypes"][0], {**event["ticketTypes"][1], "visibility": "secret"}]
    after = replace(host, event, ticketTypes=kinds, questions=some).json
    assert [each["ticketTypeIds"] for each in after["questions"]] == [[1, 2], [2]]
    assert show(ann, event)["questions"] == [{**ASKED[0], "ticketTypeIds": [1]}]
    # An edit of what nobody else sees leaves no trace.
    before = show(ann, event)
    some[1]["label"] = "Firm"
    replace(host, event, ticketTypes=kinds, questions=some)
    assert show(ann, event) == before


def test_the_last_type_of_a_question_cannot_be_dropped(host, event):
    some = [{**MEAL, "ticketTypeIds": [1, 2]}, {**COMPANY, "ticketTypeIds": [2]}]
    replace(host, event, questions=some)
    path = f"/events/{event['eventId']}/ticket-types"
    assert "Company" in refused(host.call("DELETE", f"{path}/2"), 409, "question_in_use")["message"]
    assert host.call("DELETE", f"{path}/1").status_code == 200
    assert [each["ticketTypeIds"] for each in show(host, event)["questions"]] == [[2], [2]]


WRONG = [
    ({**MEAL, "choices": []}, "questions.0.choices"),
    ({**MEAL, "choices": ["A", "A"]}, "questions.0.choices"),
    ({"label": "Meal", "kind": "choice"}, "questions.0.choices"),
    ({**COMPANY, "choices": ["A"]}, "questions.0.choices"),
    ({**COMPANY, "kind": "number"}, "questions.0.kind"),
    ({**COMPANY, "required": "yes"}, "questions.0.required"),
    ({**COMPANY, "label": " "}, "questions.0.label"),
    ({**COMPANY, "ticketTypeIds": []}, "questions.0.ticketTypeIds"),
    ({**COMPANY, "ticketTypeIds": [1, 1]}, "questions.0.ticketTypeIds"),
    ({**COMPANY, "help": "?"}, "questions.0.help"),
]


@pytest.mark.parametrize(("question", "field"), WRONG)
def test_a_wrong_question_is_refused(host, event, question, field):
    assert invalid(replace(host, event, questions=[question])) == [field]


def test_there_are_at_most_20_questions_each_with_its_own_id(host, event):
    many = [{**COMPANY, "label": f"Question {number}"} for number in range(21)]
    assert invalid(replace(host, event, questions=many)) == ["questions"]
    assert len(replace(host, event, questions=many[:20]).json["questions"]) == 20
    same = [ASKED[0], {**ASKED[1], "questionId": 1}]
    assert invalid(replace(host, event, questions=same)) == ["questions"]


def test_only_who_manages_the_event_sets_questions(ann, client, app, event):
    for caller in (ann, Caller(client, app, "organizer")):
        refused(replace(caller, event, questions=[]), 403, "forbidden")
