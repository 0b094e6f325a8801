"""Show on a terminal how far a command is, for commands that an operator runs."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def show_progress(total: int, unit: str) -> "tqdm[None]":
    """Return a progress bar on standard error, which shows nothing if that is no terminal.

    It disappears at the end, so only what the command prints stays on the screen.

    Args:
        unit: what is counted, in the plural.
    """
    return tqdm(total=total, unit=f" {unit}", file=sys.stderr, disable=None, leave=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    parser.error("no command; scripts/seed.py and check_inventory.py use it")
