"""Make an admin. The password comes from ADMIN_PASSWORD, or else is asked for, twice."""

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import NoReturn

from pymongo.errors import PyMongoError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp import prepare
from eventapp.accounts import service as accounts
from eventapp.config import ConfigError, load_config
from eventapp.core.clock import utc_now
from eventapp.core.embedded import EmbeddedStoreBusy
from eventapp.core.errors import AppError
from eventapp.core.mongo import is_unavailable, open_store
from eventapp.core.security import ADMIN


def main(arguments: list[str] | None = None) -> int:
    """Make the admin of the command line; 0, or one line on standard error and 1 or 2."""
    asked = _asked(arguments)
    try:
        create(asked.name, asked.email, _password())
    except ConfigError as error:
        _fail(error, 2)
    except EmbeddedStoreBusy as error:
        _fail(error, 1)
    except AppError as error:
        _fail(_one_line(error), 1)
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        _fail("the database does not answer", 1)
    print(f"{asked.email} is an admin")
    return 0


def create(name: str, email: str, password: str) -> None:
    """Add the account to the database that the settings name.

    Raises:
        ConfigError, EmbeddedStoreBusy, AppError, PyMongoError: nothing was written.
    """
    config = load_config()
    store = open_store(config, prepare)
    with store.client:
        prepare(store.db)
        accounts.register(
            store.db,
            name=name,
            email=email,
            password=password,
            role=ADMIN,
            now=utc_now(),
            rounds=config.bcrypt_rounds,
        )


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--email", required=True)
    return parser.parse_args(arguments)


def _password() -> str:
    given = os.environ.get("ADMIN_PASSWORD")
    if given:
        return given
    try:
        password = getpass.getpass("Password: ")
        again = getpass.getpass("Once more: ")
    except (EOFError, KeyboardInterrupt):
        _fail("no password; set ADMIN_PASSWORD or type one", 1)
    if password != again:
        _fail("the two passwords differ", 1)
    return password


def _one_line(error: AppError) -> str:
    said = [f"{field}: {' '.join(words)}" for field, words in (error.errors or {}).items()]
    return "; ".join(said) or error.message


def _fail(reason: object, code: int) -> NoReturn:
    print(f"create_admin: {reason}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    raise SystemExit(main())
