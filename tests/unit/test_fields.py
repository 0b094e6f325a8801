"""Fields accept exactly what they document in the OpenAPI document."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from eventapp.core.access.emails import find_email_error
from eventapp.core.http.fields import (
    CalendarDate,
    CommaSeparatedList,
    Email,
    ImageUrl,
    ObjectIdField,
    StrictBool,
    StrictInt,
    StrictText,
    Text,
)

FIELDS = [
    Text(1, 20),
    Text(0, 20),
    Text(1, 20, multiline=True),
    Text(0, 20, multiline=True),
    StrictText(0, 20),
    StrictText(1, 20),
    ImageUrl(40),
    CommaSeparatedList(3),
    ObjectIdField(),
]
ODD = st.text("a ,:/.\n\t\0\x1f\x85\xa0\u2003\ufeffhtps?#[]1")
TEXTS = st.one_of(
    st.text(),
    ODD,
    ODD.map(lambda tail: f"https://a.example/{tail}"),
    st.text("0123456789abcdefABCDEF", min_size=23, max_size=25),
)


def is_documented(field, text):
    """Return True if the OpenAPI document alone allows the text."""
    metadata = field.metadata
    # `$` matches before a final line break in Python, but not in JSON Schema.
    pattern = re.sub(r"\$$", r"\\Z", metadata.get("pattern", ""))
    is_too_long = isinstance(field, Text) and len(text) > metadata["maxLength"]
    return re.search(pattern, text) is not None and not is_too_long


def is_accepted(field, text):
    try:
        field.deserialize(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: type(field).__name__)
@given(text=TEXTS)
def test_a_field_accepts_what_it_documents_and_nothing_else(field, text):
    # `\ufeff` is whitespace to JSON Schema and to the server, but not to Python's `\s`.
    if "\ufeff" not in text:
        assert is_accepted(field, text) == is_documented(field, text)


@given(st.dates())
def test_a_date_is_accepted_if_it_is_documented(day):
    matches = re.search(CalendarDate().metadata["pattern"], day.isoformat()) is not None
    assert is_accepted(CalendarDate(), day.isoformat()) == matches


@pytest.mark.parametrize("value", [0, 1, 0.0, "true", "", None, [], {}])
def test_a_strict_bool_accepts_only_true_and_false(value):
    assert not is_accepted(StrictBool(), value)
    assert StrictBool().deserialize(True) is True
    assert StrictBool().deserialize(False) is False


def test_a_strict_int_accepts_a_number_with_a_zero_fraction():
    """JSON Schema does so too, and clients with one type of number write integers in this way."""
    number = StrictInt().deserialize(5.0)
    assert (number, type(number)) == (5, int)
    assert not is_accepted(StrictInt(), 5.5)
    assert not is_accepted(StrictInt(), float("inf"))
    assert not is_accepted(StrictInt(), 1e300)


@given(st.one_of(st.emails(), st.text("ab@.*\u00fc \u2003-<", max_size=12)))
def test_an_email_address_is_accepted_if_and_only_if_it_is_documented(text):
    accepted = is_accepted(Email(), text) and find_email_error(Email().deserialize(text)) is None
    assert accepted == is_documented(Email(), text)


@pytest.mark.parametrize(
    ("sent", "line", "lines"),
    [
        ("caf\x97\u00e9", "caf\u00e9", "caf\u00e9"),
        ("a\r\nb\tc", "a  b c", "a\r\nb\tc"),
        ("\0\x1b[31m\x7f\x85 red ", "[31m red", "[31m red"),
        ("cafe\u0301", "caf\u00e9", "caf\u00e9"),
    ],
)
def test_control_characters_are_removed_from_texts(sent, line, lines):
    assert Text().deserialize(sent) == line
    assert Text(multiline=True).deserialize(sent) == lines


@given(st.text())
def test_a_text_that_was_stored_is_accepted_again_unchanged(text):
    for field in (Text(), Text(multiline=True)):
        stored = field.deserialize(text[:200])
        assert field.deserialize(stored[:200]) == stored[:200].strip()
