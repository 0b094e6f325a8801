"""Letting password attempts through, or not yet. Shared by all processes: the database counts."""

from dataclasses import dataclass
from datetime import datetime

from eventapp.accounts import back_off as rules
from eventapp.accounts import store_attempts as store
from eventapp.core.database import Db, Document
from eventapp.core.errors import TooManyRequests


@dataclass(frozen=True)
class Attempt:
    """An attempt under way. It counts as a failure until `succeed` says otherwise."""

    ids: rules.MarkIds
    counted: tuple[rules.BackOff, ...]
    at: datetime


def begin(db: Db, account: str, address: str, now: datetime) -> Attempt:
    """Let one attempt on `account` from `address` through.

    It is counted before the password is checked, so that many at once are not let through on the
    same count. One that is refused by what was counted before it leaves the counts alone.

    Raises:
        TooManyRequests: too many failures lately.
    """
    ids = rules.mark_ids(account, address, now)
    marks = store.marks(db, (ids.pair, ids.address, ids.account, ids.known))
    gates: tuple[rules.BackOff, ...] = (rules.PAIR, rules.ADDRESS)
    if ids.known not in marks:
        gates += (rules.ACCOUNT,)
    for gate in gates:
        _pass(gate, marks.get(getattr(ids, gate.kind)), now)
    for gate in gates:
        mark_id = getattr(ids, gate.kind)
        failures = store.count_failure(db, mark_id, now=now, expires_at=gate.ends(now)) - 1
        if failures > marks.get(mark_id, {}).get("failures", 0):  # others came in between, just now
            _pass(gate, {"failures": failures, "lastAt": now}, now)
    return Attempt(ids, gates, now)


def _pass(gate: rules.BackOff, mark: Document | None, now: datetime) -> None:
    left = gate.left(mark, now)
    if left:
        raise TooManyRequests("Too many failed attempts; wait a little", retry_after=left)


def succeed(db: Db, attempt: Attempt) -> None:
    """The password was right: take the failure back, and remember the address as the owner's."""
    counted = (getattr(attempt.ids, gate.kind) for gate in attempt.counted)
    store.settle(
        db,
        cleared=attempt.ids.pair,
        lowered=[mark_id for mark_id in counted if mark_id != attempt.ids.pair],
        known=attempt.ids.known,
        known_until=attempt.at + rules.KNOWN_FOR,
    )
