"""Record histories of a real server under faults and check them; needs MONGO_URI.

`python -m tests.histories --seconds 300 --seed 7 --faults kill lose` writes a history to a file and
checks it; `--check FILE` checks one that was written before. The exit code is 1 if it has a fault.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.histories import recording
from tests.histories.checker import find_faults
from tests.histories.nemesis import FAULTS
from tests.race import kit


def main():
    """Record a history or read one, and print its faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.histories", description=__doc__)
    parser.add_argument("--check", type=Path, help="check this file only")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--unguarded", action="store_true", help="sell without guards: a control")
    parser.add_argument("--file", type=Path, default=Path("history.json"))
    arguments = parser.parse_args()
    if arguments.check:
        return report(recording.load(arguments.check.read_text()))
    faults = tuple(arguments.faults)
    options = recording.Options(arguments.seconds, arguments.seed, faults)
    settings = {"UNGUARDED": "1"} if arguments.unguarded else {}
    with (
        tempfile.TemporaryDirectory() as directory,
        recording.running_server(Path(directory), **settings) as (server, proxy),
    ):
        history, caused = recording.record(server, proxy, options)
        arguments.file.write_text(recording.dump(history))
        if not arguments.unguarded:
            kit.assert_consistent(server.context)
    print(f"seed {arguments.seed}: {dict(Counter(caused))}, written to {arguments.file}")
    return report(history)


def report(history):
    """Print the outcomes of the calls and the faults; return 1 if there are any."""
    outcomes = Counter(f"{call.action} {call.outcome} {call.status}" for call in history.calls)
    faults = find_faults(history)
    print("\n".join([f"{len(history.calls)} calls: {dict(outcomes)}", *faults]))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
