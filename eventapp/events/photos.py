"""The photo of an event."""

from datetime import datetime
from typing import Any

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.core.errors import AppError
from eventapp.events import service
from eventapp.events.changes import EventChanges
from eventapp.events.editing import edit
from eventapp.media import service as media


def set_photo(
    db: Db,
    event_id: int,
    file: bytes,
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> dict[str, Any]:
    """The event after showing the photo in this file; the one before it is deleted.

    Raises:
        EventNotFound, Forbidden, and what `media.store_photo` refuses with: nothing is written.
        EditConflict: the same.
    """
    service.managed(db, event_id, actor)
    owner = media.event_owner(event_id)
    photo = media.store_photo(db, owner, file, now)
    replaced: Document = {}

    def change(event: Document) -> dict[str, Any]:
        replaced["_id"] = event.get("photo", {}).get("_id")
        shown = {"_id": photo["_id"], "sha": photo["sha"]}
        return {"image": media.make_path(photo), "photo": shown}

    try:
        event = edit(
            db,
            event_id,
            change,
            event_changes=event_changes,
            actor=actor,
            now=now,
            image_base_url=image_base_url,
        )
    except AppError:
        media.delete_photo(db, owner, photo["_id"])
        raise
    media.delete_photo(db, owner, replaced["_id"])
    return event
