"""Accounts as an admin browses them."""

from typing import Any

from bson import ObjectId

from eventapp.accounts import rules, store
from eventapp.core import paging
from eventapp.core.database import Db
from eventapp.core.textsearch import fold_account_name


def list_users(
    db: Db,
    *,
    search: str = "",
    role: str | None = None,
    page: int = 1,
    limit: int = 20,
    before: ObjectId | None = None,
) -> dict[str, Any]:
    """A page of accounts, newest first.

    Args:
        search: part of a name or an email, in any case.
        before: go on behind this account, whatever `page` says.

    Returns:
        The page's envelope, `users`, and `next`: the `before` of the next page, None at the end.

    Raises:
        ValidationFailed: a page beyond what is counted.
    """
    search = fold_account_name(search)
    counted = store.count(db, search=search, role=role, limit=paging.COUNT_LIMIT + 1)
    skip = 0 if before else paging.page_offset(page=page, limit=limit, counted=counted)
    found = []
    if skip is not None:
        found = store.page(db, search=search, role=role, before=before, skip=skip, limit=limit + 1)
    return {
        "users": [rules.public(user) for user in found[:limit]],
        **paging.page_envelope(page=page, limit=limit, counted=counted),
        "next": found[limit - 1]["_id"] if len(found) > limit else None,
    }
