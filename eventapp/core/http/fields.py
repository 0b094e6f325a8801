"""Fields of bodies and queries, stricter than marshmallow's, and schemas that features share.

Each field documents what it accepts in the OpenAPI document, as a pattern or a range. The patterns
use only syntax that Python and the regular expressions of JSON Schema share.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar

from bson import ObjectId
from marshmallow import Schema, ValidationError, fields, pre_load, validate

from eventapp.core import json
from eventapp.core.access import actions, emails
from eventapp.core.access.passwords import MAX_PASSWORD_BYTES
from eventapp.core.clock import load_zone
from eventapp.core.json import JsonObject

MAX_LIMIT, DEFAULT_LIMIT = 100, 20
MAX_PRICE = 1_000_000
# Schemas of features take these from here, because they may import only this part of core.
MAX_EMAIL, MAX_INT64, SCOPES = emails.MAX_EMAIL, json.MAX_INT64, actions.SCOPES
MAX_WORD = 100  # characters of one word in a CommaSeparatedList
OBJECT_ID_PATTERN = "^[0-9a-fA-F]{24}$"
_LINE_BREAKS_AND_TAB = "\n\r\t"
_DATE_PREFIX = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[T ])")
_DATE_OR_MOMENT = (
    r"^(?:19|[2-8][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::00(?:\.0+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?$"
)
_LOCAL_TIME = re.compile(r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$", re.ASCII)
# `str.strip` keeps the byte order mark, which is whitespace in JSON Schema.
_BLANK = re.compile(r"[\s\ufeff]*")
_CONTROL = r"\x00-\x1f\x7f-\x9f"
_PATH = rf"(?:[/?#][^\s{_CONTROL}]*)?"
_URL = rf"https?://[A-Za-z0-9._~%\[\]:-]+{_PATH}"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HTTPS_URL = rf"https://{_LABEL}(?:\.{_LABEL})+(?::[0-9]{{1,5}})?{_PATH}"


class Text(fields.String):
    """A string that is trimmed, in NFC, and without control characters, which are removed.

    Texts of old programs contain control characters that nobody sees. A line break or tab becomes a
    space where a text has a single line.

    Args:
        min_length: the least number of characters after trimming, 0 or 1.
        max_length: the greatest number of characters before trimming.
        multiline: keep line breaks and tabs.
    """

    def __init__(
        self, min_length: int = 0, max_length: int = 200, *, multiline: bool = False, **kwargs: Any
    ) -> None:
        pattern = {"pattern": rf"[^\s{_CONTROL}]"} if min_length else {}
        metadata = {**pattern, "maxLength": max_length, **kwargs.pop("metadata", {})}
        super().__init__(validate=validate.Length(min_length), metadata=metadata, **kwargs)
        self._max_length, self._refuses_blank = max_length, min_length > 0
        self._spaces = "" if multiline else _LINE_BREAKS_AND_TAB
        self._kept_controls = _LINE_BREAKS_AND_TAB if multiline else ""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        validate.Length(max=self._max_length)(text)
        text = unicodedata.normalize("NFC", self._clean(text))
        if self._refuses_blank and _BLANK.fullmatch(text):
            return ""  # The validator of the length refuses it.
        return text.strip()

    def _clean(self, text: str) -> str:
        """Return the text as it is stored, but for its form and the whitespace around it."""
        if text.isprintable():
            return text
        spaced = text.translate(dict.fromkeys(map(ord, self._spaces), " "))
        return "".join(char for char in spaced if not self._is_removed(char))

    def _is_removed(self, character: str) -> bool:
        category = unicodedata.category(character)
        if category == "Cs":  # UTF-8 cannot encode it.
            raise ValidationError("Must not hold half a surrogate pair.")
        return category == "Cc" and character not in self._kept_controls


class NewName(Text):
    """A name that an account may take. `@` and the characters that look like it are refused.

    This field only documents it: an account may keep an older name that holds one.

    Args: see `Text`.
    """

    def __init__(self, min_length: int = 1, max_length: int = 100, **kwargs: Any) -> None:
        others = "[^@\uff20\ufe6b]*"
        pattern = rf"^{others}[^@\uff20\ufe6b\s{_CONTROL}]{others}$"
        metadata = {"pattern": pattern, **kwargs.pop("metadata", {})}
        super().__init__(min_length, max_length, metadata=metadata, **kwargs)


class StrictText(Text):
    """A text that is no prose, such as an address: one with control characters is refused.

    Args: see `Text`.
    """

    def __init__(self, min_length: int = 0, max_length: int = 200, **kwargs: Any) -> None:
        visible = rf"[^\s{_CONTROL}][^{_CONTROL}]*" if min_length else ""
        metadata = {"pattern": f"^[^{_CONTROL}]*{visible}$", **kwargs.pop("metadata", {})}
        super().__init__(min_length, max_length, metadata=metadata, **kwargs)

    def _clean(self, text: str) -> str:
        if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
            raise ValidationError("Must not hold control characters.")
        return text


class Password(fields.String):
    """A string of 1 to 1000 characters, which is not trimmed."""

    def __init__(self, *, required: bool = True, **documentation: Any) -> None:
        length = validate.Length(1, 1000)
        metadata = {"format": "password", "minLength": 1, "maxLength": 1000, **documentation}
        super().__init__(required=required, validate=length, metadata=metadata)


class NewPassword(Password):
    """A password to set, documented with its requirements.

    Services check them by `find_password_error`, because the greatest length is in bytes, which a
    schema cannot count.

    Args:
        min_length: the least number of characters.
    """

    def __init__(self, min_length: int) -> None:
        super().__init__(
            minLength=min_length, maxLength=MAX_PASSWORD_BYTES, pattern=f"^[^{_CONTROL}]*$"
        )


class Email(StrictText):
    """A text of 3 to 254 characters, trimmed. Services check whether it is an email address."""

    def __init__(self, **kwargs: Any) -> None:
        space = rf"[^\S{_CONTROL}]*"
        super().__init__(
            3, MAX_EMAIL, metadata={"pattern": f"^{space}{emails.EMAIL_PATTERN}{space}$"}, **kwargs
        )


class _Url(StrictText):
    """A URL that a regular expression describes; trimmed."""

    def __init__(self, pattern: str, max_length: int, **kwargs: Any) -> None:
        space = rf"[^\S{_CONTROL}]*"
        super().__init__(
            0, max_length, metadata={"pattern": f"^{space}{pattern}{space}$"}, **kwargs
        )
        self._pattern = pattern

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(self._pattern, url):
            raise ValidationError("Not a valid URL.")
        return url


class ImageUrl(_Url):
    """An http or https URL, or an empty string; trimmed."""

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        super().__init__(f"(?:{_URL})?", max_length, **kwargs)


class HttpsUrl(_Url):
    """An https URL with a domain name and without a user name; trimmed."""

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        super().__init__(_HTTPS_URL, max_length, **kwargs)


class StrictBool(fields.Boolean):
    """JSON's true or false. Numbers and strings are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class StrictInt(fields.Integer):
    """A JSON number without a fraction, such as `5` or `5.0`. Strings and booleans are refused.

    Args:
        minimum, maximum: the range, both included.
    """

    def __init__(self, minimum: int = 0, maximum: int = 10_000_000, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(minimum, maximum), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        _require_number(value)
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        return super()._deserialize(number, attr, data, **kwargs)


class PositiveInt64(StrictInt):
    """A JSON number from 1 to 2**63 - 1, such as an eventId."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(1, MAX_INT64, **kwargs)


class StrictFloat(fields.Float):
    """A JSON number. Strings and booleans are refused.

    Args:
        minimum, maximum: the range, both included.
    """

    def __init__(self, minimum: float, maximum: float, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        _require_number(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Price(StrictFloat):
    """An amount from 0 to MAX_PRICE with at most two decimals, an int if it has none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(0, MAX_PRICE, metadata={"multipleOf": 0.01}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        amount = super()._deserialize(value, attr, data, **kwargs)
        if abs(amount) > MAX_PRICE:  # The validator refuses it; rounding might overflow.
            return amount
        cents = round(amount * 100)
        if abs(amount * 100 - cents) > 1e-6:
            raise ValidationError("Must have at most two decimals.")
        return cents // 100 if cents % 100 == 0 else cents / 100


class CalendarDate(fields.Field[date]):
    """A date from 1900 to 8999 as `YYYY-MM-DD`, or as an ISO date-time.

    Only the date of a date-time is kept: `2026-05-01T23:00:00-04:00` becomes 1 May.
    """

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "type": "string",
            "pattern": r"^(?:19|[2-8][0-9])[0-9]{2}-",
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
            "description": "Only the date of a date-time is kept, as written.",
            **kwargs.pop("metadata", {}),
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> date:
        if not isinstance(value, str) or not value.isascii() or len(value) > 40:
            raise ValidationError("Not a valid date.")
        try:
            day = _parse_date(value)
        except ValueError:
            raise ValidationError("Not a valid date.") from None
        if not 1900 <= day.year <= 8999:
            raise ValidationError("Not a valid date.")
        return day


class DateOrMoment(CalendarDate):
    """A date as `YYYY-MM-DD`, or an ISO date-time in whole minutes, from 1900 to 8999.

    It loads as a date, or as a datetime that is aware if the text has an offset. JavaScript sends a
    date as midnight UTC, so that instant loads as the date alone.
    """

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "pattern": _DATE_OR_MOMENT,
            "description": "Midnight UTC is the date alone. Another date-time is the date and the "
            "startTime, in the zone of the entry; without an offset it is local.",
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> date:
        day = super()._deserialize(value)
        if len(value) == len("YYYY-MM-DD"):
            return day
        moment = datetime.fromisoformat(value)
        if moment.second or moment.microsecond:
            raise ValidationError("Must be a whole minute.")
        if moment.tzinfo is None:
            return moment
        instant = moment.astimezone(UTC)
        return instant.date() if instant.time() == time.min else moment


class LocalTime(fields.String):
    """A local time, `HH:MM` from 00:00 to 23:59."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"pattern": _LOCAL_TIME.pattern}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not _LOCAL_TIME.fullmatch(text):
            raise ValidationError("Not a time from 00:00 to 23:59.")
        return text


class ZoneName(fields.String):
    """The IANA name of a time zone, such as `Europe/Athens`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(1, 64), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            return load_zone(name).key
        except ValueError:
            raise ValidationError("Not an IANA time zone, such as Europe/Athens.") from None


class ObjectIdField(fields.Field[ObjectId]):
    """An ObjectId as 24 hex characters."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "string", "pattern": OBJECT_ID_PATTERN, **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> ObjectId:
        if not isinstance(value, str) or not ObjectId.is_valid(value):
            raise ValidationError("Not a valid id.")
        return ObjectId(value)


class CommaSeparatedList(fields.Field[list[str]]):
    """Words in a query such as `a,b,c`, trimmed and without empty ones.

    Args:
        max_words: the greatest number of words. Each has at most MAX_WORD characters.
    """

    def __init__(self, max_words: int = 20, **kwargs: Any) -> None:
        word = rf"[^,\x00]{{0,{MAX_WORD}}}"
        pattern = f"^{word}(?:,{word}){{0,{max_words - 1}}}$"
        metadata = {"type": "string", "pattern": pattern, **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)
        self._max_words = max_words

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> list[str]:
        if not isinstance(value, str) or "\0" in value:
            raise ValidationError("Not a valid list.")
        words = value.split(",")
        if len(words) > self._max_words or any(len(word) > MAX_WORD for word in words):
            raise ValidationError(f"At most {self._max_words} words of {MAX_WORD} characters.")
        return [word.strip() for word in words if word.strip()]


class ListBody(Schema):
    """A body that is a bare list. It loads as the field `list_field`, the only field.

    marshmallow has no schema for such a body, so its OpenAPI document is written by hand.
    """

    list_field: ClassVar[str]

    def wrap_list(self, body: list[object]) -> JsonObject:
        """Return the object that the fields of this schema load."""
        return {self.list_field: body}

    @pre_load
    def require_list(self, data: object, **_kwargs: Any) -> JsonObject:
        """Return the list as an object; raise ValidationError if the body is not a list."""
        if not isinstance(data, list):
            raise ValidationError(f"Send a list of {self.list_field}.")
        return self.wrap_list(data)


def make_limit_field() -> fields.Integer:
    """Return a field for the number of rows on a page."""
    return fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))


class PageQuery(Schema):
    """The query of every list with numbered pages."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, 10**9))
    limit = make_limit_field()


class PageAnswer(Schema):
    """The fields that a list with numbered pages answers besides its rows; see core.paging."""

    page = fields.Integer(required=True)
    limit = fields.Integer(required=True)
    total = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    totalIsCapped = fields.Boolean()
    nextCursor = fields.String(allow_none=True)


class Message(Schema):
    """An answer that only confirms an action."""

    message = fields.String(required=True)


def _require_number(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError("Must be a number.")


def _parse_date(value: str) -> date:
    # Without this check fromisoformat would also accept 20250101 and 2025-W01-1.
    if not _DATE_PREFIX.match(value):
        raise ValueError(value)
    return datetime.fromisoformat(value).date()
