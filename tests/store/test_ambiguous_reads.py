"""The test tool that refuses to read one of several documents."""

import pytest

from tests.ambiguous_reads import AmbiguousRead


def test_a_read_of_one_of_several_documents_is_refused(db):
    db.jobs.insert_many([{"name": "Ann"}, {"name": "Bob"}])
    with pytest.raises(AmbiguousRead):
        db.jobs.find_one()
    with pytest.raises(AmbiguousRead):
        db.jobs.find_one({})
    assert db.jobs.find_one(sort=[("name", -1)])["name"] == "Bob"
    assert db.jobs.find_one({"name": "Ann"})["name"] == "Ann"
    db.jobs.delete_one({"name": "Ann"})
    assert db.jobs.find_one()["name"] == "Bob"
