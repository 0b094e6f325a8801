"""Routes of the team of an organizer, and of the teams that a user is in."""

from bson import ObjectId
from flask import Response

from eventapp.core.access.permissions import current_actor, role_required, user_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER
from eventapp.organizers import invitations, service
from eventapp.organizers.schemas import (
    AcceptInvitationBody,
    InvitationAccepted,
    InvitationBody,
    Invited,
    MemberBody,
    MemberChanged,
    MembershipsAnswer,
    TeamAnswer,
)
from eventapp.organizers.types import InvitationInput, MemberChanges

bp = Blueprint("teams", __name__, url_prefix="/api/organizers/me", description="Organizers")
memberships_bp = Blueprint(
    "memberships", __name__, url_prefix="/api/organizers", description="Organizers"
)


@bp.route("/members")
@role_required(ORGANIZER)
@bp.response(200, TeamAnswer)
def list_members() -> Response:
    """List the members of the caller's team and the open invitations; at most 50 together."""
    organizer_id, db = current_actor().require_user_id(), get_db()
    return json_response(
        {
            "members": service.list_members(db, organizer_id),
            "invitations": service.list_invitations(db, organizer_id, get_database_time()),
        }
    )


@bp.route("/members", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(InvitationBody)
@bp.response(202, Invited)
@bp.error_responses(409, 429)
def invite(body: InvitationInput) -> Response:
    """Invite an address into the caller's team by mail, whether it has an account or not.

    The mail has a link that is good for seven days and once. Another invitation to the address
    replaces the first one. `role` is what the member may do with the caller's events: a `manager`
    edits them, a `viewer` reads them, and `door` is for checking in. `eventIds` limits it to these
    events. At most 20 invitations a day, and 5 to one address.
    """
    invitation = invitations.invite(
        get_db(),
        invitations.MAIL_SEALER.get(),
        current_actor().require_user_id(),
        body,
        get_database_time(),
    )
    return json_response({"message": "Invitation on its way", "invitation": invitation}, 202)


@bp.route("/members/<oid:member_id>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(MemberBody)
@bp.response(200, MemberChanged)
@bp.error_responses(404)
def change_member(body: MemberChanges, member_id: ObjectId) -> Response:
    """Change the role or the events of a member, by the account id. It applies at once."""
    organizer_id = current_actor().require_user_id()
    member = service.change_member(get_db(), organizer_id, member_id, body, utc_now())
    return json_response({"message": "Member changed", "member": member})


@bp.route("/members/<oid:member_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.error_responses(404)
def remove_member(member_id: ObjectId) -> Response:
    """Remove a member, by the account id. It applies at once, also to open streams."""
    service.remove_member(get_db(), current_actor().require_user_id(), member_id)
    return json_response({"message": "Member removed"})


@bp.route("/invitations/<oid:invitation_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.error_responses(404)
def withdraw_invitation(invitation_id: ObjectId) -> Response:
    """Withdraw an invitation that was not accepted yet. Its link is void from then on."""
    invitations.withdraw(get_db(), current_actor().require_user_id(), invitation_id)
    return json_response({"message": "Invitation withdrawn"})


@memberships_bp.route("/invitations/accept", methods=["POST"])
@user_required
@memberships_bp.arguments(AcceptInvitationBody)
@memberships_bp.response(200, InvitationAccepted)
@memberships_bp.error_responses(403, 409)
def accept_invitation(body: JsonObject) -> Response:
    """Accept an invitation by the token of its link.

    The account must have the email address that was invited, and the address must be verified. The
    organizer sees the name and the email of the account.
    """
    membership = invitations.accept(
        get_db(), current_actor().require_user_id(), body["token"], get_database_time()
    )
    return json_response({"message": "You are in the team", "membership": membership})


@memberships_bp.route("/memberships")
@user_required
@memberships_bp.response(200, MembershipsAnswer)
def list_memberships() -> Response:
    """List the teams that the caller is in, at most 50."""
    user_id = current_actor().require_user_id()
    return json_response({"memberships": service.list_memberships(get_db(), user_id)})


@memberships_bp.route("/memberships/<oid:organizer_id>", methods=["DELETE"])
@user_required
@memberships_bp.response(200, Message)
@memberships_bp.error_responses(404)
def leave_team(organizer_id: ObjectId) -> Response:
    """Leave the team of an organizer."""
    service.leave_team(get_db(), current_actor().require_user_id(), organizer_id)
    return json_response({"message": "You left the team"})
