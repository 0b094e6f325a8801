"""The kinds of value that bodies and queries are made of, checked the same way everywhere."""

import re
import unicodedata
from datetime import date, datetime
from typing import Any

from bson import ObjectId
from marshmallow import Schema, ValidationError, fields, validate

from eventapp.core.access import emails

MAX_LIMIT, DEFAULT_LIMIT = 100, 20
MAX_PRICE = 1_000_000
MAX_EMAIL = emails.MAX_EMAIL
MAX_WORD = 100
_LINE_BREAKS = "\n\r\t"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[T ])")
_BLANK = re.compile(r"[\s\ufeff]*")
# For the API's document, in what JSON Schema's regular expressions and Python's have in common.
_CONTROL, _CONTROL_IN_LINES = r"\x00-\x1f\x7f-\x9f", r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_URL = rf"https?://[A-Za-z0-9._~%\[\]:-]+(?:[/?#][^\s{_CONTROL}]*)?"


class Text(fields.String):
    """A string of at most `high` characters without control characters; it is trimmed, and then
    has `low` or more."""

    def __init__(self, low: int = 0, high: int = 200, *, lines: bool = False, **kwargs: Any):
        control = _CONTROL_IN_LINES if lines else _CONTROL
        ink = rf"[^\s{control}][^{control}]*" if low else ""
        said = {"pattern": f"^[^{control}]*{ink}$", "maxLength": high}
        said |= kwargs.pop("metadata", {})
        super().__init__(validate=validate.Length(low, high), metadata=said, **kwargs)
        self._high, self._needed = high, low > 0
        self._allowed = _LINE_BREAKS if lines else ""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        validate.Length(max=self._high)(text)
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in self._allowed for c in text):
            raise ValidationError("Must not hold control characters.")
        return "" if self._needed and _BLANK.fullmatch(text) else text.strip()


class Password(fields.String):
    """As it was typed: no character of it is trimmed or judged here.

    Args:
        low, high: what the service wants of one that is set, for the document; it counts bytes,
            which a schema can't.
    """

    def __init__(self, low: int = 1, high: int = 1000) -> None:
        said = {"format": "password", "minLength": low, "maxLength": high}
        if low > 1:
            said["pattern"] = f"^[^{_CONTROL}]*$"
        super().__init__(required=True, validate=validate.Length(1, 1000), metadata=said)


class Email(Text):
    """As the service will judge it; here only trimmed."""

    def __init__(self, **kwargs: Any) -> None:
        said = {"pattern": rf"^[^\S{_CONTROL}]*{emails.PATTERN}[^\S{_CONTROL}]*$"}
        super().__init__(3, MAX_EMAIL, metadata=said, **kwargs)


class ImageUrl(Text):
    """An http or https URL, or empty."""

    def __init__(self, high: int, **kwargs: Any):
        space = rf"[^\S{_CONTROL}]*"
        said = {"pattern": f"^{space}(?:{_URL})?{space}$"}
        super().__init__(0, high, metadata=said, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs)
        if url and not re.fullmatch(_URL, url):
            raise ValidationError("Not a valid URL.")
        return url


class StrictBool(fields.Boolean):
    """A JSON true or false; no number, no string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class StrictInt(fields.Integer):
    """A whole JSON number from `low` to `high`, as `5` or `5.0`; no string, no boolean."""

    def __init__(self, low: int = 0, high: int = 10_000_000, **kwargs: Any):
        super().__init__(strict=True, validate=validate.Range(low, high), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        _only_numbers(value)
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        return super()._deserialize(whole, attr, data, **kwargs)


class StrictFloat(fields.Float):
    """A JSON number from `low` to `high`."""

    def __init__(self, low: float, high: float, **kwargs: Any):
        super().__init__(validate=validate.Range(low, high), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        _only_numbers(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Price(StrictFloat):
    """An amount of at most two decimals: an int where it is whole, else a float."""

    def __init__(self, **kwargs: Any):
        super().__init__(0, MAX_PRICE, metadata={"multipleOf": 0.01}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        amount = super()._deserialize(value, attr, data, **kwargs)
        if abs(amount) > MAX_PRICE:  # as its range will say; in cents it may be no number
            return amount
        cents = round(amount * 100)
        if abs(amount * 100 - cents) > 1e-6:
            raise ValidationError("Must have at most two decimals.")
        return cents // 100 if cents % 100 == 0 else cents / 100


class CalendarDate(fields.Field[date]):
    """`YYYY-MM-DD`, or an ISO date-time whose date is kept as written."""

    def __init__(self, **kwargs: Any):
        said = {
            "type": "string",
            "pattern": r"^(?:19|[2-8][0-9])[0-9]{2}-",
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
            "description": "Of a date-time the date is kept as written.",
        }
        super().__init__(metadata=said, **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> date:
        if not isinstance(value, str) or not value.isascii() or len(value) > 40:
            raise ValidationError("Not a valid date.")
        try:
            day = _date_of(value)
        except ValueError:
            raise ValidationError("Not a valid date.") from None
        if not 1900 <= day.year <= 8999:
            raise ValidationError("Not a valid date.")
        return day


class ObjectIdField(fields.Field[ObjectId]):
    """An ObjectId as 24 hex characters."""

    def __init__(self, **kwargs: Any):
        super().__init__(metadata={"type": "string", "pattern": "^[0-9a-fA-F]{24}$"}, **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> ObjectId:
        if not isinstance(value, str) or not ObjectId.is_valid(value):
            raise ValidationError("Not a valid id.")
        return ObjectId(value)


class CommaSeparatedList(fields.Field[list[str]]):
    """`a,b,c` in a query, as the list of its trimmed words; at most `high` of them."""

    def __init__(self, high: int = 20, **kwargs: Any):
        word = rf"[^,\x00]{{0,{MAX_WORD}}}"
        said = {"type": "string", "pattern": f"^{word}(?:,{word}){{0,{high - 1}}}$"}
        super().__init__(metadata=said, **kwargs)
        self._high = high

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> list[str]:
        if not isinstance(value, str) or "\0" in value:
            raise ValidationError("Not a valid list.")
        words = value.split(",")
        if len(words) > self._high or any(len(word) > MAX_WORD for word in words):
            raise ValidationError(f"At most {self._high} words of {MAX_WORD} characters.")
        return [word.strip() for word in words if word.strip()]


def limit_field() -> fields.Integer:
    """How many rows an answer may hold."""
    return fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))


class PageQuery(Schema):
    """What every list takes."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, 10**9))
    limit = limit_field()


class PageAnswer(Schema):
    """What every list answers beside its rows."""

    page = fields.Integer(required=True)
    limit = fields.Integer(required=True)
    total = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    totalIsCapped = fields.Boolean()
    nextCursor = fields.String(allow_none=True)


class Message(Schema):
    """An answer that only says that it is done."""

    message = fields.String(required=True)


def _only_numbers(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError("Must be a number.")


def _date_of(value: str) -> date:
    if not _DAY.match(value):  # fromisoformat alone would take 20250101 and 2025-W01-1 too
        raise ValueError(value)
    return datetime.fromisoformat(value).date()
