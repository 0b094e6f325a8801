"""The documents of teams as MongoDB holds them. All times are aware and in UTC."""

from datetime import datetime
from typing import NotRequired, TypedDict

from bson import ObjectId


class StoredMembership(TypedDict):
    """A document of the `memberships` collection: a member of an organizer's team."""

    _id: ObjectId
    organizerId: ObjectId  # the account that has the events
    userId: ObjectId  # the member: unique in a team
    role: str  # one of core.roles.TEAM_ROLES
    eventIds: NotRequired[list[int]]  # the only events that it reaches, ascending; absent for all
    createdAt: datetime
    updatedAt: datetime
