"""Store which webhook events of payment providers have been processed."""

from contextlib import suppress
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db

# Providers repeat an event for a few days, and operators can have it sent again for a month.
RETENTION_SECONDS = 30 * 24 * 3600

INDEXES = {
    "paymentEvents": [
        IndexModel([("processedAt", ASCENDING)], name="old", expireAfterSeconds=RETENTION_SECONDS)
    ]
}


def was_processed(db: Db, event: str) -> bool:
    """Return True if this event was processed in the last 30 days.

    Args:
        event: the name of the provider and its id of the event, such as `name:evt_1`.
    """
    return db.paymentEvents.find_one({"_id": event}, {"_id": 1}) is not None


def record_processed(db: Db, event: str, now: datetime) -> None:
    """Record that an event was processed. Another process may have done so, too."""
    with suppress(DuplicateKeyError):
        db.paymentEvents.insert_one({"_id": event, "processedAt": now})
