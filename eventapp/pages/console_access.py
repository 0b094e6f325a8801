"""What a signed-in person may do in the organizers' console: in general, and on an event.

Pages show only what the API would allow. The API decides again with each call.
"""

from dataclasses import dataclass

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.core.errors import NotFound
from eventapp.core.roles import ADMIN, DOOR, MANAGER, ORGANIZER, VIEWER
from eventapp.events import service as events
from eventapp.organizers import service as organizers

# The role of an event's organizer, and of admins, besides core.roles.TEAM_ROLES.
OWNER = "owner"
# Who may open a page about an event, by these roles.
OWNERS, MANAGERS = (OWNER,), (OWNER, MANAGER)
READERS, WHOLE_TEAM = (OWNER, MANAGER, VIEWER), (OWNER, MANAGER, VIEWER, DOOR)
# The status of an event before it is published.
DRAFT = "draft"


@dataclass(frozen=True)
class Team:
    """A membership in the team of an organizer.

    Attributes:
        organizer: the name of the organizer's account.
        role: one of core.roles.TEAM_ROLES.
        is_for_all_events: whether it reaches all events of the organizer.
    """

    organizer_id: ObjectId
    organizer: str
    role: str
    is_for_all_events: bool

    @property
    def may_create_events(self) -> bool:
        """Whether the member may create events of the organizer."""
        return self.role == MANAGER and self.is_for_all_events


@dataclass(frozen=True)
class ConsoleUser:
    """A signed-in person in the console.

    Attributes:
        may_organize: whether the account may have events.
        teams: the teams that the person is in, of accounts that may have events.
    """

    user_id: ObjectId
    name: str
    email: str
    may_organize: bool
    is_admin: bool
    teams: tuple[Team, ...]

    @property
    def may_create_events(self) -> bool:
        """Whether the person may create events, as an organizer or in a team."""
        return self.may_organize or bool(self.list_owners())

    def list_owners(self) -> list[Team]:
        """Return the teams in which the person may create events."""
        return [each for each in self.teams if each.may_create_events]

    @property
    def has_events(self) -> bool:
        """Whether there may be events on which the person can act."""
        return self.may_organize or bool(self.teams)


@dataclass(frozen=True)
class ConsoleEvent:
    """An event in the console.

    Attributes:
        status: as it is stored; an event that is over may still be `published` for a while.
        role: what the person is on this event: OWNER, or a role in the organizer's team.
        may_duplicate: whether the person may create events of this organizer.
    """

    event_id: int
    title: str
    status: str
    role: str
    may_duplicate: bool

    @property
    def may_edit(self) -> bool:
        """Whether the person may change the event and its bookings."""
        return self.role in MANAGERS

    @property
    def may_read(self) -> bool:
        """Whether the person may read bookings, attendees and figures of the event."""
        return self.role in READERS

    @property
    def may_delete(self) -> bool:
        """Whether the person may delete the event."""
        return self.role in OWNERS

    @property
    def is_draft(self) -> bool:
        """Whether the event has no public page yet."""
        return self.status == DRAFT


def make_console_user(
    db: Db, user_id: ObjectId, *, name: str, email: str, role: str
) -> ConsoleUser:
    """Return what a person may do in the console.

    Args:
        role: of the account.
    """
    active = {each.organizer_id for each in organizers.read_memberships(db, user_id)}
    teams = tuple(
        Team(each["organizerId"], each["organizer"], each["role"], each["eventIds"] is None)
        for each in organizers.list_memberships(db, user_id)
        if each["organizerId"] in active
    )
    may_organize = role in (ORGANIZER, ADMIN)
    return ConsoleUser(user_id, name, email, may_organize, role == ADMIN, teams)


def find_console_event(db: Db, event_id: int, user_id: ObjectId, role: str) -> ConsoleEvent:
    """Return an event as a person sees it in the console.

    Args:
        role: of the account.

    Raises:
        NotFound: there is none on which the person may act. Whether it exists is not told.
    """
    event = events.get_event(db, event_id)
    organizer_id, status = event["organizerId"], event["status"]
    if role == ADMIN or (role == ORGANIZER and organizer_id == user_id):
        return ConsoleEvent(event_id, event["title"], status, OWNER, may_duplicate=True)
    for membership in organizers.read_memberships(db, user_id):
        is_reached = membership.organizer_id == organizer_id and membership.reaches_event(event_id)
        # People at the door see no drafts, as in lists.
        if is_reached and not (membership.role == DOOR and status == DRAFT):
            may_duplicate = membership.role == MANAGER and membership.event_ids is None
            return ConsoleEvent(event_id, event["title"], status, membership.role, may_duplicate)
    raise NotFound
