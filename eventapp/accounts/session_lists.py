"""List the sessions of a user, and end one of them."""

from datetime import datetime

from bson import ObjectId

from eventapp.accounts import store_sessions
from eventapp.accounts.errors import SessionNotFound
from eventapp.accounts.types import RenderedSession, StoredSession
from eventapp.core import paging
from eventapp.core.database import Db
from eventapp.core.json import JsonObject


def list_sessions(
    db: Db,
    user_id: ObjectId,
    *,
    current_id: ObjectId | None,
    page: int,
    limit: int,
    older_than: ObjectId | None,
    now: datetime,
) -> tuple[JsonObject, ObjectId | None]:
    """Return a page of the sessions of a user that have not ended, newest first.

    Args:
        current_id: the session of the request.
        page: the number of the page, from 1. If `older_than` is set, it selects nothing.
        older_than: return only sessions that were opened before this one.

    Returns:
        The body of the answer, and the `older_than` of the next page, which is None at the end.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach.
    """
    counted = store_sessions.count(db, user_id, now, limit=paging.COUNT_LIMIT + 1)
    skip = 0 if older_than else paging.find_page_offset(page=page, limit=limit, counted=counted)
    found: list[StoredSession] = []
    if skip is not None:
        found = store_sessions.find_page(
            db, user_id, now, older_than=older_than, skip=skip, limit=limit + 1
        )
    body = {
        "sessions": [_render_session(session, current_id) for session in found[:limit]],
        **paging.make_page_envelope(page=page, limit=limit, counted=counted),
    }
    return body, found[limit - 1]["_id"] if len(found) > limit else None


def _render_session(session: StoredSession, current_id: ObjectId | None) -> RenderedSession:
    last_refreshed_at = session.get("rotatedAt", session["createdAt"])
    return {
        "sessionId": session["_id"],
        "current": session["_id"] == current_id,
        "createdAt": session["createdAt"],
        "lastUsedAt": session.get("lastUsedAt", last_refreshed_at),
        "client": session.get("client", ""),
    }


def end_session(db: Db, user_id: ObjectId, session_id: ObjectId) -> None:
    """End a session of a user. Its tokens are refused at once.

    Raises:
        SessionNotFound: the user has no such session, or it has ended.
    """
    if not store_sessions.end(db, user_id, session_id):
        raise SessionNotFound
