"""Decide how many invitations a team may have and send, and for how long they are valid."""

import hashlib
from datetime import UTC, datetime, timedelta

# The most members and open invitations of a team, and the most teams of a user.
MAX_TEAM, MAX_TEAMS = 50, 50
# How long an invitation can be accepted.
INVITATION_LIFETIME = timedelta(days=7)
# The most invitations of an organizer, and to one address by all organizers, within a UTC day.
MAX_INVITATIONS, MAX_TO_ADDRESS = 20, 5
ONE_DAY = timedelta(days=1)


def start_of_next_day(now: datetime) -> datetime:
    """Return when the counts of invitations of this UTC day end."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + ONE_DAY


def make_count_key(subject: str, now: datetime) -> str:
    """Return the key of the count of a UTC day.

    Args:
        subject: the id of an organizer, or a folded email, which the key does not tell.
    """
    digest = hashlib.sha256(subject.encode()).hexdigest()
    return f"{digest} {now.astimezone(UTC).date().isoformat()}"


def digest_token(token: str) -> str:
    """Return the SHA-256 of the token of an invitation, in hexadecimal."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
