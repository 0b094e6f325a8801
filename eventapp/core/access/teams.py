"""The memberships in teams of organizers, as far as the identification of callers needs them.

A member of a team acts on the events of its organizer, within the role of the membership. The
memberships of a caller are read from the database for each request that needs them, and again for
each check of a long answer. Nothing is read for a session that does not say that its user has
joined a team: see `accounts.sessions`. `eventapp/organizers` creates, lists and ends memberships.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bson import ObjectId

from eventapp.core.database import Db


@dataclass(frozen=True)
class Membership:
    """The membership of a user in the team of an organizer.

    Attributes:
        organizer_id: the account that has the events.
        role: one of `roles.TEAM_ROLES`.
        event_ids: the only events that it reaches; None for all events of the organizer.
    """

    organizer_id: ObjectId
    role: str
    event_ids: frozenset[int] | None = None

    def reaches_event(self, event_id: int) -> bool:
        """Return whether the membership is for this event of the organizer."""
        return self.event_ids is None or event_id in self.event_ids


# Returns the memberships of a user in the teams of accounts that may have events at this moment.
MembershipReader = Callable[[Db, ObjectId], Iterable[Membership]]


class Teams:
    """The memberships of the caller of one request, which are read when first asked for."""

    def __init__(self, read: Callable[[], Iterable[Membership]]) -> None:
        self._read = read
        self._memberships: dict[ObjectId, Membership] | None = None

    def find(self, organizer_id: ObjectId | None) -> Membership | None:
        """Return the membership in the team of an organizer; None if there is none."""
        return self._load().get(organizer_id) if organizer_id else None

    def list(self, roles: Iterable[str]) -> list[Membership]:
        """Return the memberships with one of these roles."""
        return [each for each in self._load().values() if each.role in tuple(roles)]

    def _load(self) -> dict[ObjectId, Membership]:
        if self._memberships is None:
            self._memberships = {each.organizer_id: each for each in self._read()}
        return self._memberships


NO_TEAMS = Teams(lambda: ())
