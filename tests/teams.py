"""Make members of teams in tests."""

from typing import Any

from bson import ObjectId

from eventapp.accounts import sessions
from eventapp.core.clock import utc_now
from tests.bookings_factories import Caller


def add_member(
    db: Any, organizer: Caller, member: Caller, role: str, event_ids: list[int] | None = None
) -> None:
    """Store a membership without the API, in place of an earlier one.

    Args:
        event_ids: the only events that it reaches; None for all.
    """
    remove_member(db, organizer, member)
    membership = {
        "_id": ObjectId(),
        "organizerId": organizer.id,
        "userId": member.id,
        "role": role,
        "eventIds": event_ids,
        "createdAt": utc_now(),
        "updatedAt": utc_now(),
        "joinedAt": utc_now(),
    }
    sessions.record_joined_team(db, member.id)
    db.memberships.insert_one(membership)


def remove_member(db: Any, organizer: Caller, member: Caller) -> None:
    """Delete a membership, as another process would."""
    db.memberships.delete_one({"organizerId": organizer.id, "userId": member.id})
