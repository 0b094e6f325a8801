"""Replies of the database that are lost or withheld on the network, to a real server.

A proxy forwards every command. It loses the reply to one of them: the command is performed, and the
process does not learn of it.
"""

from urllib.parse import urlsplit, urlunsplit

import pytest

from eventapp.config import load_config
from eventapp.core.database import OPEN_DATABASE
from eventapp.payments.providers import Providers
from tests.bookings_factories import RecordingProvider, changed, context_of
from tests.conftest import (
    MONGO_URI,
    create_prepared_app,
    drop_database,
    make_database_uri,
    make_settings,
)
from tests.fault.proxy import ReplyLosingProxy
from tests.fault.world import (
    Trial,
    World,
    accept_a_part,
    book,
    book_with_a_key,
    cancel_what_was_paid,
    check_trials,
    confirm,
    join,
)

pytestmark = pytest.mark.skipif(
    MONGO_URI is None, reason="MONGO_URI names no server; the embedded store has no network"
)
COMMANDS = ("findAndModify", "insert", "update")
MAX_COMMANDS = 12


@pytest.fixture(scope="module")
def proxy():
    target = urlsplit(MONGO_URI)
    with ReplyLosingProxy(target.hostname, target.port or 27017) as proxy_:
        yield proxy_


@pytest.fixture(scope="module")
def app(tmp_path_factory, proxy):
    """An application that reaches its database through the proxy only."""
    direct = make_database_uri(MONGO_URI)
    proxied = urlunsplit(urlsplit(direct)._replace(netloc=f"127.0.0.1:{proxy.port}"))
    directory = tmp_path_factory.mktemp("instance")
    app = create_prepared_app(make_settings(directory, MONGO_URI=proxied))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield app
    OPEN_DATABASE.get(app).client.close()
    drop_database(load_config(make_settings(directory, MONGO_URI=direct)))


@pytest.fixture
def provider(app):
    provider = RecordingProvider()
    with changed(context_of(app), payments=Providers(provider)):
        yield provider


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "operation",
    [book, book_with_a_key, confirm, cancel_what_was_paid, accept_a_part, join],
    ids=lambda operation: operation.__name__,
)
def test_a_reply_that_is_lost_loses_nothing(app, db, provider, proxy, operation, command):
    trials = []
    for number in range(1, MAX_COMMANDS):
        world = World(app, db, provider)
        call = operation(world)
        with proxy.losing(command, number) as loss:
            answer = call()
        if not loss.is_done:
            assert answer.status_code < 300
            break
        trials.append(Trial((command, number), world, call, answer))
    if trials:
        check_trials(trials, operation)


def test_a_reply_that_never_comes_is_given_up_in_time(app, db, provider, proxy):
    """The insert is performed, and the client waits less than 3 s for its 503."""
    world = World(app, db, provider)
    call = book(world)
    with proxy.losing("insert", 1, closes=False) as loss:
        answer = call()
    assert loss.is_done
    check_trials([Trial(("insert", 1), world, call, answer)])
