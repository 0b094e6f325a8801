"""Rules of questions: how a request replaces them, and who is asked and sees which."""

from collections.abc import Collection, Iterable, Sequence
from typing import cast

from eventapp.core.textsearch import fold_text
from eventapp.events.question_types import Question, QuestionInput
from eventapp.events.ticket_types import list_visible_types
from eventapp.events.types import Event, TicketType

# The most questions of an event, and those that were answered and are kept after their deletion.
MAX_QUESTIONS, MAX_FORMER = 20, 200
MAX_CHOICES = 50
CHOICE = "choice"


def is_asked_of(question: Question, type_id: int) -> bool:
    """Return whether the attendees with tickets of this type are asked a question."""
    return "ticketTypeIds" not in question or type_id in question["ticketTypeIds"]


def present_questions(
    questions: Iterable[Question], types: Iterable[TicketType], *, may_manage: bool
) -> list[Question]:
    """Return the questions that a viewer of an event sees.

    Others than those who manage it see neither questions for types that no list shows alone, nor
    the ids of these types.
    """
    if may_manage:
        return list(questions)
    public = {each["ticketTypeId"] for each in list_visible_types(types, may_manage=False)}
    kept = (_keep_types(question, public) for question in questions)
    return [each for each in kept if each.get("ticketTypeIds") != []]


def _keep_types(question: Question, type_ids: Collection[int]) -> Question:
    """Return a question with those of its ticket types that are among these."""
    if "ticketTypeIds" not in question:
        return question
    kept = [each for each in question["ticketTypeIds"] if each in type_ids]
    return {**question, "ticketTypeIds": kept}


def remove_dropped_types(
    questions: Iterable[Question], type_ids: Collection[int]
) -> list[Question]:
    """Return the questions without the ids of ticket types that an edit drops.

    A list that loses its last id becomes empty; the caller refuses that.

    Args:
        type_ids: those that the event has after the edit.
    """
    return [_keep_types(question, type_ids) for question in questions]


def merge_questions(
    stored: Sequence[Question], requested: Sequence[QuestionInput], next_id: int
) -> list[Question]:
    """Return the questions after a request replaces all of them.

    A requested question replaces the stored one with its id, else the one with its label. Any other
    is new.

    Args:
        next_id: the first id that the event never used.
    """
    unmatched = {each["questionId"]: each for each in stored}
    by_id = [unmatched.pop(each.get("questionId", 0), None) for each in requested]
    by_label = {fold_text(each["label"]): each for each in unmatched.values()}
    merged = []
    for each, found in zip(requested, by_id, strict=True):
        replaced = found or by_label.pop(fold_text(each["label"]), None)
        question_id = replaced["questionId"] if replaced else next_id
        next_id += replaced is None
        merged.append(_make_question(question_id, each))
    return merged


def _make_question(question_id: int, body: QuestionInput) -> Question:
    """Return the question that a body describes. A list that is None is absent."""
    kept = {name: value for name, value in body.items() if value is not None}
    return cast(Question, {"questionId": question_id, **kept} | {"questionId": question_id})


def find_changed_kinds(before: Iterable[Question], after: Iterable[Question]) -> list[int]:
    """Return the ids of the questions whose kind an edit changes."""
    kinds = {each["questionId"]: each["kind"] for each in before}
    return [
        each["questionId"]
        for each in after
        if kinds.get(each["questionId"], each["kind"]) != each["kind"]
    ]


def list_former(event: Event, after: Iterable[Question]) -> list[Question]:
    """Return the deleted questions that stay known because they were answered.

    Args:
        after: the questions of the event after an edit.
    """
    kept = {each["questionId"] for each in after}
    dropped = (each for each in event.get("questions", []) if each["questionId"] not in kept)
    answered = event.get("answeredQuestions", {})
    return [
        *event.get("formerQuestions", []),
        *(each for each in dropped if str(each["questionId"]) in answered),
    ]
