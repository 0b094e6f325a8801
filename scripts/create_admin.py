"""Create an admin. The password is ADMIN_PASSWORD; if that is not set, it is asked for twice."""

import argparse
import getpass
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp.accounts import service as accounts
from eventapp.accounts.mail_requests import SEAL_PURPOSE
from eventapp.core.access.sealing import Sealer
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.core.roles import ADMIN
from scripts.configured_database import exit_with_error, open_configured_database

COMMAND = "create_admin"


def main(arguments: list[str] | None = None) -> int:
    """Create the admin that the command line describes.

    Returns 0, or ends the process with one line on standard error and the code 1 or 2.
    """
    options = parse_options(arguments)
    password = read_password()
    with open_configured_database(COMMAND) as (config, database):
        try:
            accounts.register(
                database.db,
                name=options.name,
                email=options.email,
                password=password,
                role=ADMIN,
                now=utc_now(),
                bcrypt_rounds=config.bcrypt_rounds,
                sealer=Sealer(config.jwt_secret, SEAL_PURPOSE),
            )
        except AppError as error:
            exit_with_error(COMMAND, format_error(error), 1)
    print(f"{options.email} is an admin")
    return 0


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--email", required=True)
    return parser.parse_args(arguments)


def read_password() -> str:
    """Return ADMIN_PASSWORD, or else what is typed twice at the terminal without being shown."""
    password = os.environ.get("ADMIN_PASSWORD")
    if password:
        return password
    try:
        password = getpass.getpass("Password: ")
        repeated = getpass.getpass("Once more: ")
    except (EOFError, KeyboardInterrupt):
        exit_with_error(COMMAND, "no password; set ADMIN_PASSWORD or type one", 1)
    if password != repeated:
        exit_with_error(COMMAND, "the two passwords differ", 1)
    return password


def format_error(error: AppError) -> str:
    """Return the error in one line, with its message for each field if it has any."""
    by_field = error.errors or {}
    lines = [f"{field}: {' '.join(messages)}" for field, messages in by_field.items()]
    return "; ".join(lines) or error.message


if __name__ == "__main__":
    raise SystemExit(main())
