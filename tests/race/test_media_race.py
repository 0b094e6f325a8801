"""Photos uploaded at once: what is shown is kept, a gallery holds no more than it may."""

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

AT = "http://localhost"


@pytest.fixture
def user_id(app, db):
    return factories.sign_in(app)["id"]


def fill_but(db, user_id, places):
    for slot in range(GALLERY_LIMIT - places):
        photo = {"_id": ObjectId(), "owner": f"gallery/{user_id}", "slot": slot, "sha": "0"}
        store.insert(db, photo, b"bytes")


def add(db, user_id):
    file = pictures.photo()
    return service.add_to_gallery(db, user_id, file, now=utc_now(), image_base_url=AT)


def rush(db, user_id):
    """Eight uploads for three places; how many were taken and how many are there."""
    fill_but(db, user_id, 3)
    results = kit.at_once(*[partial(add, db, user_id)] * 8)
    taken = [result for result in results if not isinstance(result, AppError)]
    return len(taken), len(store.of_owner(db, f"gallery/{user_id}"))


def test_a_rush_of_uploads_fits_no_more_than_the_gallery_holds(db, user_id):
    assert rush(db, user_id) == (3, GALLERY_LIMIT)


def test_control_counted_and_not_guarded_it_holds_more(db, user_id, monkeypatch):
    real = store.insert

    def unguarded(db, photo, data):
        return real(db, {name: value for name, value in photo.items() if name != "slot"}, data)

    fill_but(db, user_id, 3)
    stale = service._free_place(db, f"gallery/{user_id}")
    monkeypatch.setattr(store, "insert", unguarded)
    monkeypatch.setattr(service, "_free_place", lambda *_: stale)
    kit.at_once(*[partial(add, db, user_id)] * 8)
    assert len(store.of_owner(db, f"gallery/{user_id}")) > GALLERY_LIMIT


DIFFERENT = [pictures.photo("PNG", side, side) for side in range(10, 18)]


def upload_at_once(db, user_id, files=DIFFERENT):
    uploads = [
        partial(photos.set_profile_photo, db, user_id, file, now=utc_now(), image_base_url=AT)
        for file in files
    ]
    kit.at_once(*uploads)
    shown = db.users.find_one({"_id": user_id})["userImg"]
    return shown.removeprefix(f"{AT}/images/").removesuffix(".webp")


@pytest.mark.parametrize("files", [DIFFERENT, DIFFERENT[:1] * 8])
def test_of_uploads_at_once_the_one_shown_is_kept_and_no_other(db, user_id, files):
    shown = upload_at_once(db, user_id, files)
    assert store.data(db, shown)
    assert [file["filename"] for file in db[store.FILES].find()] == [shown]


def test_control_let_go_by_what_was_read_before_photos_stay_or_go_wrongly(db, user_id, monkeypatch):
    real = accounts_store.set_photo

    def show(db, user_id, **shown):
        read = db.users.find_one({"_id": user_id})
        gate.wait(5)
        real(db, user_id, **shown)
        return read

    gate = kit.threading.Barrier(8)
    monkeypatch.setattr(accounts_store, "set_photo", show)
    upload_at_once(db, user_id)
    assert db[store.FILES].count_documents({}) > 1
