"""The field of a moment in a body, as RFC 3339 writes it."""

import re
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields

_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


class Timestamp(fields.Field[datetime]):
    """A moment from 1900 to 8999 with an offset, cut to milliseconds.

    It loads as an aware time in UTC.
    """

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "type": "string",
            "format": "date-time",
            "pattern": r"^(?:19|[2-8][0-9])[0-9]{2}-",
            **kwargs.pop("metadata", {}),
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> datetime:
        if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
            raise ValidationError("Not a valid time; write it as 2035-06-15T10:00:00Z.")
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("Not a valid time.") from None
        if not 1900 <= moment.year <= 8999:
            raise ValidationError("Not a valid time.")
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
