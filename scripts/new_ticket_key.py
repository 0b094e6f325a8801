"""Sign tickets with a new key, where the old one may have leaked.

Every code given out before, in mails and on paper too, is refused from then on. Holders find the
new codes in their bookings; who was checked in stays so; offline scanners must fetch their list.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp.core.clock import utc_now
from eventapp.tickets.signing_key import replace_key
from scripts.opened import fail, opened

COMMAND = "new_ticket_key"


def main(arguments: list[str] | None = None) -> int:
    """Replace the key, where the command line says that all codes may end; the public half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--yes", action="store_true", help="end all codes given out so far")
    if not parser.parse_args(arguments).yes:
        fail(COMMAND, "this ends all tickets' codes given out so far; say so with --yes", 1)
    with opened(COMMAND) as (_config, store):
        print(f"tickets are signed by a new key: {replace_key(store.db, utc_now()).public_key}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
