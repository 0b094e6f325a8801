"""Sign tickets with a new key, for the case that the old one may have leaked.

From then on the server refuses every ticket code made before, also in mails and on paper. Holders
find new codes in their bookings. Check-ins stay as they are. Scanners that work offline must fetch
their list of tickets again.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp.core.clock import utc_now
from eventapp.tickets.signing_key import replace_key
from scripts.configured_database import exit_with_error, open_configured_database

COMMAND = "new_ticket_key"


def main(arguments: list[str] | None = None) -> int:
    """Replace the key if --yes is given, print the new public key, and return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--yes", action="store_true", help="confirm that all ticket codes made so far end"
    )
    if not parser.parse_args(arguments).yes:
        exit_with_error(
            COMMAND, "all ticket codes made so far would end; confirm this with --yes", 1
        )
    with open_configured_database(COMMAND) as (_config, database):
        print(f"tickets are signed by a new key: {replace_key(database.db, utc_now()).public_key}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
