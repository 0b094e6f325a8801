"""The preparation of the database goes on after any error, once the server has started."""

import pytest
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from eventapp.core.database import OpenDatabase, lifecycle
from tests.live import eventually


class NoClient:
    """Stands in for a client that is never used."""


@pytest.mark.parametrize(
    "later_error",
    [OperationFailure("an index conflicts", 85), RuntimeError("a bug"), KeyError("x")],
)
def test_an_error_after_the_start_is_tried_again(monkeypatch, later_error):
    monkeypatch.setattr(lifecycle, "PREPARE_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(lifecycle, "UNEXPECTED_RETRY_SECONDS", 0.01)
    errors = [ServerSelectionTimeoutError("away"), ServerSelectionTimeoutError("away"), later_error]

    def prepare(_db):
        if errors:
            raise errors.pop(0)

    database = OpenDatabase(NoClient(), None, prepare)
    database.start()
    assert not database.is_ready
    eventually(lambda: database.is_ready, 10)


def test_an_unexpected_error_at_the_start_stops_it():
    def prepare(_db):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        OpenDatabase(NoClient(), None, prepare).start()
