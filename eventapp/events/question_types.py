"""Types of the questions that an event asks each attendee."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

QuestionKind: TypeAlias = Literal["text", "choice", "boolean", "date"]


class Question(TypedDict):
    """A question of an event, as it is stored and as an answer of the API shows it."""

    questionId: int  # from 1, unique within its event, never used again
    label: str  # 1 to 200 characters
    kind: QuestionKind  # never changes once it was answered
    required: bool  # whether each attendee must answer it
    choices: NotRequired[list[str]]  # of kind "choice": 1 to 50, each once; else absent
    ticketTypeIds: NotRequired[list[int]]  # of whose attendees it is asked; absent: of all


class QuestionInput(TypedDict):
    """A question of a request."""

    questionId: NotRequired[int]  # the question that it replaces; absent: the one of this label
    label: str
    kind: QuestionKind
    required: bool
    choices: NotRequired[list[str]]
    ticketTypeIds: NotRequired[list[int] | None]  # absent or None: all


class QuestionEdit(TypedDict, total=False):
    """The fields of the questions of an event that an edit sets. An absent one is empty."""

    questions: list[Question]  # in the organizer's order
    nextQuestionId: int  # the first questionId that the event never used; absent is 1
    formerQuestions: list[Question]  # that were answered and then deleted, the last one last


class QuestionFields(QuestionEdit, total=False):
    """The fields of an event that concern its questions."""

    # The questions that were answered, by their ids as text. The write that stores the first answer
    # to a question follows this mark, so that no edit changes its kind in between.
    answeredQuestions: dict[str, Literal[True]]


# The text of a text, the choice, true or false, or the date as YYYY-MM-DD.
AnswerValue: TypeAlias = str | bool


class AttendeeAnswer(TypedDict):
    """The answer of an attendee to a question."""

    questionId: int
    label: str  # of the question when it was answered
    value: AnswerValue


class Attendee(TypedDict):
    """Who comes with a ticket."""

    name: str  # 1 to 100 characters
    email: NotRequired[str]  # never mailed; absent if it is not known
    answers: list[AttendeeAnswer]  # in the order of the questions; those that were answered


class AttendeeInput(TypedDict):
    """Who comes with a ticket, in a request."""

    name: str
    email: NotRequired[str | None]
    answers: dict[str, AnswerValue | None]  # by questionId as text; None is no answer
