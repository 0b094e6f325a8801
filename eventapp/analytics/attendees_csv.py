"""Write the tickets of an event, with who comes and the answers, as a CSV table."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from eventapp.analytics.csv_tables import escape_formula, format_time, write_table
from eventapp.events.question_types import Question
from eventapp.tickets.types import AttendeeRow

# The columns before those of the questions, and after them.
COLUMNS = (
    *("ticketId", "type", "scheduleId", "date", "startsAt", "location", "bookingReference"),
    *("holderName", "holderEmail", "attendeeName", "attendeeEmail"),
)
LAST_COLUMNS = ("checkedInAt",)


def write_csv(questions: Sequence[Question], rows: Iterable[AttendeeRow]) -> Iterator[bytes]:
    """Yield the table in chunks: a header row, and a row for each ticket.

    Args:
        questions: those of the event, each of which has a column with its label.
    """
    columns = [*COLUMNS, *_name_columns(questions), *LAST_COLUMNS]
    ids = [each["questionId"] for each in questions]
    return write_table(columns, (_format_row(row, ids) for row in rows))


def _name_columns(questions: Iterable[Question]) -> list[str]:
    """Return the labels of questions; one that names another column, too, with its questionId."""
    labels = [each["label"] for each in questions]
    counts = Counter([*COLUMNS, *LAST_COLUMNS, *labels])
    return [
        escape_formula(label if counts[label] == 1 else f"{label} ({each['questionId']})")
        for label, each in zip(labels, questions, strict=True)
    ]


def _format_row(row: AttendeeRow, question_ids: Iterable[int]) -> list[str]:
    holder, attendee = row["holder"], row["attendee"]
    answers = (
        {each["questionId"]: each["value"] for each in attendee["answers"]} if attendee else {}
    )
    return [
        row["ticketId"],
        escape_formula(row["type"]),
        "" if row["scheduleId"] is None else str(row["scheduleId"]),
        row["date"],
        format_time(row["startsAt"]) if row["startsAt"] else "",
        escape_formula(row["location"]),
        row["bookingReference"],
        escape_formula(holder["name"]) if holder else "",
        escape_formula(holder["email"]) if holder else "",
        escape_formula(attendee["name"]) if attendee else "",
        escape_formula(attendee["email"] or "") if attendee else "",
        *(_format_answer(answers.get(question_id, "")) for question_id in question_ids),
        format_time(row["checkedInAt"]) if row["checkedInAt"] else "",
    ]


def _format_answer(value: str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape_formula(value)
