"""The kinds of value that bodies and queries are made of, checked the same way everywhere."""

import re
import unicodedata
from datetime import date, datetime
from typing import Any

from bson import ObjectId
from marshmallow import Schema, ValidationError, fields, validate

MAX_LIMIT, DEFAULT_LIMIT = 100, 20
MAX_PRICE = 1_000_000
MAX_WORD = 100
_LINE_BREAKS = "\n\r\t"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[T ])")


class Text(fields.String):
    """A trimmed string of `low` to `high` characters without control characters."""

    def __init__(self, low: int = 0, high: int = 200, *, lines: bool = False, **kwargs: Any):
        super().__init__(validate=validate.Length(low, high), **kwargs)
        self._allowed = _LINE_BREAKS if lines else ""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in self._allowed for c in text):
            raise ValidationError("Must not hold control characters.")
        return text


class ImageUrl(Text):
    """An http or https URL, or empty."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs)
        if url:
            validate.URL(schemes={"http", "https"}, require_tld=False)(url)
        return url


class Whole(fields.Integer):
    """A whole JSON number from `low` to `high`; no string, no boolean, no fraction."""

    def __init__(self, low: int = 0, high: int = 10_000_000, **kwargs: Any):
        super().__init__(strict=True, validate=validate.Range(low, high), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        _only_numbers(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Number(fields.Float):
    """A JSON number from `low` to `high`."""

    def __init__(self, low: float, high: float, **kwargs: Any):
        super().__init__(validate=validate.Range(low, high), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        _only_numbers(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Price(Number):
    """An amount of at most two decimals: an int where it is whole, else a float."""

    def __init__(self, **kwargs: Any):
        super().__init__(0, MAX_PRICE, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        amount = super()._deserialize(value, attr, data, **kwargs)
        cents = round(amount * 100)
        if abs(amount * 100 - cents) > 1e-6:
            raise ValidationError("Must have at most two decimals.")
        return cents // 100 if cents % 100 == 0 else cents / 100


class Day(fields.Field[date]):
    """`YYYY-MM-DD`, or an ISO date-time whose date is kept as written."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> date:
        if not isinstance(value, str) or not value.isascii() or len(value) > 40:
            raise ValidationError("Not a valid date.")
        try:
            day = _date_of(value)
        except ValueError:
            raise ValidationError("Not a valid date.") from None
        if not 1900 <= day.year <= 9998:
            raise ValidationError("Not a valid date.")
        return day


class Id(fields.Field[ObjectId]):
    """An ObjectId as 24 hex characters."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> ObjectId:
        if not isinstance(value, str) or not ObjectId.is_valid(value):
            raise ValidationError("Not a valid id.")
        return ObjectId(value)


class CommaList(fields.Field[list[str]]):
    """`a,b,c` in a query, as the list of its trimmed words; at most `high` of them."""

    def __init__(self, high: int = 20, **kwargs: Any):
        super().__init__(**kwargs)
        self._high = high

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> list[str]:
        if not isinstance(value, str) or "\0" in value:
            raise ValidationError("Not a valid list.")
        words = [word for word in (part.strip() for part in value.split(",")) if word]
        if len(words) > self._high or any(len(word) > MAX_WORD for word in words):
            raise ValidationError(f"At most {self._high} words of {MAX_WORD} characters.")
        return words


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
