"""The documents, inputs and views of teams and of profiles. All times are aware and in UTC."""

from datetime import datetime
from typing import NotRequired, TypedDict

from bson import ObjectId

from eventapp.accounts.types import OrganizerLink
from eventapp.accounts.types import OrganizerProfile as OrganizerProfile


class PublicProfileView(TypedDict):
    """The profile of an organizer as everyone sees it."""

    organizerId: ObjectId
    name: str
    about: str  # may be empty
    photo: str  # URL; empty unless the organizer shows the photo of the account
    links: list[OrganizerLink]
    upcomingEvents: int  # counted no further than paging.COUNT_LIMIT


class Invitation(TypedDict):
    """An invitation that was not accepted yet, as a part of StoredMembership."""

    requestId: ObjectId  # drawn anew whenever the address is invited again
    email: str  # the address that it is mailed to
    emailKey: str  # the folded email: unique among the invitations of a team
    digest: str  # SHA-256 of the token in hexadecimal; unique
    expiresAt: datetime  # a TTL index deletes the document then
    # The encrypted token, and when the invitation was made; both absent once the mail is stored.
    sealed: NotRequired[bytes]
    mailDueAt: NotRequired[datetime]


class StoredMembership(TypedDict):
    """The fields of every document of the `memberships` collection.

    The document is a StoredInvitation until it is accepted, and then a StoredMember. One write
    makes the one the other.
    """

    _id: ObjectId
    organizerId: ObjectId  # the account that has the events
    role: str  # one of core.roles.TEAM_ROLES
    eventIds: list[int] | None  # the only events that it reaches, ascending; None for all
    createdAt: datetime
    updatedAt: datetime


class StoredMember(StoredMembership):
    """A member of an organizer's team."""

    userId: ObjectId  # unique in a team
    joinedAt: datetime  # when the invitation was accepted


class StoredInvitation(StoredMembership):
    """An invitation into an organizer's team that was not accepted yet."""

    invitation: Invitation


class InvitationCount(TypedDict):
    """A document of the `invitationCounts` collection: the invitations of one UTC day."""

    _id: str  # the organizer, or a digest of the invited address, and the day
    count: int
    expiresAt: datetime  # a TTL index deletes the document then


class InvitationInput(TypedDict):
    """The body of an invitation, as its schema loads it."""

    email: str
    role: str
    eventIds: NotRequired[list[int]]


class MemberChanges(TypedDict, total=False):
    """The body of a change of a member, as its schema loads it."""

    role: str
    eventIds: list[int] | None  # None for all events


class MemberView(TypedDict):
    """A member as the organizer sees it."""

    userId: ObjectId
    name: str
    email: str
    role: str
    eventIds: list[int] | None  # None for all events
    joinedAt: datetime


class InvitationView(TypedDict):
    """An invitation as the organizer sees it."""

    invitationId: ObjectId
    email: str
    role: str
    eventIds: list[int] | None
    invitedAt: datetime
    expiresAt: datetime


class MembershipView(TypedDict):
    """A membership as the member sees it."""

    organizerId: ObjectId
    organizer: str  # the name of the organizer's account
    role: str
    eventIds: list[int] | None
    joinedAt: datetime
