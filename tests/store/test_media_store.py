"""Photos in GridFS: owners, slots, deletion, and what an interruption leaves."""

from datetime import timedelta

import pytest
from bson import ObjectId
from gridfs.errors import CorruptGridFile
from pymongo.errors import AutoReconnect, OperationFailure

from eventapp.core.clock import utc_now
from eventapp.core.embedded.client import open_embedded
from eventapp.media import service, store
from tests import pictures

DATA = bytes(range(256)) * 2048  # Three chunks of GridFS.


def photo(owner, made=None, **more):
    id_ = ObjectId().binary
    if made:
        id_ = ObjectId.from_datetime(made).binary[:4] + id_[4:]
    return {"_id": ObjectId(id_), "owner": owner, "sha": "a" * 64, **more}


def add(db, *args, **more):
    """Insert a photo and return it."""
    added = photo(*args, **more)
    assert store.insert(db, added, DATA)
    return added


def counts(db):
    """Return the number of files, and the number of files that the chunks belong to."""
    return db[store.FILES].count_documents({}), len(db[store.CHUNKS].distinct("files_id"))


def test_a_slot_of_an_owner_is_taken_once(db):
    assert store.insert(db, photo("gallery/1", slot=0), DATA)
    assert not store.insert(db, photo("gallery/1", slot=0), DATA)
    assert store.insert(db, photo("gallery/2", slot=0), DATA)
    assert store.insert(db, photo("user/1"), DATA)
    assert store.insert(db, photo("user/1"), DATA)  # Without a slot there is no limit.
    assert counts(db) == (4, 4)  # The refused one left nothing.


def test_a_photo_is_read_by_its_content(db):
    kept = service.store_photo(db, "user/1", pictures.photo(), utc_now())
    data = store.read(db, kept["sha"])
    assert isinstance(data, bytes)
    assert data.startswith(b"RIFF")
    assert store.read(db, "b" * 64) is None
    assert store.exists(db, kept["sha"])
    assert not store.exists(db, "b" * 64)


def test_a_photo_of_several_chunks_is_read_whole(db):
    added = add(db, "user/1")
    assert db[store.CHUNKS].count_documents({"files_id": added["_id"]}) == 3
    assert store.read(db, added["sha"]) == DATA


def test_the_photos_of_an_owner_are_listed_newest_first(db):
    added = [add(db, "gallery/1", slot=number, width=1) for number in range(3)]
    add(db, "gallery/2")
    assert store.find_by_owner(db, "gallery/1") == list(reversed(added))


def test_deleting_a_photo_keeps_the_copy_of_another_owner(db):
    mine, theirs = add(db, "user/1"), add(db, "user/2")
    assert not store.delete(db, "user/1", theirs["_id"])
    assert store.delete(db, "user/1", mine["_id"])
    assert not store.delete(db, "user/1", mine["_id"])
    assert store.read(db, mine["sha"]) == DATA
    assert counts(db) == (1, 1)
    store.delete_by_owner(db, "user/2")
    assert not store.exists(db, mine["sha"])
    assert counts(db) == (0, 0)


def test_deleting_event_photos_keeps_those_of_users(db):
    people = [add(db, "user/1"), add(db, "gallery/1")]
    for owner in ("event/1", "event/22"):
        add(db, owner)
    assert service.delete_event_photos(db) == 2
    assert {file["_id"] for file in db[store.FILES].find()} == {each["_id"] for each in people}
    assert counts(db) == (2, 2)


def test_the_embedded_store_keeps_photos_across_a_restart(tmp_path):
    for found in (None, DATA):
        with open_embedded(tmp_path) as client:
            db = client["eventapp"]
            assert store.read(db, "a" * 64) == found
            if not found:
                add(db, "user/1")


def test_deleting_no_photo_does_nothing(db):
    add(db, "user/1")
    service.delete_photo(db, "user/1", None)
    assert counts(db) == (1, 1)


@pytest.mark.parametrize(("error", "orphans"), [(OperationFailure("no"), 0), (AutoReconnect(), 1)])
def test_a_failed_upload_is_not_found(db, monkeypatch, error, orphans):
    """Chunks stay behind if the database is unavailable, and are deleted otherwise."""

    def fail_to_close(stream):
        stream._flush_buffer(force=True)
        raise error

    monkeypatch.setattr("gridfs.synchronous.grid_file.GridIn.close", fail_to_close)
    with pytest.raises(type(error)):
        store.insert(db, photo("user/1"), DATA)
    assert counts(db) == (0, orphans)


class TestInterrupted:
    """The process was killed during an upload or a deletion."""

    @pytest.fixture
    def long_ago(self):
        return utc_now() - 2 * store.UPLOAD_TIMEOUT

    def upload_half(self, db, made):
        half = photo("user/1", made)
        chunk = {"files_id": half["_id"], "n": 0, "data": b"half"}
        db[store.CHUNKS].insert_one(chunk)
        return half

    def test_an_upload_is_not_served_and_its_chunks_are_deleted(self, db, long_ago):
        kept = add(db, "user/1", long_ago, sha="b" * 64)
        half = self.upload_half(db, long_ago)
        assert store.read(db, half["sha"]) is None
        assert not store.exists(db, half["sha"])
        assert store.find_by_owner(db, "user/1") == [kept]
        assert service.delete_orphaned_chunks(db, utc_now()) == 1
        assert counts(db) == (1, 1)
        assert store.read(db, kept["sha"]) == DATA
        assert service.delete_orphaned_chunks(db, utc_now()) == 0

    def test_the_chunks_of_a_running_upload_are_kept(self, db):
        self.upload_half(db, utc_now() - store.UPLOAD_TIMEOUT + timedelta(minutes=1))
        assert service.delete_orphaned_chunks(db, utc_now()) == 0
        assert counts(db) == (0, 1)

    def test_a_deletion_is_completed(self, db, long_ago):
        gone = add(db, "user/1", long_ago)
        db[store.FILES].delete_one({"_id": gone["_id"]})
        assert store.read(db, gone["sha"]) is None
        assert service.delete_orphaned_chunks(db, utc_now()) == 1
        assert counts(db) == (0, 0)

    def test_more_orphans_than_a_batch_are_deleted(self, db, long_ago, monkeypatch):
        monkeypatch.setattr(store, "CHUNKS_PER_BATCH", 2)
        kept = [add(db, "user/1", long_ago) for _ in range(3)]
        for _ in range(5):
            self.upload_half(db, long_ago)
        assert service.delete_orphaned_chunks(db, utc_now()) == 5
        assert counts(db) == (3, 3)
        assert store.read(db, kept[0]["sha"]) == DATA


@pytest.mark.parametrize(("deleted", "found"), [(1, DATA), (2, None)])
def test_another_copy_is_served_if_one_is_deleted_during_the_read(db, monkeypatch, deleted, found):
    """The copy is deleted after its document was read, and in one case the other copy too."""
    sha = add(db, "user/1")["sha"]
    add(db, "user/2")
    original, deletions = store.GridFSBucket.open_download_stream_by_name, [True] * deleted

    def opened(bucket, name):
        stream = original(bucket, name)
        if deletions and deletions.pop():
            assert store.delete(db, stream.metadata["owner"], stream._id)
        return stream

    monkeypatch.setattr(store.GridFSBucket, "open_download_stream_by_name", opened)
    assert store.read(db, sha) == found
    assert not deletions


def test_damage_is_not_mistaken_for_absence(db):
    added = add(db, "user/1")
    db[store.CHUNKS].delete_one({"files_id": added["_id"], "n": 1})
    with pytest.raises(CorruptGridFile):
        store.read(db, added["sha"])
