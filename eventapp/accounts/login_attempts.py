"""Limit attempts to guess a password. All processes share the counts, which are in the database.

An attempt counts as a failure from its beginning, and the failure is subtracted again if the
password is right. So attempts that run at the same time all count.
"""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import store_attempts
from eventapp.accounts.login_back_off import (
    BY_ACCOUNT,
    BY_ACCOUNT_AND_ADDRESS,
    BY_ADDRESS,
    TRUST_DURATION,
    BackOff,
    RecordIds,
    make_record_ids,
)
from eventapp.core.access.rate_limits import find_client_network
from eventapp.core.database import Db
from eventapp.core.errors import TooManyRequests


@dataclass(frozen=True)
class Attempt:
    """An attempt that was allowed and is counted as a failure until `record_success`.

    Attributes:
        ids: the ids of the records that concern the attempt.
        counter_ids: the ids of the failure counters that include it.
        began_at: when it was allowed.
    """

    ids: RecordIds
    counter_ids: tuple[str, ...]
    began_at: datetime


def make_login_key(user_id: ObjectId) -> str:
    """Return the key by which the failures of an account are counted, however it is named."""
    return f"account {user_id}"


def begin_attempt(db: Db, login_key: str, client_ip: str, now: datetime) -> Attempt:
    """Count one attempt on an account, before its password is checked.

    An attempt that earlier failures already forbid is refused without being counted.

    Args:
        login_key: `make_login_key` of the account, or the folded name or email that was sent if
            there is no such account.
        client_ip: the client's IP address.

    Raises:
        TooManyRequests: too many attempts failed lately.
    """
    ids = make_record_ids(login_key, find_client_network(client_ip), now)
    records = store_attempts.find_records(db, (ids.pair, ids.address, ids.account, ids.trusted))
    back_offs = {ids.pair: BY_ACCOUNT_AND_ADDRESS, ids.address: BY_ADDRESS}
    if ids.trusted not in records:
        back_offs[ids.account] = BY_ACCOUNT
    for counter_id, back_off in back_offs.items():
        _require_no_wait(back_off.compute_wait(records.get(counter_id), now))
    for counter_id, back_off in back_offs.items():
        counter = records.get(counter_id)
        failures_read = counter.get("failures", 0) if counter else 0
        _count_failure(db, counter_id, back_off, failures_read, now)
    return Attempt(ids, tuple(back_offs), now)


def _count_failure(
    db: Db, counter_id: str, back_off: BackOff, failures_read: int, now: datetime
) -> None:
    """Count the attempt, and refuse it if attempts that were counted since the read forbid it.

    Args:
        failures_read: the failures of the counter when it was read, before this attempt.

    Raises:
        TooManyRequests: the client must wait.
    """
    expires_at = back_off.find_window_end(now)
    failures = store_attempts.count_failure(db, counter_id, now=now, expires_at=expires_at)
    failures_before = failures - 1
    if failures_before > failures_read:
        _require_no_wait(back_off.compute_wait_after(failures_before, now, now))


def _require_no_wait(seconds: int) -> None:
    """Raise TooManyRequests unless the client has to wait 0 seconds."""
    if seconds:
        raise TooManyRequests("Too many failed attempts; wait a little", retry_after=seconds)


def record_success(db: Db, attempt: Attempt) -> None:
    """Subtract the failure of an attempt with the right password, and trust its address."""
    ids = attempt.ids
    store_attempts.record_success(
        db,
        cleared_id=ids.pair,
        lowered_ids=[counter_id for counter_id in attempt.counter_ids if counter_id != ids.pair],
        trusted_id=ids.trusted,
        trusted_until=attempt.began_at + TRUST_DURATION,
    )
