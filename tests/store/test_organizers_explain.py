"""Memberships are found by an index: those of a user are read by many requests."""

from typing import Any

import pytest
from bson import ObjectId

from eventapp.organizers import store
from tests.conftest import MONGO_URI
from tests.plans import scans_whole_collection

pytestmark = pytest.mark.skipif(
    not MONGO_URI, reason="the embedded store has no plans to show; set MONGO_URI"
)
FILTERS: list[dict[str, Any]] = [
    {"userId": ObjectId()},
    {"userId": ObjectId(), "organizerId": ObjectId()},
    {"organizerId": ObjectId(), "invitation.emailKey": "7@example.org"},
    {"invitation.emailKey": "7@example.org"},
    {"invitation.digest": "7", "invitation.emailKey": "7@example.org"},
    {"invitation.mailDueAt": {"$exists": True}},
]


@pytest.fixture
def memberships(db: Any) -> Any:
    """Store 500 members and 500 invitations of 100 teams."""
    teams = [ObjectId() for _ in range(100)]
    members = [{"organizerId": teams[n % 100], "userId": ObjectId()} for n in range(500)]
    invitations = [
        {
            "organizerId": teams[n % 100],
            "invitation": {"emailKey": f"{n}@example.org", "digest": str(n)},
        }
        for n in range(500)
    ]
    db.memberships.insert_many([*members, *invitations])
    return db


def test_every_query_uses_an_index(memberships: Any) -> None:
    assert "memberships" in store.INDEXES
    for where in FILTERS:
        command = {"find": "memberships", "filter": where}
        assert not scans_whole_collection(memberships, command), where
