"""The caller of a request: a logged-in user, a device without an account, or the shared guest."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bson import ObjectId

from eventapp.core.errors import Unauthorized
from eventapp.core.roles import ADMIN, ORGANIZER

DEVICE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
GUEST_FAVORITES_KEY = "guest"


@dataclass(frozen=True)
class Actor:
    """The caller of a request.

    Attributes:
        user_id: the logged-in user. It is None for a device, for the guest, and for a caller
            without a token whom DEMO_OPEN admits.
        role: ATTENDEE, ORGANIZER or ADMIN; empty for a caller without a role.
        session_id: the session that the access token belongs to; None without a token.
        device_id: the value of the X-Device-Id header; None without that header.
    """

    user_id: ObjectId | None = None
    role: str = ""
    session_id: ObjectId | None = None
    device_id: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the caller is an admin."""
        return self.role == ADMIN

    @property
    def may_organize(self) -> bool:
        """Whether the caller's role allows them to create events."""
        return self.role in (ORGANIZER, ADMIN)

    @property
    def favorites_key(self) -> str:
        """The key under which the caller's favorites are stored."""
        if self.user_id:
            return f"user:{self.user_id}"
        return f"device:{self.device_id}" if self.device_id else GUEST_FAVORITES_KEY

    def require_user_id(self) -> ObjectId:
        """Return the id of the logged-in user.

        Raises:
            Unauthorized: the caller has no account.
        """
        if self.user_id is None:
            raise Unauthorized
        return self.user_id

    def may_manage(self, owner_id: ObjectId | None) -> bool:
        """Return True if the caller is this user or an admin."""
        return self.is_admin or (self.user_id is not None and self.user_id == owner_id)

    def may_manage_events_of(self, organizer_id: ObjectId | None) -> bool:
        """Return True if the caller is an admin, or is this user and still an organizer."""
        return self.may_organize and self.may_manage(organizer_id)


# Returns the caller of a request as they may act now; None once their session has ended.
ActorLoader = Callable[[], Actor | None]
