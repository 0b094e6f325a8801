"""The keys of the in-flight entries of events: `inFlight.<key>`.

A key tells which booking or waitlist entry an in-flight entry belongs to. Those of stock moves also
name the change (see `rules.StockMove`).
"""

from typing import NamedTuple

RETAKE_PREFIX = "retake-"


class Retake(NamedTuple):
    """A take for an expired booking that an attempt has paid late.

    Attributes:
        attempt_id, take_id: hex ids; that of the take is new for each take. `take_id` is None for a
            key that names the attempt alone.
    """

    attempt_id: str
    take_id: str | None


def make_join_key(entry_id: str) -> str:
    """Return the key of the in-flight entry of a join: of a waitlist entry counted in `waiting`."""
    return f"wait-{entry_id}"


def make_leave_key(entry_id: str) -> str:
    """Return the key of the in-flight entry of a leave: the move of a waitlist entry that ended."""
    return f"leave-{entry_id}"


def parse_document_id(key: str) -> str:
    """Return the hex id of the booking or waitlist entry that an in-flight entry belongs to.

    The key of a take is the booking's id alone, unless it is made by `make_retake_key`. All other
    keys end with a dash and the id.
    """
    if key.startswith(RETAKE_PREFIX):
        return key.split("-")[1]
    return key.rpartition("-")[2]


def make_retake_key(booking_id: str, attempt_id: str, take_id: str = "") -> str:
    """Return the key of a take for an expired booking that an attempt has paid late.

    Without the hex id of the take it is what the keys of all takes for this attempt begin with.
    """
    return f"{RETAKE_PREFIX}{booking_id}-{attempt_id}-{take_id}"


def parse_retake_key(key: str) -> Retake | None:
    """Return the take that a key of `make_retake_key` names; None for other keys."""
    if not key.startswith(RETAKE_PREFIX):
        return None
    _prefix, _booking_id, attempt_id, *rest = key.split("-")
    return Retake(attempt_id, rest[0] if rest else None)
