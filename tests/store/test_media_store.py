"""The photos collection: whose they are, and that no slot is taken twice."""

from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.media import service, store
from tests import pictures


def photo(owner, **more):
    return {"_id": ObjectId(), "owner": owner, "sha": "a" * 64, "data": b"bytes", **more}


def test_one_photo_of_an_owner_takes_a_slot(db):
    assert store.insert(db, photo("gallery/1", slot=0))
    assert not store.insert(db, photo("gallery/1", slot=0))
    assert store.insert(db, photo("gallery/2", slot=0))
    assert store.insert(db, photo("user/1"))
    assert store.insert(db, photo("user/1"))  # without a slot there is no limit
    assert db.photos.count_documents({}) == 4


def test_bytes_come_back_as_they_went_in(db):
    kept = service.keep(db, "user/1", pictures.photo(), utc_now())
    data = store.data(db, kept["sha"])
    assert isinstance(data, bytes)
    assert data == bytes(db.photos.find_one()["data"])
    assert store.data(db, "b" * 64) is None
    assert store.exists(db, kept["sha"])
    assert not store.exists(db, "b" * 64)


def test_lists_hold_no_bytes_and_the_newest_is_first(db):
    for _number in range(3):
        store.insert(db, photo("gallery/1"))
    store.insert(db, photo("gallery/2"))
    listed = store.of_owner(db, "gallery/1")
    assert [each["_id"] for each in listed] == sorted((e["_id"] for e in listed), reverse=True)
    assert len(listed) == 3
    assert not any("data" in each for each in listed)


def test_only_the_owners_is_deleted_and_the_others_copy_is_still_served(db):
    mine, theirs = photo("user/1"), photo("user/2")
    store.insert(db, mine)
    store.insert(db, theirs)
    assert not store.delete(db, "user/1", theirs["_id"])
    assert store.delete(db, "user/1", mine["_id"])
    assert not store.delete(db, "user/1", mine["_id"])
    assert store.exists(db, mine["sha"])
    store.delete_all(db, "user/2")
    assert not store.exists(db, mine["sha"])


def test_letting_go_of_none_is_nothing(db):
    store.insert(db, photo("user/1"))
    service.let_go(db, "user/1", None)
    assert db.photos.count_documents({}) == 1
