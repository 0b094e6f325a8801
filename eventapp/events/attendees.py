"""Check who comes with a ticket, and the answers to the questions of the event."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from eventapp.core.access.emails import find_email_error
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.events import store
from eventapp.events.question_types import (
    AnswerValue,
    Attendee,
    AttendeeAnswer,
    AttendeeInput,
    Question,
    QuestionFields,
)
from eventapp.events.questions import is_asked_of
from eventapp.events.types import Event

MAX_ANSWER = 500  # characters of a text
# Characters of a label in a message. The answer may name 20 questions.
MAX_SHOWN_LABEL = 60
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def list_asked(event: QuestionFields, type_id: int) -> list[Question]:
    """Return the questions that the attendee with a ticket of this type is asked."""
    return [each for each in event.get("questions", []) if is_asked_of(each, type_id)]


def check_attendee(
    body: AttendeeInput, event: QuestionFields, type_id: int, path: str = ""
) -> Attendee:
    """Return the attendee that a request describes, with the labels of the answered questions.

    Args:
        event: the event with its questions as they are now.
        type_id: of the ticket.
        path: what the names of the fields at fault begin with, such as `attendees.0.`.

    Raises:
        ValidationFailed: the email is not valid, a required answer is missing, an answer does not
            have the kind of its question, or the question is not asked of this ticket type.
    """
    asked = list_asked(event, type_id)
    faults: dict[str, str] = {}
    email = body.get("email") or None
    if email and (fault := find_email_error(email)):
        faults["email"] = fault
    known = {str(each["questionId"]) for each in asked}
    for key in body["answers"].keys() - known:
        faults[f"answers.{key}"] = "The event does not ask this of the holder of such a ticket."
    answers: list[AttendeeAnswer] = []
    for question in asked:
        key = str(question["questionId"])
        value = body["answers"].get(key)
        if fault := _find_answer_fault(question, value):
            faults[f"answers.{key}"] = fault
        elif value not in (None, ""):
            answers.append(_make_answer(question, value))
    if faults:
        errors = {f"{path}{name}": [fault] for name, fault in sorted(faults.items())}
        raise ValidationFailed(f"Invalid {next(iter(errors))}", errors=errors)
    attendee: Attendee = {"name": body["name"], "answers": answers}
    return {**attendee, "email": email} if email else attendee


def _make_answer(question: Question, value: AnswerValue | None) -> AttendeeAnswer:
    assert value is not None
    return {"questionId": question["questionId"], "label": question["label"], "value": value}


def _find_answer_fault(question: Question, value: AnswerValue | None) -> str | None:
    """Return what is wrong with the answer to a question; None if it is right."""
    kind = question["kind"]
    if value is None or value == "":
        return f"Must be answered: {_shorten(question['label'])}" if question["required"] else None
    if kind == "boolean":
        return None if isinstance(value, bool) else "Must be true or false."
    if not isinstance(value, str):
        return "Must be a text."
    if kind == "choice":
        return None if value in question["choices"] else "Must be one of the choices."
    if kind == "date":
        return None if _is_date(value) else "Must be a date, YYYY-MM-DD."
    return None if len(value) <= MAX_ANSWER else f"Must have at most {MAX_ANSWER} characters."


def _shorten(label: str) -> str:
    return label if len(label) <= MAX_SHOWN_LABEL else f"{label[: MAX_SHOWN_LABEL - 3]}..."


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def list_answered_ids(attendees: Iterable[Attendee]) -> frozenset[int]:
    """Return the ids of the questions that these attendees answer."""
    return frozenset(answer["questionId"] for each in attendees for answer in each["answers"])


def mark_answered(db: Db, event: Event, question_ids: Iterable[int]) -> bool:
    """Mark questions as answered, before an answer to them is stored.

    Args:
        event: as it was read. Its questions have decided that the answers are valid.

    Returns:
        False, with nothing written, if the event was edited since. The answers must then be checked
        again.
    """
    marked = event.get("answeredQuestions", {})
    new: Sequence[int] = [each for each in question_ids if str(each) not in marked]
    return not new or store.mark_answered(db, event, new)


def list_known_questions(event: QuestionFields) -> list[Question]:
    """Return the questions of an event and, after them, the deleted ones that were answered."""
    return [*event.get("questions", []), *event.get("formerQuestions", [])]
