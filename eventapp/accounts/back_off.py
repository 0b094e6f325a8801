"""How guessing at passwords is slowed down. Pure decisions.

Failures are counted by account and address together, by address, and by account. The first two
slow the guesser alone. The last slows all addresses that have not logged in to the account
before, and never for long, so that nobody can lock the owner out.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

KNOWN_FOR = timedelta(days=90)


@dataclass(frozen=True)
class BackOff:
    """`free` failures in a `window` cost nothing; each further one doubles the wait.

    Windows begin at whole multiples of themselves, so a count ends by its mark's id alone.
    """

    kind: str
    free: int
    longest: int  # seconds
    window: timedelta

    def left(self, mark: Mapping[str, Any] | None, now: datetime) -> int:
        """Whole seconds until another attempt is let through, 0 when it may pass."""
        over = (mark or {}).get("failures", 0) - self.free
        if mark is None or over < 0:
            return 0
        wait = timedelta(seconds=min(2 ** min(over, 30), self.longest))
        left: timedelta = mark["lastAt"] + wait - now
        return max(0, math.ceil(left.total_seconds()))

    def ends(self, now: datetime) -> datetime:
        """When the window that `now` lies in ends."""
        return _EPOCH + ((now - _EPOCH) // self.window + 1) * self.window


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
PAIR = BackOff("pair", free=5, longest=900, window=timedelta(hours=24))
ADDRESS = BackOff("address", free=50, longest=60, window=timedelta(minutes=15))
ACCOUNT = BackOff("account", free=20, longest=30, window=timedelta(hours=1))


@dataclass(frozen=True)
class MarkIds:
    """The ids of one attempt's marks: digests, so that no address is stored."""

    pair: str
    address: str
    account: str
    known: str


def mark_ids(account: str, address: str, now: datetime) -> MarkIds:
    """The marks that an attempt on `account` from `address` is counted under."""
    return MarkIds(
        pair=_digest(PAIR.kind, account, address, PAIR.ends(now)),
        address=_digest(ADDRESS.kind, address, ADDRESS.ends(now)),
        account=_digest(ACCOUNT.kind, account, ACCOUNT.ends(now)),
        known=_digest("known", account, address),
    )


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
