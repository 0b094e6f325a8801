"""Mutate the rules, stores and services of a feature, and print the mutants that no test kills.

    .venv/bin/pip install -r requirements-mutation.txt
    nice .venv/bin/python -m tests.mutation inventory

cosmic-ray and `operators` make the mutants. Each one runs in a fork of one pytest process that has
collected the tests and created their application, with the mutated code in place of the function's,
so that a mutant costs a tenth of a second and not the seconds in which the application is imported.
It runs the tests that call its function, first those that have killed a mutant before, until one
fails. A function that is called only while the application is created is not reached. The store is
the embedded one.
"""

import argparse
import builtins
import os
import pickle
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import Phase, settings

from eventapp.core.embedded.locking import StoreLock
from eventapp.core.embedded.persistence import FlushThread
from tests.mutation.mutants import check_operators, list_mutants, record_calls
from tests.mutation.targets import TARGETS

# A mutant may loop for ever. Under other load a test may need minutes, but not of processor time.
CPU_SECONDS, WALL_SECONDS = 15, 300
OUTCOMES = ("killed", "timed out", "survived", "not reached")
TIMED_OUT = "timed out"
NOTE = "_note_call_of_mutated_function"


class MutationRun:
    """A pytest plugin that runs the collected tests once for each mutant."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths, self.survivors, self.counts = paths, [], Counter()
        self.mutants = [mutant for path in paths for mutant in list_mutants(path)]
        self._kills = Counter()

    def pytest_collection(self):
        """Let properties fail with the first example found: to shrink it may take minutes."""
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutation", settings.default, phases=phases, database=None)
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        """Run the tests unchanged, then with each mutant that a test reaches."""
        _create_application(session.items)
        recorded = run_in_fork(lambda: self._record_callers(session.items))
        if recorded == TIMED_OUT or recorded[0]:
            raise pytest.UsageError(f"the tests fail without a mutation: {recorded[0]}")
        callers = recorded[1]
        for mutant in self.mutants:
            self._judge(mutant, session, callers.get((mutant.module, mutant.function), set()))
        return True

    def _judge(self, mutant, session, callers):
        items = [item for item in session.items if item.nodeid in callers]
        items.sort(key=lambda item: -self._kills[item.nodeid])
        killer = run_in_fork(lambda: _run_mutated(mutant, items))
        outcome = {None: "survived", TIMED_OUT: "timed out"}.get(killer, "killed")
        self._kills[killer] += 1
        self.counts[mutant.module, outcome if items else "not reached"] += 1
        if killer is None:
            self.survivors.append(mutant)
            place = f"{mutant.module}:{mutant.line} {mutant.function} ({mutant.operator})"
            print(f"{place}, {len(items)} tests\n    {mutant.change}", flush=True)

    def _record_callers(self, items):
        """Return the first test that fails, and the tests that call each function."""
        callers, current = {}, []
        vars(builtins)[NOTE] = lambda name: callers.setdefault(name, set()).add(current[-1])
        for path in self.paths:
            for function in record_calls(path, NOTE):
                function.install()
        return _run_until_failure(items, current.append), callers


def run_in_fork(function):
    """Return what a function returns in a forked process, or TIMED_OUT if it was ended."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        _use_copied_store()
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(pickle.dumps(function()))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(data) if data else TIMED_OUT


def _use_copied_store():
    """Let this fork use its copy of the documents, and write none of them to the disk."""
    StoreLock.is_in_fork = False
    FlushThread.flush = FlushThread.purge = lambda _thread: None


def _run_mutated(mutant, items):
    mutant.install()
    return _run_until_failure(items, _limit_time)


def _limit_time(_test):
    """Let a signal end this process if the test that begins takes too long."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.alarm(WALL_SECONDS)


def _create_application(items):
    """Run the first test that needs the application, which lasts until the end of the session."""
    if item := next((each for each in items if "app" in each.fixturenames), None):
        _run_until_failure([item])


def _run_until_failure(items, begin=lambda _test: None):
    """Run tests, and return the id of the first that fails, or None.

    The fixtures of the session outlast them.
    """
    last = SimpleNamespace(listchain=lambda: [items[0].session])
    for item, following in zip(items, [*items[1:], last], strict=True):
        begin(item.nodeid)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return item.nodeid
    return None


def main() -> int:
    """Run the mutants of a feature, or of some of its modules; return 1 if any survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("feature", choices=sorted(TARGETS))
    parser.add_argument("modules", nargs="*", type=Path, help="default: all modules of the feature")
    parser.add_argument("--tests", nargs="+", help="default: the tests of the feature")
    options = parser.parse_args()
    os.environ.pop("MONGO_URI", None)
    check_operators()
    target = TARGETS[options.feature]
    paths = [path.resolve() for path in options.modules] or target.list_modules()
    run = MutationRun(paths)
    with tempfile.TemporaryDirectory() as directory:
        arguments = [
            "-s",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            f"--basetemp={directory}/run",
        ]
        code = pytest.main([*arguments, *(options.tests or target.tests)], plugins=[run])
    for module in sorted({mutant.module for mutant in run.mutants}):
        counts = {name: run.counts[module, name] for name in OUTCOMES}
        print(f"{module:40}", ", ".join(f"{count} {name}" for name, count in counts.items()))
    return int(code) or bool(run.survivors)


if __name__ == "__main__":
    sys.exit(main())
