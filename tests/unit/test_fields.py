"""What the API's document says of a text is what the text is checked by."""

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
    Text,
)

FIELDS = [
    Text(1, 20),
    Text(0, 20),
    Text(1, 20, multiline=True),
    Text(0, 20, multiline=True),
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
    """As a client would judge that has nothing but the document."""
    said = field.metadata
    # To Python a `$` may stand before a last line break, to JSON Schema it may not.
    pattern = re.sub(r"\$$", r"\\Z", said["pattern"])
    long = len(text) > said.get("maxLength", getattr(field, "_high", 10**6))
    return re.search(pattern, text) is not None and not (long and isinstance(field, Text))


def is_taken(field, text):
    try:
        field.deserialize(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: type(field).__name__)
@given(text=TEXTS)
def test_what_is_documented_is_taken_and_nothing_else(field, text):
    # To JSON Schema `\ufeff` is white, to Python it is not; the server takes it for white.
    if "\ufeff" not in text:
        assert is_taken(field, text) == is_documented(field, text)


@given(st.dates())
def test_a_day_that_is_documented_is_taken(day):
    said = re.search(CalendarDate().metadata["pattern"], day.isoformat()) is not None
    assert is_taken(CalendarDate(), day.isoformat()) == said


@pytest.mark.parametrize("value", [0, 1, 0.0, "true", "", None, [], {}])
def test_a_flag_is_true_or_false(value):
    assert not is_taken(StrictBool(), value)
    assert StrictBool().deserialize(True) is True
    assert StrictBool().deserialize(False) is False


def test_a_whole_number_may_have_a_point():
    """As JSON Schema has it, and as clients write that have one kind of number."""
    taken = StrictInt().deserialize(5.0)
    assert (taken, type(taken)) == (5, int)
    assert not is_taken(StrictInt(), 5.5)
    assert not is_taken(StrictInt(), float("inf"))
    assert not is_taken(StrictInt(), 1e300)


@given(st.one_of(st.emails(), st.text("ab@.*\u00fc \u2003-<", max_size=12)))
def test_an_email_that_is_documented_is_taken_and_no_other(text):
    taken = is_taken(Email(), text) and find_email_error(Email().deserialize(text)) is None
    assert taken == is_documented(Email(), text)
