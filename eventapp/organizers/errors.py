"""The errors of teams, each with its HTTP status, code and message."""

from eventapp.core.errors import Conflict, NotFound, ValidationFailed


class InvitationInvalid(ValidationFailed):
    """The token is unknown, used, void, expired or for another email: the answer is the same."""

    code = "token_invalid"
    message = "This invitation is not valid any more, or is for another email address"

    def __init__(self) -> None:
        super().__init__(errors={"token": [self.message]})


class AlreadyMember(Conflict):
    """The account is in the team already, as a member or as the organizer."""

    code, message = "already_member", "This account is in the team already"


class TeamFull(Conflict):
    """The team has as many members and open invitations as are allowed."""

    code, message = "team_full", "The team is full: remove a member or an invitation first"


class TooManyTeams(Conflict):
    """The user is in as many teams as are allowed."""

    code, message = "too_many_teams", "You are in too many teams: leave one first"


class MemberNotFound(NotFound):
    """The team has no such member."""

    code, message = "member_not_found", "Member not found"


class InvitationNotFound(NotFound):
    """The team has no such open invitation."""

    code, message = "invitation_not_found", "Invitation not found"


class MembershipNotFound(NotFound):
    """The user is not in the team of this organizer."""

    code, message = "membership_not_found", "You are not in this team"
