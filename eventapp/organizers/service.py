"""Read the memberships of users in the teams of organizers."""

from bson import ObjectId

from eventapp.accounts.organizers import find_organizers
from eventapp.core.access.teams import Membership
from eventapp.core.database import Db
from eventapp.organizers import store


def read_memberships(db: Db, user_id: ObjectId) -> list[Membership]:
    """Return the memberships of a user in teams of accounts that may have events now.

    An organizer who has lost the role has no events any more, and neither has the team.
    """
    found = store.find_of_user(db, user_id)
    organizers = find_organizers(db, [each["organizerId"] for each in found])
    return [
        Membership(
            each["organizerId"],
            each["role"],
            frozenset(each["eventIds"]) if "eventIds" in each else None,
        )
        for each in found
        if each["organizerId"] in organizers
    ]


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the memberships of a deleted user, and those in the team of the user."""
    store.forget_user(db, user_id)
