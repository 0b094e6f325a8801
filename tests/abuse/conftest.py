import pytest

from tests.live import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server process on the embedded store, for the attacks of a module."""
    with Server(tmp_path_factory.mktemp("attacked"), MONGO_URI="") as server:
        yield server.wait()
