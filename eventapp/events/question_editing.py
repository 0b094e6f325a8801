"""Replace the questions of an event, as a part of an edit.

A sale marks the questions that it answers in the update that takes its tickets, and the holder of a
ticket before the answer is stored. Both are guarded by `terms`, and an edit by the revision. So
either the edit sees the mark, or the answer is checked again by the questions after the edit.
"""

from collections.abc import Sequence

from eventapp.core.errors import ValidationFailed
from eventapp.events.errors import QuestionAnswered, QuestionInUse
from eventapp.events.question_types import Question, QuestionEdit, QuestionInput
from eventapp.events.questions import (
    MAX_FORMER,
    find_changed_kinds,
    list_former,
    merge_questions,
    remove_dropped_types,
)
from eventapp.events.types import Event, TicketType


def build_questions(
    requested: Sequence[QuestionInput], types: Sequence[TicketType]
) -> QuestionEdit:
    """Return the fields of a new event with these questions; none without questions.

    Raises:
        ValidationFailed: a question names a ticket type that the event does not have.
    """
    questions = merge_questions([], requested, next_id=1)
    _refuse_unknown_types(questions, types)
    return {"questions": questions, "nextQuestionId": len(questions) + 1} if questions else {}


def replace_questions(
    event: Event, requested: Sequence[QuestionInput], types: Sequence[TicketType]
) -> QuestionEdit:
    """Return the fields that replace the questions of an event.

    Args:
        types: the ticket types that the event has after the edit.

    Raises:
        QuestionAnswered: the kind of a question that was answered would change.
        ValidationFailed: a question names a ticket type that the event does not have, or too many
            questions that were answered would be deleted.
    """
    before, next_id = event.get("questions", []), event.get("nextQuestionId", 1)
    after = merge_questions(before, requested, next_id)
    _refuse_unknown_types(after, types)
    answered = event.get("answeredQuestions", {})
    if changed := [id_ for id_ in find_changed_kinds(before, after) if str(id_) in answered]:
        raise QuestionAnswered(questionId=changed[0])
    former = list_former(event, after)
    if len(former) > MAX_FORMER:
        message = f"At most {MAX_FORMER} questions that were answered can be deleted."
        raise ValidationFailed("Too many questions", errors={"questions": [message]})
    fields: QuestionEdit = {
        "questions": after,
        "nextQuestionId": max(next_id, *(each["questionId"] + 1 for each in after), 1),
    }
    return {**fields, "formerQuestions": former} if former else fields


def keep_questions(event: Event, types: Sequence[TicketType]) -> QuestionEdit:
    """Return the fields of the questions after an edit of ticket types alone; none if they stay.

    Raises:
        QuestionInUse: a question would be asked of no ticket type any more.
    """
    before = event.get("questions", [])
    after = remove_dropped_types(before, {each["ticketTypeId"] for each in types})
    for question in after:
        if question.get("ticketTypeIds") == []:
            message = f"The question {question['label']!r} is for what would be dropped alone"
            raise QuestionInUse(message)
    return {"questions": after} if after != before else {}


def _refuse_unknown_types(questions: Sequence[Question], types: Sequence[TicketType]) -> None:
    known = {each["ticketTypeId"] for each in types}
    for index, question in enumerate(questions):
        if set(question.get("ticketTypeIds", ())) - known:
            errors = {f"questions.{index}.ticketTypeIds": ["The event has no such ticket type."]}
            raise ValidationFailed("Invalid questions", errors=errors)
