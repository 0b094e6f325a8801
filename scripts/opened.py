"""The store that the settings name, opened for one command; what goes wrong is one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pymongo
from pymongo.errors import PyMongoError

from eventapp import prepare_database
from eventapp.config import Config, ConfigError, load_config
from eventapp.core.database import (
    PREPARE_TIMEOUT_SECONDS,
    OpenDatabase,
    is_unavailable,
    open_database,
)
from eventapp.core.embedded import EmbeddedStoreBusy
from eventapp.core.logging import configure_logging


@contextmanager
def opened(command: str) -> Iterator[tuple[Config, OpenDatabase]]:
    """The settings and their store, prepared and closed at the end.

    Ends the process with 2 for wrong settings, 1 where the store is busy or does not answer.
    """
    try:
        config = load_config()
        configure_logging(config)
        database = open_database(config, prepare_database)
        with database.client:
            database.db.command("ping")  # the timeout below would wait for a server that is away
            with pymongo.timeout(PREPARE_TIMEOUT_SECONDS):
                prepare_database(database.db)
            yield config, database
    except ConfigError as error:
        fail(command, error, 2)
    except EmbeddedStoreBusy as error:
        fail(command, error, 1)
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        fail(command, "the database does not answer", 1)


def fail(command: str, reason: object, code: int) -> NoReturn:
    """One line on standard error, and the end."""
    print(f"{command}: {reason}", file=sys.stderr)
    raise SystemExit(code)
