"""`delete_document` deletes a document that another request changes at the same moment."""

from types import SimpleNamespace

import pytest
from pymongo.errors import AutoReconnect

from eventapp.core.database import delete_document


class BusyCollection:
    """Has one document, which the first calls of `delete_one` miss."""

    name = "items"

    def __init__(self, missed):
        self.missed, self.documents = missed, [{"_id": 1}]

    def delete_one(self, _where):
        if self.missed:
            self.missed -= 1
            return SimpleNamespace(deleted_count=0)
        count, self.documents = len(self.documents), []
        return SimpleNamespace(deleted_count=count)

    def find_one(self, _where, _projection):
        return next(iter(self.documents), None)


@pytest.mark.parametrize("missed", [0, 1, 5])
def test_a_document_that_was_missed_is_deleted_again(missed):
    collection = BusyCollection(missed)
    assert delete_document(collection, {"_id": 1})
    assert not collection.documents
    assert not delete_document(collection, {"_id": 1})


def test_a_document_that_is_always_missed_is_not_reported_as_deleted():
    with pytest.raises(AutoReconnect, match="items"):
        delete_document(BusyCollection(missed=1000), {"_id": 1})
