"""List and change the members of teams, and read the memberships of a user.

`invitations` makes the members. A membership is deleted when it ends, so every request that reads
memberships afterwards refuses the former member.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.accounts import sessions
from eventapp.accounts.organizers import find_organizers
from eventapp.core.access.emails import make_email_key
from eventapp.core.access.teams import Membership
from eventapp.core.batched_reads import BatchedReads
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.organizers import store
from eventapp.organizers.errors import MemberNotFound, MembershipNotFound
from eventapp.organizers.types import (
    InvitationView,
    MemberChanges,
    MembershipView,
    MemberView,
    StoredInvitation,
    StoredMember,
)


def _find_memberships(db: Db, user_ids: Collection[ObjectId]) -> dict[ObjectId, list[Membership]]:
    """Return the memberships of users as `read_memberships` does, by user."""
    found = store.find_of_users(db, user_ids)
    organizers = find_organizers(db, {each["organizerId"] for each in found})
    memberships: defaultdict[ObjectId, list[Membership]] = defaultdict(list)
    for each in found:
        if each["organizerId"] in organizers:
            event_ids = None if each["eventIds"] is None else frozenset(each["eventIds"])
            membership = Membership(each["organizerId"], each["role"], event_ids)
            memberships[each["userId"]].append(membership)
    return memberships


_MEMBERSHIP_READS = BatchedReads(_find_memberships)


def read_memberships(db: Db, user_id: ObjectId) -> list[Membership]:
    """Return the memberships of a user in teams of accounts that may have events now.

    An organizer who has lost the role has no events any more, and neither has the team. Calls that
    arrive at the same time share their queries.
    """
    return _MEMBERSHIP_READS.find(db, user_id) or []


def record_members(db: Db) -> None:
    """Record of each member to have joined a team, as before schema version 9 nothing did."""
    for user_id in store.find_member_ids(db):
        sessions.record_joined_team(db, user_id)


def list_members(db: Db, organizer_id: ObjectId) -> list[MemberView]:
    """Return the members of a team with their names and emails, the first invited first."""
    return _render_members(db, store.find_members(db, organizer_id))


def _render_members(db: Db, members: list[StoredMember]) -> list[MemberView]:
    people = accounts.find_recipients(db, [each["userId"] for each in members])
    return [
        {
            "userId": each["userId"],
            "name": people[each["userId"]].name,
            "email": people[each["userId"]].email or "",
            "role": each["role"],
            "eventIds": each["eventIds"],
            "joinedAt": each["joinedAt"],
        }
        for each in members
        if each["userId"] in people
    ]


def list_invitations(db: Db, organizer_id: ObjectId, now: datetime) -> list[InvitationView]:
    """Return the invitations of a team that can still be accepted, the oldest first."""
    found = store.find_invitations(db, organizer_id)
    return [render_invitation(each) for each in found if each["invitation"]["expiresAt"] > now]


def render_invitation(stored: StoredInvitation) -> InvitationView:
    """Return an invitation as the organizer sees it, without its token."""
    return {
        "invitationId": stored["_id"],
        "email": stored["invitation"]["email"],
        "role": stored["role"],
        "eventIds": stored["eventIds"],
        "invitedAt": stored["updatedAt"],
        "expiresAt": stored["invitation"]["expiresAt"],
    }


def change_member(
    db: Db, organizer_id: ObjectId, user_id: ObjectId, changes: MemberChanges, now: datetime
) -> MemberView:
    """Change the role or the events of a member, which applies at once.

    Raises:
        MemberNotFound: the team has no such member.
    """
    if changes.get("eventIds"):
        changes = {**changes, "eventIds": sort_event_ids(changes["eventIds"])}
    changed = store.change_member(db, organizer_id, user_id, changes, now)
    for view in _render_members(db, [changed] if changed else []):
        return view
    raise MemberNotFound


def sort_event_ids(event_ids: list[int] | None) -> list[int] | None:
    """Return the events of a membership as they are stored: each once, ascending."""
    return None if event_ids is None else sorted(set(event_ids))


def remove_member(db: Db, organizer_id: ObjectId, user_id: ObjectId) -> None:
    """Remove a member from a team, at once in every process and on open streams.

    Raises:
        MemberNotFound: the team has no such member.
    """
    if not store.delete_member(db, organizer_id, user_id):
        raise MemberNotFound


def list_memberships(db: Db, user_id: ObjectId) -> list[MembershipView]:
    """Return the teams that a user is in."""
    found = store.find_of_user(db, user_id)
    organizers = accounts.find_recipients(db, [each["organizerId"] for each in found])
    return [
        render_membership(each, organizers[each["organizerId"]].name)
        for each in found
        if each["organizerId"] in organizers
    ]


def render_membership(stored: StoredMember, organizer: str) -> MembershipView:
    """Return a membership as the member sees it.

    Args:
        organizer: the name of the organizer's account.
    """
    return {
        "organizerId": stored["organizerId"],
        "organizer": organizer,
        "role": stored["role"],
        "eventIds": stored["eventIds"],
        "joinedAt": stored["joinedAt"],
    }


def leave_team(db: Db, user_id: ObjectId, organizer_id: ObjectId) -> None:
    """End a membership of the caller.

    Raises:
        MembershipNotFound: the caller is not in this team.
    """
    if not store.delete_member(db, organizer_id, user_id):
        raise MembershipNotFound


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the memberships of a deleted user, the team of the user, and invitations of the user.

    The invitations to an address are deleted only with an account that it belongs to.
    """
    store.forget_user(db, user_id)
    if email_key := _find_verified_key(db, user_id):
        store.forget_address(db, email_key)


def _find_verified_key(db: Db, user_id: ObjectId) -> str | None:
    """Return the folded email of a user, None if it is not verified and may be another person's."""
    user = accounts.find_recipients(db, [user_id]).get(user_id)
    return make_email_key(user.email) if user and user.is_verified and user.email else None


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the teams of a user, the user's own team, and the invitations of both.

    Other people appear in it by their account ids, and by the addresses that the user has typed.
    """
    email_key = _find_verified_key(db, user_id)
    received = store.find_invitations_to(db, email_key) if email_key else []
    return {
        "memberships": [
            {"organizerId": each["organizerId"], "joinedAt": each["joinedAt"], **_describe(each)}
            for each in store.find_of_user(db, user_id)
        ],
        "teamMembers": [
            {"userId": each["userId"], "joinedAt": each["joinedAt"], **_describe(each)}
            for each in store.find_members(db, user_id)
        ],
        "teamInvitations": [
            render_invitation(each) for each in store.find_invitations(db, user_id)
        ],
        "receivedInvitations": [
            {
                "organizerId": each["organizerId"],
                "expiresAt": each["invitation"]["expiresAt"],
                **_describe(each),
            }
            for each in received
        ],
    }


def _describe(stored: StoredMember | StoredInvitation) -> JsonObject:
    """Return what a membership allows, as exports contain it."""
    return {"role": stored["role"], "eventIds": stored["eventIds"]}
