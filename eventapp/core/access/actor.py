"""The caller of a request: a user, a device without an account, or the shared guest.

A user is logged in, or acts by an API token or by the link of a booking.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bson import ObjectId

from eventapp.core.access.actions import OUTSIDE_REQUESTS, READERS, Action
from eventapp.core.access.booking_links import BookingLink
from eventapp.core.access.teams import NO_TEAMS, Membership, Teams
from eventapp.core.errors import NotForLinks, ScopeMissing, Unauthorized
from eventapp.core.roles import ADMIN, ORGANIZER

DEVICE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
GUEST_FAVORITES_KEY = "guest"


@dataclass(frozen=True)
class TokenGrant:
    """The API token by which a caller acts.

    Attributes:
        token_id: the id of the token.
        event_ids: the only events that the token reaches; None for all events of its owner.
        name: what its owner calls it.
    """

    token_id: ObjectId
    event_ids: frozenset[int] | None = None
    name: str = ""


@dataclass(frozen=True)
class Actor:
    """The caller of a request.

    Attributes:
        user_id: the user. It is None for a device, for the guest, and for a caller
            without a token whom DEMO_OPEN admits.
        role: ATTENDEE, ORGANIZER or ADMIN; empty for a caller without a role. An API token of an
            admin has the role ORGANIZER: it reaches what is the admin's own.
        session_id: the session that the access token belongs to; None without an access token.
        device_id: the value of the X-Device-Id header; None without that header.
        action: what the caller wants to do: the row of the route in the permission table. It says
            which roles may act on what is their own or belongs to others.
        token: the API token of the request; None without one.
        link: the link of a booking by whose token the request was sent; None without one. Its
            caller is the holder of this booking, in the role ATTENDEE, and may act on nothing else.
        has_recent_writes: whether the user may have written something that not every process has
            received yet: see `recent_writes`. An answer to such a caller must contain it.
        teams: the memberships of the user in teams of organizers.
    """

    user_id: ObjectId | None = None
    role: str = ""
    session_id: ObjectId | None = None
    device_id: str | None = None
    action: Action = OUTSIDE_REQUESTS
    token: TokenGrant | None = None
    link: BookingLink | None = None
    has_recent_writes: bool = False
    teams: Teams = field(default=NO_TEAMS, compare=False, repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether the caller is an admin."""
        return self.role == ADMIN

    @property
    def may_organize(self) -> bool:
        """Whether the caller's role allows them to create events."""
        return self.role in (ORGANIZER, ADMIN)

    @property
    def is_device(self) -> bool:
        """Whether the caller is a device without an account."""
        return self.user_id is None and self.device_id is not None

    @property
    def favorites_key(self) -> str:
        """The key under which the caller's favorites are stored."""
        if self.user_id:
            return f"user:{self.user_id}"
        return f"device:{self.device_id}" if self.device_id else GUEST_FAVORITES_KEY

    def require_user_id(self) -> ObjectId:
        """Return the id of the user, for what is of the whole account.

        Raises:
            Unauthorized: the caller has no account.
            NotForLinks: the caller may act on one booking alone.
        """
        if self.link:
            raise NotForLinks
        return self.require_holder_id()

    def require_holder_id(self) -> ObjectId:
        """Return the id of the user, for what is of a booking that `may_manage_booking` allows.

        Raises:
            Unauthorized: the caller has no account.
        """
        if self.user_id is None:
            raise Unauthorized
        return self.user_id

    def may_manage(self, owner_id: ObjectId | None) -> bool:
        """Return True if the caller is this user, or may act on what belongs to other users."""
        return not self.link and (self._is(owner_id) or self.role in self.action.foreign)

    def may_manage_booking(self, booking_id: ObjectId, holder_id: ObjectId | None) -> bool:
        """Return True if the caller holds this booking, or may act on those of other users.

        The token of a link allows it for the booking of the link alone.
        """
        if self.link:
            return self.link.booking_id == booking_id and self._is(holder_id)
        return self.may_manage(holder_id)

    def may_manage_event(self, event_id: int, organizer_id: ObjectId | None) -> bool:
        """Return True if the caller may act on this event of this organizer.

        Only users with the role organizer or admin have events of their own. A member of the
        organizer's team needs a role in the team that may do the action.
        """
        return self._may_act(event_id, organizer_id, self.action.team)

    def may_see_draft(self, event_id: int, organizer_id: ObjectId | None) -> bool:
        """Return True if the caller may read this event of this organizer before it is published.

        Members of the team who may read drafts see the event whatever the action of the request
        is. So an action that they may not do is answered with 403, not with 404.
        """
        return self._may_act(event_id, organizer_id, READERS)

    def _may_act(
        self, event_id: int, organizer_id: ObjectId | None, team_roles: tuple[str, ...]
    ) -> bool:
        if not self.reaches_event(event_id):
            return False
        roles = self.action.own if self._is(organizer_id) else self.action.foreign
        if self.may_organize and self.role in roles:
            return True
        membership = self.teams.find(organizer_id) if team_roles else None
        return (
            membership is not None
            and membership.role in team_roles
            and membership.reaches_event(event_id)
        )

    def may_create_events_of(self, organizer_id: ObjectId | None) -> bool:
        """Return True if the caller may create events of this organizer.

        A membership for certain events does not allow it.
        """
        if self.may_organize and (self.user_id == organizer_id or self.role in self.action.foreign):
            return True
        membership = self.teams.find(organizer_id)
        return (
            membership is not None
            and membership.role in self.action.team
            and membership.event_ids is None
        )

    def list_memberships(self) -> list[Membership]:
        """Return the memberships in teams that allow the action on events of their organizers."""
        return self.teams.list(self.action.team) if self.action.team else []

    @property
    def may_manage_events(self) -> bool:
        """Whether the caller may act on any events that are not for everyone."""
        return self.may_organize or bool(self.list_memberships())

    def reaches_event(self, event_id: int) -> bool:
        """Return False if the caller's API token is only for other events."""
        return self._event_ids is None or event_id in self._event_ids

    def require_reach(self, event_id: int) -> None:
        """Raise ScopeMissing if the caller's API token is only for other events."""
        if not self.reaches_event(event_id):
            raise ScopeMissing("This API token is for other events")

    def require_whole_account(self) -> None:
        """Raise ScopeMissing if the caller's API token is only for certain events."""
        if self._event_ids is not None:
            raise ScopeMissing("This API token is only for certain events")

    @property
    def _event_ids(self) -> frozenset[int] | None:
        return self.token.event_ids if self.token else None

    def _is(self, user_id: ObjectId | None) -> bool:
        return self.user_id is not None and self.user_id == user_id


# Returns the caller of a request as they may act now; None once their session has ended.
ActorLoader = Callable[[], Actor | None]
