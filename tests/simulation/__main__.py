"""Run histories by their seeds.

`python -m tests.simulation --count 100000` runs as many as one likes and stops at the first that
fails. `python -m tests.simulation SEED` repeats one and prints each step, and with `--shrink` those
of the shortest history that fails in the same way. `--without GUARD` takes one of the guards in
`mutations` out of the application first: a history must then fail.
"""

import argparse
import logging
import os
import sys
import time
from contextlib import nullcontext

import structlog

from tests.simulation.history import History, open_store
from tests.simulation.mutations import MUTATIONS, mutated
from tests.simulation.shrinking import shrink
from tests.simulation.store import SimulatedStore

FAILED = 1


def main() -> int:
    """Run one history with its trace, or many until one fails; return 0 if none failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", help="repeat this history, with its trace")
    parser.add_argument("--shrink", action="store_true", help="shorten it if it fails")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--count", type=int, default=2000, help="how many seeds to run")
    parser.add_argument("--without", choices=sorted(MUTATIONS), help="a guard to take out")
    arguments = parser.parse_args()
    _fix_order_of_sets()
    # The faults that a history injects are no news.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    store = open_store()
    with mutated(arguments.without) if arguments.without else nullcontext():
        if arguments.seed is not None:
            return run_with_trace(store, arguments.seed, is_shrunk=arguments.shrink)
        return run_many(store, range(arguments.first, arguments.first + arguments.count))


def _fix_order_of_sets() -> None:
    """Start Python again with a fixed hash seed, on which the order of sets of strings depends."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])


def run_many(store: SimulatedStore, seeds: range) -> int:
    """Run histories until one fails."""
    started = time.perf_counter()
    for seed in seeds:
        try:
            History(store, seed).run()
        except AssertionError as error:
            print(f"seed {seed}: {error}\nrepeat it by: python -m tests.simulation {seed} --shrink")
            return FAILED
    print(f"{len(seeds)} histories in {time.perf_counter() - started:.0f} s")
    return 0


def run_with_trace(store: SimulatedStore, seed: int, *, is_shrunk: bool) -> int:
    """Run one history and print what happened.

    Args:
        is_shrunk: print the shortest history that fails as this one does, if it fails.
    """
    if is_shrunk and (shortest := shrink(store, seed)):
        return _print(shortest)
    history = History(store, seed)
    try:
        history.run()
    except AssertionError as error:
        history.failure = error
    return _print(history)


def _print(history: History) -> int:
    """Print the trace of a history that has ended; return the exit code."""
    print(*history.scheduler.trace, sep="\n")
    if history.failure is None:
        return 0
    print(f"seed {history.seed}, {history.scheduler.steps} steps: {history.failure}")
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
