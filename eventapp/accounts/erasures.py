"""Remove what all features store about a person, also if a process dies in between.

An erasure has two passes: one before the account is deleted, and one after it, because a login or
another request that was running may have written something since the first pass. Before the account
is deleted, the erasure is recorded. The record goes when the second pass is done. So whoever died
in between, the worker finds the record and repeats the second pass, which has no effect twice.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.accounts import (
    api_tokens,
    store,
    store_erasures,
    store_mail_tokens,
    store_sessions,
)
from eventapp.core.database import Db, purge_deleted
from eventapp.due_work.service import process_due

# A function of another feature that removes what the feature stores about a user. It may raise an
# error if that cannot be done at this moment.
ForgetFunction = Callable[[Db, ObjectId], None]

# How long a request may take for the second pass before the worker repeats it.
PATIENCE = timedelta(minutes=1)
# The most erasures that one call finishes.
BATCH_SIZE = 100


def erase(
    db: Db, user_id: ObjectId, forget_functions: Iterable[ForgetFunction], now: datetime
) -> None:
    """Delete an account and everything that is stored about the person.

    If the first pass is interrupted, the account is still there and the call can be repeated.
    """
    _forget(db, user_id, forget_functions)
    store_erasures.start(db, user_id, now)
    store.delete(db, user_id)
    finish(db, user_id, forget_functions)


def finish(db: Db, user_id: ObjectId, forget_functions: Iterable[ForgetFunction]) -> None:
    """Do the second pass, and remove from the disk what was deleted."""
    _forget(db, user_id, forget_functions)
    store.delete(db, user_id)
    purge_deleted(db)
    store_erasures.finish(db, user_id)


def is_unfinished(db: Db, user_id: ObjectId) -> bool:
    """Return whether the account is deleted, but the second pass was interrupted."""
    return store_erasures.is_started(db, user_id)


def finish_interrupted(db: Db, forget_functions: Sequence[ForgetFunction], now: datetime) -> int:
    """Finish the erasures whose second pass was interrupted, and return how many."""

    def handle(user_id: ObjectId) -> int:
        finish(db, user_id, forget_functions)
        return 1

    return process_due(
        db,
        "erasure",
        now,
        find=lambda limit, without: store_erasures.find_started_before(
            db, now - PATIENCE, limit, without
        ),
        limit=BATCH_SIZE,
        get_key=lambda user_id: user_id,
        handle=handle,
    )


def _forget(db: Db, user_id: ObjectId, forget_functions: Iterable[ForgetFunction]) -> None:
    store_sessions.delete_all(db, user_id)
    store_sessions.delete_user_write(db, user_id)
    store_mail_tokens.forget_user(db, user_id)
    api_tokens.end_tokens(db, user_id)
    for forget_user in forget_functions:
        forget_user(db, user_id)
