"""Photos in GridFS: whose they are, that no slot is taken twice, and what a crash leaves behind."""

from datetime import timedelta

import pytest
from bson import ObjectId
from gridfs.errors import CorruptGridFile
from pymongo.errors import AutoReconnect, OperationFailure

from eventapp.core.clock import utc_now
from eventapp.core.embedded import open_embedded
from eventapp.media import service, store
from tests import pictures

DATA = bytes(range(256)) * 2048  # three chunks


def photo(owner, made=None, **more):
    id_ = ObjectId().binary
    if made:
        id_ = ObjectId.from_datetime(made).binary[:4] + id_[4:]
    return {"_id": ObjectId(id_), "owner": owner, "sha": "a" * 64, **more}


def add(db, *args, **more):
    """A photo that has been inserted."""
    added = photo(*args, **more)
    assert store.insert(db, added, DATA)
    return added


def counts(db):
    """How many files there are, and of how many there are chunks."""
    return db[store.FILES].count_documents({}), len(db[store.CHUNKS].distinct("files_id"))


def test_one_photo_of_an_owner_takes_a_slot(db):
    assert store.insert(db, photo("gallery/1", slot=0), DATA)
    assert not store.insert(db, photo("gallery/1", slot=0), DATA)
    assert store.insert(db, photo("gallery/2", slot=0), DATA)
    assert store.insert(db, photo("user/1"), DATA)
    assert store.insert(db, photo("user/1"), DATA)  # without a slot there is no limit
    assert counts(db) == (4, 4)  # what was refused has left nothing


def test_bytes_come_back_as_they_went_in(db):
    kept = service.keep(db, "user/1", pictures.photo(), utc_now())
    data = store.data(db, kept["sha"])
    assert isinstance(data, bytes)
    assert data.startswith(b"RIFF")
    assert store.data(db, "b" * 64) is None
    assert store.exists(db, kept["sha"])
    assert not store.exists(db, "b" * 64)


def test_what_is_larger_than_a_chunk_is_whole(db):
    added = add(db, "user/1")
    assert db[store.CHUNKS].count_documents({"files_id": added["_id"]}) == 3
    assert store.data(db, added["sha"]) == DATA


def test_lists_are_as_inserted_and_the_newest_is_first(db):
    added = [add(db, "gallery/1", slot=number, width=1) for number in range(3)]
    add(db, "gallery/2")
    assert store.of_owner(db, "gallery/1") == list(reversed(added))


def test_only_the_owners_is_deleted_and_the_others_copy_is_still_served(db):
    mine, theirs = add(db, "user/1"), add(db, "user/2")
    assert not store.delete(db, "user/1", theirs["_id"])
    assert store.delete(db, "user/1", mine["_id"])
    assert not store.delete(db, "user/1", mine["_id"])
    assert store.data(db, mine["sha"]) == DATA
    assert counts(db) == (1, 1)
    store.delete_all(db, "user/2")
    assert not store.exists(db, mine["sha"])
    assert counts(db) == (0, 0)


def test_the_photos_of_all_events_go_and_those_of_people_stay(db):
    people = [add(db, "user/1"), add(db, "gallery/1")]
    for owner in ("event/1", "event/22"):
        add(db, owner)
    assert service.forget_events(db) == 2
    assert {file["_id"] for file in db[store.FILES].find()} == {each["_id"] for each in people}
    assert counts(db) == (2, 2)


def test_the_embedded_store_has_them_again_after_a_restart(tmp_path):
    for found in (None, DATA):
        with open_embedded(tmp_path) as client:
            db = client["eventapp"]
            assert store.data(db, "a" * 64) == found
            if not found:
                add(db, "user/1")


def test_letting_go_of_none_is_nothing(db):
    add(db, "user/1")
    service.let_go(db, "user/1", None)
    assert counts(db) == (1, 1)


@pytest.mark.parametrize(("error", "left"), [(OperationFailure("no"), 0), (AutoReconnect(), 1)])
def test_an_upload_that_fails_is_not_found(db, monkeypatch, error, left):
    """Where the database is away nobody tidies up, which would only take longer."""

    def written(stream):
        stream._flush_buffer(force=True)
        raise error

    monkeypatch.setattr("gridfs.synchronous.grid_file.GridIn.close", written)
    with pytest.raises(type(error)):
        store.insert(db, photo("user/1"), DATA)
    assert counts(db) == (0, left)


class TestCutOff:
    """Half of an upload, or of a deletion, whose process was killed."""

    @pytest.fixture
    def long_ago(self):
        return utc_now() - 2 * store.UNDER_WAY

    def upload_half(self, db, made):
        half = photo("user/1", made)
        chunk = {"files_id": half["_id"], "n": 0, "data": b"half"}
        db[store.CHUNKS].insert_one(chunk)
        return half

    def test_an_upload_is_not_served_and_is_cleaned_up(self, db, long_ago):
        kept = add(db, "user/1", long_ago, sha="b" * 64)
        half = self.upload_half(db, long_ago)
        assert store.data(db, half["sha"]) is None
        assert not store.exists(db, half["sha"])
        assert store.of_owner(db, "user/1") == [kept]
        assert service.drop_orphans(db, utc_now()) == 1
        assert counts(db) == (1, 1)
        assert store.data(db, kept["sha"]) == DATA
        assert service.drop_orphans(db, utc_now()) == 0

    def test_an_upload_under_way_is_left_alone(self, db):
        self.upload_half(db, utc_now() - store.UNDER_WAY + timedelta(minutes=1))
        assert service.drop_orphans(db, utc_now()) == 0
        assert counts(db) == (0, 1)

    def test_a_deletion_is_finished(self, db, long_ago):
        gone = add(db, "user/1", long_ago)
        db[store.FILES].delete_one({"_id": gone["_id"]})
        assert store.data(db, gone["sha"]) is None
        assert service.drop_orphans(db, utc_now()) == 1
        assert counts(db) == (0, 0)

    def test_more_than_a_batch(self, db, long_ago, monkeypatch):
        monkeypatch.setattr(store, "BATCH", 2)
        kept = [add(db, "user/1", long_ago) for _ in range(3)]
        for _ in range(5):
            self.upload_half(db, long_ago)
        assert service.drop_orphans(db, utc_now()) == 5
        assert counts(db) == (3, 3)
        assert store.data(db, kept[0]["sha"]) == DATA


@pytest.mark.parametrize(("deleted", "found"), [(1, DATA), (2, None)])
def test_read_while_it_is_deleted_another_copy_is_served(db, monkeypatch, deleted, found):
    """Between its document and its chunks it goes, and then the other too."""
    sha = add(db, "user/1")["sha"]
    add(db, "user/2")
    real, going = store.GridFSBucket.open_download_stream_by_name, [True] * deleted

    def opened(bucket, name):
        stream = real(bucket, name)
        if going and going.pop():
            assert store.delete(db, stream.metadata["owner"], stream._id)
        return stream

    monkeypatch.setattr(store.GridFSBucket, "open_download_stream_by_name", opened)
    assert store.data(db, sha) == found
    assert not going


def test_damage_is_told_and_not_taken_for_absence(db):
    added = add(db, "user/1")
    db[store.CHUNKS].delete_one({"files_id": added["_id"], "n": 1})
    with pytest.raises(CorruptGridFile):
        store.data(db, added["sha"])
