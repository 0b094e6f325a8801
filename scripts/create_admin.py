"""Make an admin. The password comes from ADMIN_PASSWORD, or else is asked for, twice."""

import argparse
import getpass
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp.accounts import service as accounts
from eventapp.core.access.actor import ADMIN
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from scripts.opened import fail, opened

COMMAND = "create_admin"


def main(arguments: list[str] | None = None) -> int:
    """Make the admin of the command line; 0, or one line on standard error and 1 or 2."""
    asked = _asked(arguments)
    password = _password()
    with opened(COMMAND) as (config, store):
        try:
            accounts.register(
                store.db,
                name=asked.name,
                email=asked.email,
                password=password,
                role=ADMIN,
                now=utc_now(),
                bcrypt_rounds=config.bcrypt_rounds,
            )
        except AppError as error:
            fail(COMMAND, _one_line(error), 1)
    print(f"{asked.email} is an admin")
    return 0


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
        fail(COMMAND, "no password; set ADMIN_PASSWORD or type one", 1)
    if password != again:
        fail(COMMAND, "the two passwords differ", 1)
    return password


def _one_line(error: AppError) -> str:
    said = [f"{field}: {' '.join(words)}" for field, words in (error.errors or {}).items()]
    return "; ".join(said) or error.message


if __name__ == "__main__":
    raise SystemExit(main())
