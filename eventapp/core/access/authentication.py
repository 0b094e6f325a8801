"""The functions and settings by which `permissions` identifies the caller of a request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NotRequired, TypedDict

from bson import ObjectId

from eventapp.core.access.api_tokens import ApiTokenReader
from eventapp.core.access.teams import NO_TEAMS, MembershipReader, Teams
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db


class CallerSession(TypedDict):
    """The fields of an active session by which the caller of a request is identified."""

    userId: ObjectId
    role: str  # the user's role now, which may have changed after the login
    gen: int  # the refresh count: how often the session has been refreshed
    previousId: NotRequired[str]  # the last refresh id; absent once the new tokens were received
    wroteAt: NotRequired[datetime]  # when the user last wrote: see `recent_writes`
    hasJoinedTeam: NotRequired[bool]  # absent if the user has never been in a team


# The key in a WSGI environment of the CallerSession that was read before Flask handled the request.
SESSION_KEY = "eventapp.session"

SessionLoader = Callable[[Db, ObjectId, ObjectId, datetime], CallerSession | None]
ReceiptConfirmer = Callable[[Db, ObjectId, int], None]


@dataclass(frozen=True)
class Authentication:
    """The functions and settings by which callers are identified.

    Attributes:
        load_session: returns the session with an id, of a user, if it is active at a time, or None.
            It is called for every request with a token, so that an ended session is refused at
            once.
        confirm_receipt: called once with the id and refresh count of a refreshed session, when its
            new access token is first used.
        api_tokens: finds API tokens.
        read_memberships: returns the memberships of a user in teams.
        is_demo_open: whether a caller without a token has the role of an admin on the routes with
            `open_in_demo`.
    """

    load_session: SessionLoader
    confirm_receipt: ReceiptConfirmer
    api_tokens: ApiTokenReader
    read_memberships: MembershipReader
    is_demo_open: bool

    def open_teams(self, db: Db, user_id: ObjectId, session: CallerSession | None = None) -> Teams:
        """Return the teams of a user, which are read when they are first needed.

        Args:
            session: of the request. If it says that its user has never been in a team, nothing is
                read. None for an API token.
        """
        if session and "hasJoinedTeam" not in session:
            return NO_TEAMS
        return Teams(lambda: self.read_memberships(db, user_id))


AUTHENTICATION: AppKey[Authentication] = AppKey("authentication")
