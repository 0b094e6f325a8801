"""Store or copy the photo of an event, and show it as the image of the event."""

from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.events import store
from eventapp.events.bodies import EventView
from eventapp.events.changes import EventChanges
from eventapp.events.editing import apply_edit, edit_event
from eventapp.events.schedules import UTC_ZONE
from eventapp.events.service import get_managed
from eventapp.events.types import Event, EventPatch, EventPhoto
from eventapp.media import service as media
from eventapp.media.types import StoredPhoto


def set_photo(
    db: Db,
    event_id: int,
    file: bytes,
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    image_base_url: str,
    default_zone: ZoneInfo = UTC_ZONE,
) -> EventView:
    """Make the photo in a file the event's image, and delete the previous photo.

    Raises:
        AppError: whatever `edit_event` and `media.store_photo` raise. The event then shows what it
            showed before, and the new photo is deleted. The new photo is also deleted after any
            other error, unless the event shows it.
    """
    get_managed(db, event_id, actor)
    owner = media.make_event_owner(event_id)
    replaced_id: ObjectId | None = None

    def edit(event: Event) -> EventPatch:
        nonlocal replaced_id
        replaced_id = event["photo"]["_id"] if "photo" in event else None
        return _make_photo_patch(photo)

    is_shown = partial(_shows_photo, db, event_id)
    with media.store_photo_to_show(db, owner, file, now, is_shown=is_shown) as photo:
        event = edit_event(
            db,
            event_id,
            edit,
            event_changes=event_changes,
            actor=actor,
            now=now,
            image_base_url=image_base_url,
            default_zone=default_zone,
        )
    media.delete_photo(db, owner, replaced_id)
    return event


def copy_photo(
    db: Db,
    source: Event,
    event_id: int,
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    default_zone: ZoneInfo = UTC_ZONE,
) -> None:
    """Give an event a copy of the photo that another one shows.

    Nothing is done if the other one shows no uploaded photo, or has replaced it meanwhile.

    Raises:
        AppError: whatever `apply_edit` raises. The copy of the photo is then deleted.
    """
    if not shows_own_photo(source):
        return
    with media.copy_photo_to_show(
        db,
        source["photo"]["_id"],
        from_owner=media.make_event_owner(source["eventId"]),
        owner=media.make_event_owner(event_id),
        now=now,
        is_shown=partial(_shows_photo, db, event_id),
    ) as photo:
        if photo is None:
            return
        patch = _make_photo_patch(photo)
        apply_edit(
            db,
            event_id,
            lambda _event: patch,
            event_changes=event_changes,
            actor=actor,
            now=now,
            default_zone=default_zone,
        )


def shows_own_photo(event: Event) -> bool:
    """Return whether the image of an event is the photo that was uploaded for it."""
    return "photo" in event and event["photo"]["sha"] in event["image"]


def _shows_photo(db: Db, event_id: int, photo_id: ObjectId) -> bool:
    event = store.find_event(db, event_id)
    return event is not None and "photo" in event and event["photo"]["_id"] == photo_id


def _make_photo_patch(photo: StoredPhoto) -> EventPatch:
    stored: EventPhoto = {"_id": photo["_id"], "sha": photo["sha"]}
    return {"image": media.make_path(photo), "photo": stored}
