"""Open the database that the settings name, for a command that an operator runs."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import pymongo
from pymongo.errors import PyMongoError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp import prepare_database
from eventapp.config import Config, ConfigError, load_config
from eventapp.core.database import (
    PREPARE_TIMEOUT_SECONDS,
    OpenDatabase,
    SchemaTooNew,
    is_unavailable,
    open_database,
)
from eventapp.core.embedded.locking import EmbeddedStoreBusy
from eventapp.core.logging import configure_logging


def require_server(command: str, reason: str) -> None:
    """End the process with one line on standard error if the settings name no MongoDB server.

    Args:
        reason: why the command does not use the embedded store.

    Raises:
        SystemExit: 2 if MONGO_URI is not set, or a setting is wrong.
    """
    try:
        if load_config().mongo_uri is None:
            exit_with_error(command, reason, 2)
    except ConfigError as error:
        exit_with_error(command, error, 2)


@contextmanager
def open_configured_database(
    command: str, *, is_dry_run: bool = False
) -> Iterator[tuple[Config, OpenDatabase]]:
    """Yield the settings and their database with its indexes made, and close it at the end.

    Expected failures end the process with one line on standard error.

    Args:
        command: the name of the command, with which the line begins.
        is_dry_run: make no indexes and migrate nothing.

    Raises:
        SystemExit: 2 if a setting is wrong; 1 if the embedded store is in use by another process,
            the database is of a newer version or does not answer, also within the `with` block.
    """
    try:
        config = load_config()
        configure_logging(config)
        prepare = partial(prepare_database, default_zone=config.default_zone)
        database = open_database(config, prepare)
        with database.client:
            # The ping fails within seconds if the server is away. Without it, making the indexes
            # would wait for the whole timeout below.
            database.db.command("ping")
            if not is_dry_run:
                with pymongo.timeout(PREPARE_TIMEOUT_SECONDS):
                    prepare(database.db)
            yield config, database
    except ConfigError as error:
        exit_with_error(command, error, 2)
    except (EmbeddedStoreBusy, SchemaTooNew) as error:
        exit_with_error(command, error, 1)
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        exit_with_error(command, "the database does not answer", 1)


def exit_with_error(command: str, reason: object, code: int) -> NoReturn:
    """Print one line on standard error and end the process with this exit code."""
    print(f"{command}: {reason}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    parser.error("no command; scripts/seed.py, worker.py and others use it")
