"""Answers against edits of the questions, and attendees against the check-in of their tickets."""

from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import attendees, store
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.events import store as events_store
from eventapp.events.question_editing import replace_questions
from eventapp.inventory import rules as inventory_rules
from eventapp.inventory import store as inventory_store
from eventapp.tickets import check_ins
from eventapp.tickets.signing_key import load_key
from tests import factories
from tests.race import kit

COMPANY = {"questionId": 1, "label": "Company", "kind": "text", "required": False}
ADA = {"name": "Ada", "answers": {"1": "Acme"}}


@pytest.fixture
def event(db):
    return factories.make_event(db, questions=[COMPANY])


@pytest.fixture
def user():
    return ObjectId()


@pytest.fixture
def booking(context, db, event, user):
    return db.bookings.find_one({"_id": kit.booking_id(kit.book(context, event, 2, user=user))})


def change_kind(db, event):
    """Make the question one of yes or no; return the code of the error if that is refused."""
    asked = [{**COMPANY, "kind": "boolean"}]
    try:
        kit.edit(db, event, lambda read: replace_questions(read, asked, read["ticketTypes"]))
    except AppError as error:
        return error.code
    return None


def book(context, event):
    return kit.book(context, event, attendees=({**ADA, "ticketTypeId": 1},))


def set_attendee(context, booking, body=ADA):
    holder = kit.attendee(booking["userId"])
    return attendees.set_attendee(context, f"{booking['_id']}-1-1", body, holder)


def run_between(monkeypatch, owner, name, call, meanwhile):
    """Start a call, do `meanwhile` before it calls `owner.name`; return both results."""
    with (
        kit.suspended(monkeypatch, owner, name) as suspension,
        kit.in_background(partial(kit.run_concurrently, call)) as result,
    ):
        suspension.wait()
        done = meanwhile()
        suspension.resume()
        return result.result()[0], done


def find_answers(db):
    bookings = db.bookings.find({"attendees": {"$exists": True}})
    return [each["value"] for one in bookings for each in one["attendees"]["1-1"]["answers"]]


def change_kind_while_the_booking_is_stored(context, db, event, monkeypatch):
    call, meanwhile = partial(book, context, event), partial(change_kind, db, event)
    return run_between(monkeypatch, store, "insert_bookings", call, meanwhile)


def test_a_question_answered_by_a_booking_that_is_not_stored_yet_keeps_its_kind(
    context, db, event, monkeypatch
):
    answer, code = change_kind_while_the_booking_is_stored(context, db, event, monkeypatch)
    assert (answer.status, code) == (201, "question_answered")
    assert find_answers(db) == ["Acme"]


def test_control_without_the_mark_of_the_take_the_kind_of_an_answer_is_wrong(
    context, db, event, monkeypatch
):
    monkeypatch.setattr(inventory_rules, "build_answer_marks", lambda _event, _grants: {})
    answer, code = change_kind_while_the_booking_is_stored(context, db, event, monkeypatch)
    assert (answer.status, code) == (201, None)
    assert (find_answers(db), db.events.find_one()["questions"][0]["kind"]) == (["Acme"], "boolean")


def test_an_edit_before_the_take_makes_the_answers_be_checked_again(
    context, db, event, monkeypatch
):
    call, meanwhile = partial(book, context, event), partial(change_kind, db, event)
    error, code = run_between(monkeypatch, inventory_store, "update_stock", call, meanwhile)
    assert (list(error.errors), code) == (["attendees.0.answers.1"], None)
    assert find_answers(db) == []


def test_the_holder_and_an_edit_agree_on_the_kind(context, db, event, booking, monkeypatch):
    call, meanwhile = partial(set_attendee, context, booking), partial(change_kind, db, event)
    error, code = run_between(monkeypatch, events_store, "mark_answered", call, meanwhile)
    assert (list(error.errors), code) == (["answers.1"], None)
    db.events.update_one({}, {"$set": {"questions": [COMPANY]}, "$inc": {"rev": 1, "terms": 1}})
    answer, code = run_between(monkeypatch, store, "set_attendee", call, meanwhile)
    assert (answer["name"], code) == ("Ada", "question_answered")
    assert find_answers(db) == ["Acme"]


def test_a_mark_between_the_read_and_the_write_of_an_edit_makes_it_read_again(
    context, db, event, booking, monkeypatch
):
    call, meanwhile = partial(change_kind, db, event), partial(set_attendee, context, booking)
    code, _ = run_between(monkeypatch, events_store, "write_if_unchanged", call, meanwhile)
    assert code == "question_answered"


def check_in(context, db, event, booking):
    code = load_key(db, utc_now()).sign(event["eventId"], f"{booking['_id']}-1-1")
    opened = check_ins.open_check_in(context.db, event["eventId"], kit.ADMIN, utc_now())
    return opened.check_in(code, utc_now())


def check_in_while_the_attendee_is_stored(context, db, event, booking, monkeypatch):
    call = partial(set_attendee, context, booking)
    meanwhile = partial(check_in, context, db, event, booking)
    return run_between(monkeypatch, store, "set_attendee", call, meanwhile)[0]


def test_a_ticket_checked_in_before_the_attendee_is_stored_keeps_none(
    context, db, event, booking, monkeypatch
):
    error = check_in_while_the_attendee_is_stored(context, db, event, booking, monkeypatch)
    assert error.code == "ticket_checked_in"
    assert find_answers(db) == []


def test_control_without_the_guard_a_checked_in_ticket_gets_another_attendee(
    context, db, event, booking, monkeypatch
):
    def set_unguarded(db, booking, place, attendee):
        db.bookings.update_one({"_id": booking["_id"]}, {"$set": {f"attendees.{place}": attendee}})
        return True

    monkeypatch.setattr(store, "set_attendee", set_unguarded)
    answer = check_in_while_the_attendee_is_stored(context, db, event, booking, monkeypatch)
    assert answer["name"] == "Ada"
    assert db.bookings.find_one({"_id": booking["_id"]})["checkIns"]


def test_an_attendee_is_not_stored_in_a_booking_whose_holder_is_erased_meanwhile(
    context, db, event, booking, user, monkeypatch
):
    call, meanwhile = partial(set_attendee, context, booking), partial(store.forget_user, db, user)
    error, _ = run_between(monkeypatch, store, "set_attendee", call, meanwhile)
    assert error.code == "ticket_not_found"
    assert find_answers(db) == []


@pytest.mark.parametrize("_round", range(5))
def test_either_the_kind_changes_or_the_answer_is_stored(context, db, event, _round):
    booked, code = kit.run_concurrently(
        partial(book, context, event), partial(change_kind, db, event)
    )
    kind = db.events.find_one()["questions"][0]["kind"]
    if code is None:
        assert (kind, find_answers(db), booked.status) == ("boolean", [], 400)
    else:
        assert (kind, find_answers(db), code) == ("text", ["Acme"], "question_answered")
