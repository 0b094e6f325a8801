"""Queries on `memberships`, who is in the team of which organizer, and on `invitationCounts`."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Query, delete_document, exclude_ids, retry_on_write_conflict
from eventapp.organizers.types import (
    Invitation,
    InvitationCount,
    MemberChanges,
    StoredInvitation,
    StoredMember,
    StoredMembership,
)

_IS_INVITATION = {"invitation.emailKey": {"$type": "string"}}
INDEXES = {
    "memberships": [
        IndexModel(
            [("userId", ASCENDING), ("organizerId", ASCENDING)],
            name="member",
            unique=True,
            partialFilterExpression={"userId": {"$type": "objectId"}},
        ),
        IndexModel([("organizerId", ASCENDING), ("_id", ASCENDING)], name="team"),
        IndexModel(
            [("invitation.emailKey", ASCENDING), ("organizerId", ASCENDING)],
            name="invited",
            unique=True,
            partialFilterExpression=_IS_INVITATION,
        ),
        # A server may not find a value by an index with a `partialFilterExpression` on its type.
        IndexModel("userId", name="user", sparse=True),
        IndexModel("invitation.emailKey", name="address", sparse=True),
        IndexModel("invitation.digest", name="digest", unique=True, sparse=True),
        IndexModel("invitation.mailDueAt", name="mailDueAt", sparse=True),
        IndexModel("invitation.expiresAt", name="expiresAt", expireAfterSeconds=0),
    ],
    "invitationCounts": [IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0)],
}


class MemberExistsError(Exception):
    """The user is a member of the team already."""


def _memberships(db: Db) -> Collection[StoredMembership]:
    return cast(Collection[StoredMembership], db.memberships)


def _members(db: Db) -> Collection[StoredMember]:
    """Return the collection typed as filters with a `userId` find it."""
    return cast(Collection[StoredMember], db.memberships)


def _invitations(db: Db) -> Collection[StoredInvitation]:
    """Return the collection typed as filters with an `invitation` find it."""
    return cast(Collection[StoredInvitation], db.memberships)


def find_of_user(db: Db, user_id: ObjectId) -> list[StoredMember]:
    """Return the memberships of a user, by the ids of the organizers."""
    return find_of_users(db, [user_id])


def find_of_users(db: Db, user_ids: Iterable[ObjectId]) -> list[StoredMember]:
    """Return the memberships of users, by the ids of the organizers."""
    where = {"userId": {"$in": list(user_ids)}}
    return list(_members(db).find(where).sort("organizerId", ASCENDING))


def find_members(db: Db, organizer_id: ObjectId) -> list[StoredMember]:
    """Return the members of a team, the first invited first."""
    where = {"organizerId": organizer_id, "userId": {"$exists": True}}
    return list(_members(db).find(where).sort("_id", ASCENDING))


def find_member_ids(db: Db) -> set[ObjectId]:
    """Return the users who are in any team."""
    found = _members(db).find({"userId": {"$exists": True}}, {"userId": 1})
    return {each["userId"] for each in found}


def find_invitations(db: Db, organizer_id: ObjectId) -> list[StoredInvitation]:
    """Return the invitations of a team, the oldest first, expired ones included."""
    where = {"organizerId": organizer_id, "invitation": {"$exists": True}}
    return list(_invitations(db).find(where).sort("_id", ASCENDING))


def find_invitations_to(db: Db, email_key: str) -> list[StoredInvitation]:
    """Return the invitations of an address, the oldest first, expired ones included."""
    where = {"invitation.emailKey": email_key}
    return list(_invitations(db).find(where).sort("_id", ASCENDING))


def count_team(db: Db, organizer_id: ObjectId, now: datetime) -> int:
    """Return the number of members and invitations of a team, without those that have expired."""
    expired = {"invitation.expiresAt": {"$lte": now}}
    return _memberships(db).count_documents({"organizerId": organizer_id, "$nor": [expired]})


def count_invitation(db: Db, key: str, limit: int, expires_at: datetime) -> bool:
    """Count an invitation of a day in one write.

    Returns:
        False, with nothing written, if the day has as many as the limit.
    """
    where = {"_id": key, "count": {"$lt": limit}}
    change = {"$inc": {"count": 1}, "$setOnInsert": {"expiresAt": expires_at}}
    counts = cast(Collection[InvitationCount], db.invitationCounts)
    try:
        retry_on_write_conflict(lambda: counts.update_one(where, change, upsert=True))
    except DuplicateKeyError:
        # Either the limit is reached, or another process has just inserted the count.
        return counts.update_one(where, change).matched_count == 1
    return True


def put_invitation(
    db: Db,
    organizer_id: ObjectId,
    invitation: Invitation,
    *,
    role: str,
    event_ids: list[int] | None,
    now: datetime,
) -> StoredInvitation:
    """Store an invitation, in place of an earlier one to the same address."""
    where = {"organizerId": organizer_id, "invitation.emailKey": invitation["emailKey"]}
    change = {
        "$set": {
            "role": role,
            "eventIds": event_ids,
            "invitation": invitation,
            "updatedAt": now,
        },
        "$setOnInsert": {"createdAt": now},
    }

    def write() -> StoredInvitation | None:
        return _invitations(db).find_one_and_update(
            where, change, upsert=True, return_document=ReturnDocument.AFTER
        )

    try:
        stored = retry_on_write_conflict(write)
    except DuplicateKeyError:  # Another request has inserted an invitation to the address.
        stored = write()
    return cast(StoredInvitation, stored)


def delete_invitation(db: Db, organizer_id: ObjectId, invitation_id: ObjectId) -> bool:
    """Delete an invitation of a team. Return False if there is none that is not accepted."""
    where = {"_id": invitation_id, "organizerId": organizer_id, "invitation": {"$exists": True}}
    return delete_document(_memberships(db), where)


def find_valid_invitation(
    db: Db, digest: str, email_key: str, now: datetime
) -> StoredInvitation | None:
    """Return the invitation of an address with this digest; None if it was used or has expired."""
    return _invitations(db).find_one(_build_valid_filter(digest, email_key, now))


def accept(
    db: Db, digest: str, email_key: str, user_id: ObjectId, now: datetime
) -> StoredMember | None:
    """Make an invitation a membership in one write, so that of several callers one gets it.

    Returns:
        The membership. None, with nothing written, if the invitation was used or has expired.

    Raises:
        MemberExistsError: the user is in the team already. Nothing was written.
    """
    change = {
        "$set": {"userId": user_id, "joinedAt": now, "updatedAt": now},
        "$unset": {"invitation": ""},
    }
    try:
        return retry_on_write_conflict(
            lambda: _members(db).find_one_and_update(
                _build_valid_filter(digest, email_key, now),
                change,
                return_document=ReturnDocument.AFTER,
            )
        )
    except DuplicateKeyError:
        raise MemberExistsError from None


def _build_valid_filter(digest: str, email_key: str, now: datetime) -> Query:
    return {
        "invitation.digest": digest,
        "invitation.emailKey": email_key,
        "invitation.expiresAt": {"$gt": now},
    }


def find_due_mails(db: Db, limit: int, without: Sequence[object] = ()) -> list[StoredInvitation]:
    """Return invitations whose mail is not stored yet, the oldest first.

    Args:
        without: ids of invitations to leave out.
    """
    where = {"invitation.mailDueAt": {"$exists": True}, **exclude_ids(without)}
    return list(_invitations(db).find(where).sort("invitation.mailDueAt", ASCENDING).limit(limit))


def clear_due_mail(db: Db, invitation_id: ObjectId, request_id: ObjectId) -> None:
    """Record that the mail of an invitation is stored, unless the address was invited again."""
    where = {"_id": invitation_id, "invitation.requestId": request_id}
    change = {"$unset": {"invitation.mailDueAt": "", "invitation.sealed": ""}}
    _memberships(db).update_one(where, change)


def change_member(
    db: Db, organizer_id: ObjectId, user_id: ObjectId, changes: MemberChanges, now: datetime
) -> StoredMember | None:
    """Set fields of a member, and return the member after that; None if there is none."""
    return _members(db).find_one_and_update(
        {"userId": user_id, "organizerId": organizer_id},
        {"$set": {**changes, "updatedAt": now}},
        return_document=ReturnDocument.AFTER,
    )


def delete_member(db: Db, organizer_id: ObjectId, user_id: ObjectId) -> bool:
    """Delete a member of a team. Return False if there is none."""
    where = {"userId": user_id, "organizerId": organizer_id}
    return delete_document(_memberships(db), where)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the memberships of a user, and the team of the user with its invitations."""
    _memberships(db).delete_many({"userId": user_id})
    _memberships(db).delete_many({"organizerId": user_id})


def forget_address(db: Db, email_key: str) -> None:
    """Delete the invitations of an address."""
    _memberships(db).delete_many({"invitation.emailKey": email_key})
