"""Invite people into the team of an organizer by mail, and accept invitations.

An invitation is one document that already says which membership it leads to. One write makes it the
membership of the account that accepts it, so a token is used at most once. An answer to the
organizer is the same whether there is an account with the address or not: no account is looked up.
The token is stored as SHA-256, and encrypted until a job has stored the mail in the outbox, which
has no effect twice. So a process that dies after the invitation was stored loses no mail.
"""

import secrets
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.accounts import sessions
from eventapp.accounts.mail_requests import MAIL_SEALER as MAIL_SEALER
from eventapp.accounts.mail_requests import MailContext
from eventapp.accounts.verification import require_verified_email
from eventapp.core.access.emails import find_email_error, make_email_key
from eventapp.core.access.sealing import CannotOpen, Sealer
from eventapp.core.database import Db
from eventapp.core.errors import TooManyRequests, ValidationFailed
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_due
from eventapp.notifications import account_mails
from eventapp.notifications.account_mails import AccountMail
from eventapp.organizers import rules, store
from eventapp.organizers.errors import (
    AlreadyMember,
    InvitationInvalid,
    InvitationNotFound,
    TeamFull,
    TooManyTeams,
)
from eventapp.organizers.service import render_invitation, render_membership, sort_event_ids
from eventapp.organizers.types import (
    InvitationInput,
    InvitationView,
    MembershipView,
    StoredInvitation,
)

TOKEN_BYTES = 32
# The path of the page that the link opens. The token is in the fragment, which browsers send to no
# server and in no Referer header.
PAGE = "/invitation"
# The most mails that one call makes.
BATCH_SIZE = 500

log = structlog.get_logger("mail")


def invite(
    db: Db, sealer: Sealer, organizer_id: ObjectId, body: InvitationInput, now: datetime
) -> InvitationView:
    """Invite an address into the team of an organizer, or again with another role.

    A newer invitation to an address makes the older one void.

    Raises:
        ValidationFailed: the email is not valid.
        AlreadyMember: it is the email of a member or of the organizer.
        TooManyRequests: the organizer has invited too often today, or the address was.
        TeamFull: the team has `rules.MAX_TEAM` members and invitations.
    """
    if error := find_email_error(body["email"]):
        raise ValidationFailed("Invalid email", errors={"email": [error]})
    email_key = make_email_key(body["email"])
    _refuse_member(db, organizer_id, email_key)
    _count_invitation(db, organizer_id, email_key, now)
    request_id, token = ObjectId(), secrets.token_urlsafe(TOKEN_BYTES)
    stored = store.put_invitation(
        db,
        organizer_id,
        {
            "requestId": request_id,
            "email": body["email"],
            "emailKey": email_key,
            "digest": rules.digest_token(token),
            "expiresAt": now + rules.INVITATION_LIFETIME,
            "sealed": sealer.seal(token, str(request_id)),
            "mailDueAt": now,
        },
        role=body["role"],
        event_ids=sort_event_ids(body.get("eventIds")),
        now=now,
    )
    # Counted after the write: of requests that run at once, none can overlook the others.
    if store.count_team(db, organizer_id, now) > rules.MAX_TEAM:
        store.delete_invitation(db, organizer_id, stored["_id"])
        raise TeamFull
    return render_invitation(stored)


def _refuse_member(db: Db, organizer_id: ObjectId, email_key: str) -> None:
    """Raise AlreadyMember for an email of the team, which the organizer knows anyway."""
    member_ids = [each["userId"] for each in store.find_members(db, organizer_id)]
    team = accounts.find_recipients(db, [organizer_id, *member_ids])
    if email_key in {make_email_key(each.email) for each in team.values() if each.email}:
        raise AlreadyMember


def _count_invitation(db: Db, organizer_id: ObjectId, email_key: str, now: datetime) -> None:
    """Count an invitation. Raise TooManyRequests if there are as many as a day may have."""
    end = rules.start_of_next_day(now)
    for subject, limit in (
        (str(organizer_id), rules.MAX_INVITATIONS),
        (email_key, rules.MAX_TO_ADDRESS),
    ):
        key = rules.make_count_key(subject, now)
        if not store.count_invitation(db, key, limit, end + timedelta(days=1)):
            seconds = int((end - now).total_seconds()) + 1
            raise TooManyRequests("Too many invitations today", retry_after=seconds)


def withdraw(db: Db, organizer_id: ObjectId, invitation_id: ObjectId) -> None:
    """Delete an invitation, whose link is void from then on.

    Raises:
        InvitationNotFound: the team has no such invitation that is not accepted.
    """
    if not store.delete_invitation(db, organizer_id, invitation_id):
        raise InvitationNotFound


def accept(db: Db, user_id: ObjectId, token: str, now: datetime) -> MembershipView:
    """Make a user the member that an invitation to the user's email is for.

    Raises:
        EmailNotVerified: the email of the account is not verified.
        InvitationInvalid: the token is unknown, used, void or expired, or for another email.
        AlreadyMember: the user is in the team already. The invitation is void.
        TooManyTeams: the user is in `rules.MAX_TEAMS` teams. The invitation stays valid.
    """
    require_verified_email(db, user_id)
    email_key = make_email_key(accounts.get_user(db, user_id)["email"])
    digest = rules.digest_token(token)
    invitation = store.find_valid_invitation(db, digest, email_key, now)
    if invitation is None:
        raise InvitationInvalid
    if len(store.find_of_user(db, user_id)) >= rules.MAX_TEAMS:
        raise TooManyTeams
    if invitation["organizerId"] == user_id:
        raise AlreadyMember
    sessions.record_joined_team(db, user_id)
    try:
        member = store.accept(db, digest, email_key, user_id, now)
    except store.MemberExistsError:
        store.delete_invitation(db, invitation["organizerId"], invitation["_id"])
        raise AlreadyMember from None
    if member is None:
        raise InvitationInvalid
    # An erasure deletes the account first and then once more what is stored about it. So either it
    # deletes this membership, or the missing account is seen here.
    people = accounts.find_recipients(db, [user_id, member["organizerId"]])
    if user_id not in people or member["organizerId"] not in people:
        store.delete_member(db, member["organizerId"], user_id)
        raise InvitationInvalid
    return render_membership(member, people[member["organizerId"]].name)


def make_invitation_mails(db: Db, context: MailContext, now: datetime) -> int:
    """Store the mails of new invitations in the outbox, and return how many were handled."""

    def handle(stored: StoredInvitation) -> int:
        _make_mail(db, context, stored, now)
        store.clear_due_mail(db, stored["_id"], stored["invitation"]["requestId"])
        return 1

    return process_due(
        db,
        "invitation-mail",
        now,
        find=lambda limit, without: store.find_due_mails(db, limit, without),
        limit=BATCH_SIZE,
        get_key=lambda stored: stored["_id"],
        handle=handle,
    )


def _make_mail(db: Db, context: MailContext, stored: StoredInvitation, now: datetime) -> None:
    invitation = stored["invitation"]
    try:
        token = context.sealer.open(invitation["sealed"], str(invitation["requestId"]))
    except CannotOpen as error:
        # JWT_SECRET was changed. The organizer can invite the address again.
        log.warning("invitation mail dropped", id=str(stored["_id"]), error=str(error))
        return
    organizer_id = stored["organizerId"]
    organizer = accounts.find_recipients(db, [organizer_id]).get(organizer_id)
    if organizer is None:
        return
    mail = AccountMail(
        key=f"invitation:{invitation['requestId']}",
        kind=account_mails.TEAM_INVITATION,
        user_id=organizer_id,
        to=invitation["email"],
        link=f"{context.base_url.rstrip('/')}{PAGE}#token={token}",
        valid_until=invitation["expiresAt"],
        # The account of the recipient is not looked up, so the language is that of the organizer.
        language=organizer.language,
    )
    account_mails.queue(db, mail, context.sealer, now)
    failpoint("invitation-mail-queued")
