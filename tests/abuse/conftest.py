import pytest

from tests.conftest import MONGO_URI
from tests.live import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server process on the embedded store, for the attacks of a module."""
    if MONGO_URI:
        pytest.skip(
            "the server of these attacks is on the embedded store: run them without MONGO_URI"
        )
    with Server(tmp_path_factory.mktemp("attacked"), MONGO_URI="") as server:
        yield server.wait()
