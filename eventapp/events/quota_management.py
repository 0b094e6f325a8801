"""List, add, change and remove the quotas of an event, for its organizer and admins."""

from datetime import datetime
from zoneinfo import ZoneInfo

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.events import quotas
from eventapp.events.bodies import QuotaInput, QuotaPatch, QuotaView
from eventapp.events.changes import EventChanges
from eventapp.events.editing import Edit, apply_edit
from eventapp.events.quota_editing import (
    make_quota_addition,
    make_quota_patch,
    make_quota_removal,
)
from eventapp.events.service import get_managed
from eventapp.events.types import Event


def list_quotas(db: Db, event_id: int, actor: Actor) -> list[QuotaView]:
    """Return the quotas of an event, the oldest first.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
    """
    event = get_managed(db, event_id, actor)
    return [quotas.present_quota(each) for each in event.get("quotas", [])]


class QuotaEditor:
    """Changes quotas on behalf of a caller.

    An edit of a quota raises neither `__v` nor `updatedAt`. Like a sale, it only changes how many
    tickets can be bought; and a quota may be for ticket types of which nobody may learn.

    Every method raises what `editing.apply_edit` raises, and EventBusy while the cells of an event
    from before there were quotas are not counted yet.
    """

    def __init__(
        self,
        db: Db,
        actor: Actor,
        *,
        event_changes: EventChanges,
        now: datetime,
        default_zone: ZoneInfo,
    ) -> None:
        """Change quotas as this caller; the arguments are those of `editing.apply_edit`."""
        self._db, self._actor = db, actor
        self._event_changes, self._now, self._default_zone = event_changes, now, default_zone

    def create(self, event_id: int, body: QuotaInput) -> QuotaView:
        """Add a quota to an event.

        Raises:
            BelowSold: it would have fewer places than tickets that are sold and held.
            ValidationFailed: a list is not valid, or the event has as many quotas as are allowed.
        """
        event = self._apply(event_id, make_quota_addition(body))
        return quotas.present_quota(event["quotas"][-1])

    def patch(self, event_id: int, quota_id: int, patch: QuotaPatch) -> QuotaView:
        """Change a quota.

        Raises:
            QuotaNotFound: the event has no quota with this id.
            BelowSold, ValidationFailed: as `create`.
        """
        event = self._apply(event_id, make_quota_patch(quota_id, patch))
        changed = next(each for each in event["quotas"] if each["quotaId"] == quota_id)
        return quotas.present_quota(changed)

    def delete(self, event_id: int, quota_id: int) -> None:
        """Remove a quota. Raise QuotaNotFound if the event has none with this id."""
        self._apply(event_id, make_quota_removal(quota_id))

    def _apply(self, event_id: int, edit: Edit) -> Event:
        return apply_edit(
            self._db,
            event_id,
            edit,
            event_changes=self._event_changes,
            actor=self._actor,
            now=self._now,
            default_zone=self._default_zone,
            is_shown=False,
        )
