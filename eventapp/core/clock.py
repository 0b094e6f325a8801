"""The one place that reads the time; everything else is given it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The aware UTC time, cut to milliseconds as BSON stores it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
