"""The columns of the permission table: what callers may do with which routes.

A row of the table is an `Action`: what the caller of a route wants to do. It says which roles may
call its routes, which of them may act on what is their own and on what belongs to others, and which
scope an API token needs, and whether the token of a booking's link may call them.
`eventapp/permission_table.py` has the rows.

A new row chooses its team roles by the table of actions in docs/teams.md:

- MANAGERS for what changes an event or its bookings: edits, refunds, announcements, undo.
- READERS for what only reads them: drafts, attendees, waitlist, log, figures and CSV.
- WHOLE_TEAM for what is done at the door: check-ins and the names there.
- NO_TEAM for what is for the organizer alone, such as the deletion of an event, and for what does
  not concern events of an organizer.

What is own: an account, booking or waitlist position of the caller, and an event whose organizer
the caller is. Only organizers and admins have events: an organizer who loses the role has none any
more. Everything else is foreign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eventapp.core.app_key import AppKey
from eventapp.core.roles import ADMIN, ATTENDEE, DOOR, MANAGER, ORGANIZER, TEAM_ROLES, VIEWER

# Who may call a route, as the decorators of `permissions` record it.
ANYONE = "anyone"
ANY_USER = f"{ATTENDEE} {ORGANIZER} {ADMIN}"
ANY_ORGANIZER = ORGANIZER  # and admins, and members of a team with a role in the column `team`
ANY_ADMIN = ADMIN
SELF_OR_ADMIN = f"self {ADMIN}"

# Which roles may act on what is own or foreign.
NOBODY: tuple[str, ...] = ()
USERS = (ATTENDEE, ORGANIZER, ADMIN)
ORGANIZERS = (ORGANIZER, ADMIN)
ADMINS = (ADMIN,)

# Which members of an organizer's team may act on the events of the organizer.
NO_TEAM: tuple[str, ...] = ()
MANAGERS = (MANAGER,)
READERS = (MANAGER, VIEWER)
WHOLE_TEAM = (MANAGER, VIEWER, DOOR)

# The scopes of API tokens.
EVENTS_READ, EVENTS_WRITE = "events:read", "events:write"
BOOKINGS_READ, BOOKINGS_WRITE = "bookings:read", "bookings:write"
ATTENDEES_READ = "attendees:read"
CHECK_IN = "check-in"
ANALYTICS_READ = "analytics:read"
WEBHOOKS = "webhooks"
SCOPES = (
    *(EVENTS_READ, EVENTS_WRITE, BOOKINGS_READ, BOOKINGS_WRITE),
    *(ATTENDEES_READ, CHECK_IN, ANALYTICS_READ, WEBHOOKS),
)


@dataclass(frozen=True)
class Action:
    """A row of the permission table.

    Attributes:
        name: what is done, for people.
        callers: who may call its routes: one of the constants above. It must be what the decorators
            of the routes say, or the application does not start.
        own: the roles that may act on what is their own. On a route for anyone: that see all of it,
            such as drafts and the counts of sold tickets.
        foreign: the same for what belongs to others.
        scope: the scope that an API token needs; None refuses every API token.
        team: the roles in an organizer's team that may act on the events of that organizer. The
            role of the member's account plays no part. The organizer is not named here, but in
            `own`.
        is_account_wide: whether its routes concern the whole account of the caller, so that a token
            for certain events is refused.
        is_for_links: whether the token of a booking's link may call its routes, which then act on
            that booking alone: see `Actor.may_manage_booking`.
        keeps_events: whether its routes leave events, stocks and favorites as they are, whatever
            their methods. So no cache can lack what they write: see `recent_writes`.
    """

    name: str
    callers: str
    own: tuple[str, ...]
    foreign: tuple[str, ...]
    scope: str | None
    team: tuple[str, ...]
    is_account_wide: bool = False
    is_for_links: bool = False
    keeps_events: bool = False


# What a caller may do that no route has identified, such as the holder to whom a mail is written.
OUTSIDE_REQUESTS = Action("act outside of requests", ANY_USER, ORGANIZERS, ADMINS, None, NO_TEAM)
# What whoever has made a door device must be allowed to do as long as the device is used.
MANAGE_DEVICES = Action("manage door devices", ANY_ORGANIZER, ORGANIZERS, ADMINS, None, MANAGERS)

# The action of each route, by the name of its Flask endpoint.
PermissionTable = Mapping[str, Action]
PERMISSION_TABLE: AppKey[PermissionTable] = AppKey("permission_table")


def build_permission_table(rows: Sequence[tuple[Action, Sequence[str]]]) -> PermissionTable:
    """Return the action of each endpoint.

    Args:
        rows: each action with the endpoints of its routes.

    Raises:
        ValueError: an endpoint has two rows, a scope is not one of SCOPES, or a team role is not
            one of `roles.TEAM_ROLES`.
    """
    table: dict[str, Action] = {}
    for action, endpoints in rows:
        if action.scope is not None and action.scope not in SCOPES:
            raise ValueError(f"{action.name}: no scope {action.scope}")
        if unknown := set(action.team) - set(TEAM_ROLES):
            raise ValueError(f"{action.name}: no team role {unknown}")
        for endpoint in endpoints:
            if endpoint in table:
                raise ValueError(f"{endpoint} has two rows in the permission table")
            table[endpoint] = action
    return table
