"""Simultaneous uploads keep the photo that is shown, and do not exceed the limit of a gallery."""

from functools import partial

import pytest
from bson import ObjectId

from eventapp.accounts import photos
from eventapp.accounts import store as accounts_store
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.media import service, store
from eventapp.media.rules import GALLERY_LIMIT
from tests import factories, pictures
from tests.race import kit

BASE_URL = "http://localhost"


@pytest.fixture
def user_id(app, db):
    return factories.make_user(app)["id"]


def fill_except(db, user_id, free_slots):
    for slot in range(GALLERY_LIMIT - free_slots):
        photo = {"_id": ObjectId(), "owner": f"gallery/{user_id}", "slot": slot, "sha": "0"}
        store.insert(db, photo, b"bytes")


def add(db, user_id):
    file = pictures.photo()
    return service.add_to_gallery(db, user_id, file, now=utc_now(), image_base_url=BASE_URL)


def upload_eight(db, user_id):
    """Upload eight photos for three free slots; return how many were stored and are there."""
    fill_except(db, user_id, 3)
    results = kit.run_concurrently(*[partial(add, db, user_id)] * 8)
    taken = [result for result in results if not isinstance(result, AppError)]
    return len(taken), len(store.find_by_owner(db, f"gallery/{user_id}"))


def test_simultaneous_uploads_do_not_exceed_the_limit_of_a_gallery(db, user_id):
    assert upload_eight(db, user_id) == (3, GALLERY_LIMIT)


def test_control_without_the_unique_slot_the_limit_is_exceeded(db, user_id, monkeypatch):
    original = store.insert

    def unguarded(db, photo, data):
        return original(db, {name: value for name, value in photo.items() if name != "slot"}, data)

    fill_except(db, user_id, 3)
    stale = service._find_taken_slots(db, f"gallery/{user_id}")
    monkeypatch.setattr(store, "insert", unguarded)
    monkeypatch.setattr(service, "_find_taken_slots", lambda *_: stale)
    kit.run_concurrently(*[partial(add, db, user_id)] * 8)
    assert len(store.find_by_owner(db, f"gallery/{user_id}")) > GALLERY_LIMIT


DIFFERENT = [pictures.photo("PNG", side, side) for side in range(10, 18)]


def upload_at_once(db, user_id, files=DIFFERENT):
    uploads = [partial(photos.set_profile_photo, db, user_id, file, utc_now()) for file in files]
    kit.run_concurrently(*uploads)
    shown = db.users.find_one({"_id": user_id})["userImg"]
    return shown.removeprefix("/images/").removesuffix(".webp")


@pytest.mark.parametrize("files", [DIFFERENT, DIFFERENT[:1] * 8])
def test_only_the_photo_that_is_shown_is_kept(db, user_id, files):
    shown = upload_at_once(db, user_id, files)
    assert store.read(db, shown)
    assert [file["filename"] for file in db[store.FILES].find()] == [shown]


def test_control_deleting_the_photo_that_was_read_before_leaves_others(db, user_id, monkeypatch):
    original = accounts_store.set_photo

    def set_photo(db, user_id, **photo):
        read = db.users.find_one({"_id": user_id})
        gate.wait(5)
        original(db, user_id, **photo)
        return read

    gate = kit.threading.Barrier(8)
    monkeypatch.setattr(accounts_store, "set_photo", set_photo)
    upload_at_once(db, user_id)
    assert db[store.FILES].count_documents({}) > 1
