"""Decide how long a client must wait after failed password attempts.

Failures are counted in three ways: by account and address together, by address, and by account.
The first two slow down only the client that guesses. The third slows down all addresses that have
not logged in to the account before, and only for a short time, so that nobody can lock out the
owner. An address is an IPv4 address or an IPv6 /64, because one client can use all of a /64.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from eventapp.accounts.types import StoredLoginRecord

# How long an address that has logged in to an account is exempt from the count by account.
TRUST_DURATION = timedelta(days=90)
# Windows are aligned to this time. Changing it would reset all counters.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BackOff:
    """The waiting times for one way to count failures.

    A window begins at a whole multiple of its length. The end of the window is part of the
    counter's id, so that a new window begins with a new counter.

    Attributes:
        scope: what failures are counted by; a part of the counter's id.
        free_failures: with fewer failures than this in a window, the client need not wait. With
            this many it waits one second, and each further failure doubles the time.
        max_wait: the longest waiting time, in seconds.
        window: how long failures are counted together.
    """

    scope: str
    free_failures: int
    max_wait: int
    window: timedelta

    def compute_wait(self, record: StoredLoginRecord | None, now: datetime) -> int:
        """Return the whole seconds until the next attempt is allowed, 0 if it is allowed now.

        Args:
            record: the failure counter, None if there is none.
        """
        if record is None:
            return 0
        return self.compute_wait_after(record.get("failures", 0), record.get("lastAt", now), now)

    def compute_wait_after(self, failures: int, last_failure: datetime, now: datetime) -> int:
        """Return the whole seconds until the next attempt is allowed, 0 if it is allowed now.

        Args:
            failures: the number of failures in the window.
            last_failure: when the last of them happened.
        """
        excess = failures - self.free_failures
        if excess < 0:
            return 0
        wait = timedelta(seconds=min(2 ** min(excess, 30), self.max_wait))
        return max(0, math.ceil((last_failure + wait - now).total_seconds()))

    def find_window_end(self, now: datetime) -> datetime:
        """Return the end of the window that contains `now`."""
        return _EPOCH + ((now - _EPOCH) // self.window + 1) * self.window


BY_ACCOUNT_AND_ADDRESS = BackOff("pair", 5, max_wait=900, window=timedelta(hours=24))
BY_ADDRESS = BackOff("address", 50, max_wait=60, window=timedelta(minutes=15))
BY_ACCOUNT = BackOff("account", 20, max_wait=30, window=timedelta(hours=1))


@dataclass(frozen=True)
class RecordIds:
    """The ids of the records that concern one attempt, in the collection `loginMarks`.

    The ids are digests, so that the database holds no addresses.

    Attributes:
        pair: the failure counter of the account and the address together.
        address: the failure counter of the address.
        account: the failure counter of the account.
        trusted: the record that the address has logged in to the account.
    """

    pair: str
    address: str
    account: str
    trusted: str


def make_record_ids(login_key: str, network: str, now: datetime) -> RecordIds:
    """Return the ids of the records that concern an attempt on an account from a network.

    Args:
        login_key: names the account, or what was sent if there is no account.
        network: the client's IPv4 address or IPv6 /64, all of whose addresses one client can use.
    """

    def make_counter_id(back_off: BackOff, *parts: str) -> str:
        return _digest(back_off.scope, *parts, back_off.find_window_end(now))

    return RecordIds(
        pair=make_counter_id(BY_ACCOUNT_AND_ADDRESS, login_key, network),
        address=make_counter_id(BY_ADDRESS, network),
        account=make_counter_id(BY_ACCOUNT, login_key),
        trusted=_digest("known", login_key, network),  # The word is a part of stored ids.
    )


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
