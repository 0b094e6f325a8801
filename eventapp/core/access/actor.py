"""Who calls: a signed-in user with a role, a device, or the shared guest."""

import re
from dataclasses import dataclass

from bson import ObjectId

from eventapp.core.errors import Unauthorized

ATTENDEE, ORGANIZER, ADMIN = "attendee", "organizer", "admin"
DEVICE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
GUEST_KEY = "guest"


@dataclass(frozen=True)
class Actor:
    """The caller: a signed-in user, else a device, else the shared guest."""

    user_id: ObjectId | None = None
    role: str = ""
    session_id: ObjectId | None = None
    device: str | None = None

    @property
    def is_admin(self) -> bool:
        return self.role == ADMIN

    @property
    def signed_in_id(self) -> ObjectId:
        """Whose account the caller is signed in to. Unauthorized for everyone else."""
        if self.user_id is None:
            raise Unauthorized
        return self.user_id

    @property
    def may_see_counts(self) -> bool:
        """True where some events may be the caller's own, which show more to them."""
        return self.role in (ORGANIZER, ADMIN)

    @property
    def key(self) -> str:
        """What this caller's favorites are kept under."""
        if self.user_id:
            return f"user:{self.user_id}"
        return f"device:{self.device}" if self.device else GUEST_KEY

    def may_manage(self, owner_id: ObjectId | None) -> bool:
        """True for an admin, and for the owner of the thing."""
        return self.is_admin or (self.user_id is not None and self.user_id == owner_id)

    def organizes(self, organizer_id: ObjectId | None) -> bool:
        """True for an admin, and for this organizer, as long as they are one."""
        return self.may_see_counts and self.may_manage(organizer_id)
