"""Run tasks in one thread, and choose at each of their calls of the store which one runs next.

A task is a greenlet: it runs until it calls `Scheduler.pause`, and no other code runs meanwhile. So
the order of all steps follows from the seed. A killed process never runs again: not even the
`finally` blocks of its tasks.
"""

import random
import time
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from bson import ObjectId, objectid
from greenlet import getcurrent, greenlet

from eventapp.bookings.sales import batches
from eventapp.core.batched_reads import BatchedReads
from eventapp.core.database import server_clock

# The moment at which every history begins.
START = datetime(2030, 6, 1, 12, tzinfo=UTC)
# A step takes up to this time, in seconds.
MAX_STEP_SECONDS = 0.02
# A history with more steps than this never comes to rest.
MAX_STEPS = 60_000


class Killed(BaseException):
    """Unwinds a task of a killed process after the history has ended."""


class NeverAtRest(AssertionError):
    """The tasks wait for each other, or do not end."""


@dataclass
class Process:
    """A simulated process of the application.

    Attributes:
        name: appears in the trace.
        clock_error: what its clock shows more than the true time.
        is_alive: False once it was killed.
    """

    name: str
    clock_error: timedelta = timedelta()
    is_alive: bool = True


@dataclass(eq=False)
class Task:
    """What one thread of a process, or one client, does.

    Attributes:
        process: the process that the task dies with; None for a client.
        is_ready: whether the task may go on.
        wake_at: when the task may go on in any case, in seconds since START.
    """

    name: str
    process: Process | None
    greenlet: Any
    is_ready: Callable[[], bool] | None = None
    wake_at: float = 0.0
    error: BaseException | None = None
    is_done: bool = False


@dataclass
class Faults:
    """How often faults happen: the probability at each call of the store.

    Attributes:
        kill: the calling process is killed.
        suspend: the caller stands still for a minute.
        lose_request: the call is not executed, and fails.
        lose_reply: the call is executed, and fails all the same.
    """

    kill: float = 0.0
    suspend: float = 0.0
    lose_request: float = 0.0
    lose_reply: float = 0.0


@dataclass
class Scheduler:
    """Runs the tasks of one history.

    Attributes:
        now: seconds since START.
        check: called after each step; raises AssertionError if an invariant does not hold.
        trace: one line for each step and fault.
        random: the random numbers that decide everything.
        steps: how many steps there were.
        max_steps: a history with more steps fails.
    """

    seed: int
    random: random.Random
    faults: Faults = field(default_factory=Faults)
    check: Callable[[], None] = lambda: None
    now: float = 0.0
    trace: list[str] = field(default_factory=list)
    steps: int = 0
    max_steps: int = MAX_STEPS

    def __post_init__(self) -> None:
        self._tasks: list[Task] = []
        self._dead: list[Task] = []
        self._current: Task | None = None
        self._main = getcurrent()

    # What tasks call.

    @property
    def current(self) -> Task | None:
        """The task that runs, or None if the code that set up the history does."""
        return self._current

    @property
    def process(self) -> Process | None:
        """The process of the task that runs; None for a client."""
        return self._current.process if self._current else None

    def time_of(self, process: Process | None = None) -> datetime:
        """Return what the clock of a process shows, truncated as the store keeps it."""
        error = process.clock_error if process else timedelta()
        moment = START + timedelta(seconds=self.now) + error
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def spawn(self, name: str, function: Callable[[], None], process: Process | None) -> Task:
        """Add a task, which runs once the scheduler chooses it."""
        # The parent of a greenlet goes on when it ends. That must not be the task that made it.
        task = Task(name, process, greenlet(function, self._main))
        self._tasks.append(task)
        return task

    def pause(self, until: Callable[[], bool] | None = None, seconds: float | None = None) -> None:
        """Let others run, until a condition holds or a time has passed; for None a moment only.

        Raises:
            Killed: the history has ended and this task belongs to a killed process.
        """
        task = self._current
        if task is None or task.greenlet is not getcurrent():
            return  # Code that sets up or checks a history does not wait.
        task.is_ready = until
        if seconds is not None:
            task.wake_at = self.now + seconds
        else:
            task.wake_at = float("inf") if until else 0.0
        self._main.switch()

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        name = self._current.name if self._current else "scheduler"
        self.trace.append(f"{self.now:9.2f} {name}: {text}")

    def kill(self, process: Process) -> None:
        """Kill a process: its tasks never run again."""
        self.note(f"kill {process.name}")
        process.is_alive = False
        self._dead += [task for task in self._tasks if task.process is process]
        self._tasks = [task for task in self._tasks if task.process is not process]
        if self._current in self._dead:
            self._main.switch()

    # Running.

    def run(self, until: Callable[[], bool]) -> None:
        """Run the tasks until a condition holds.

        Raises:
            AssertionError: an invariant does not hold, or the tasks never come to rest.
        """
        while self.steps <= self.max_steps:
            if until():
                return
            self.steps += 1
            self._run_step(self._choose())
            self.check()
        raise NeverAtRest("the history does not end")

    def _choose(self) -> Task:
        ready = self._list_ready()
        if not ready:
            wake_at = min((task.wake_at for task in self._tasks), default=float("inf"))
            if wake_at == float("inf"):
                raise NeverAtRest("all tasks wait for each other")
            self.now = wake_at
            ready = self._list_ready()
        return self.random.choice(ready)

    def _list_ready(self) -> list[Task]:
        now = self.now
        return [
            task
            for task in self._tasks
            if task.wake_at <= now or (task.is_ready and task.is_ready())
        ]

    def _run_step(self, task: Task) -> None:
        self.now += self.random.uniform(0, MAX_STEP_SECONDS)
        self._current = task
        try:
            task.greenlet.switch()
        finally:
            self._current = None
        if task.greenlet.dead:
            task.is_done = True
            self._tasks.remove(task)

    def end(self) -> None:
        """Unwind all tasks. The store refuses what they still try to write."""
        for task in [*self._tasks, *self._dead]:
            task.process = Process("ended", is_alive=False)
            self._current = task
            while not task.greenlet.dead:
                with suppress(Killed):
                    task.greenlet.throw(Killed)
        self._current = None


class SimulatedLock:
    """Stands in for `threading.Lock`: a task that waits for it lets other tasks run."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._is_locked = scheduler, False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock. Return False if it is not free, or not within `timeout` seconds."""
        if self._is_locked and blocking:
            seconds = None if timeout < 0 else timeout
            self._scheduler.pause(lambda: not self._is_locked, seconds)
        if self._is_locked:
            return False
        self._is_locked = True
        return True

    def release(self) -> None:
        """Free the lock."""
        self._is_locked = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def _read_alone(reads: Any, db: Any, ids: Any) -> Any:
    """Read without a batch, in the place of `BatchedReads.find_many`."""
    found = reads._find_many(db, ids) if ids else {}
    return {id_: found[id_] for id_ in ids if id_ in found}


@contextmanager
def simulated_time(
    scheduler: Scheduler, uses: list[tuple[types.ModuleType, str]]
) -> Iterator[None]:
    """Use the scheduler's clock and locks in place of `time` and `threading`.

    Args:
        uses: the modules that use one of the two, and its name.
    """
    fake_time = types.SimpleNamespace(
        monotonic=lambda: scheduler.now,
        perf_counter=lambda: scheduler.now,
        sleep=lambda seconds: scheduler.pause(seconds=seconds),
        time_ns=time.time_ns,  # No check compares the times that are read from it.
    )
    id_time = types.SimpleNamespace(time=lambda: START.timestamp() + scheduler.now)
    fake_threading = types.SimpleNamespace(Lock=lambda: SimulatedLock(scheduler))

    def tell_true_time(_db: Any) -> datetime:
        return scheduler.time_of()

    def tell_process_time() -> datetime:
        return scheduler.time_of(scheduler.process)

    fakes = {"time": fake_time, "threading": fake_threading}
    patches = [
        # The ids of documents follow from the seed, too.
        mock.patch.object(objectid, "time", id_time),
        mock.patch.object(ObjectId, "_inc", 0),
        mock.patch.object(ObjectId, "_random", return_value=bytes(5)),
        # So do the references of bookings, from numbers of their own.
        mock.patch.object(batches, "secrets", random.Random(scheduler.seed)),
        # The database's clock shows the true time, and a process measures how far its own is off.
        mock.patch.object(server_clock, "read_server_time", tell_true_time),
        mock.patch.object(server_clock, "utc_now", tell_process_time),
        # These batches are global, and all simulated processes are in one. A killed process would
        # leave a batch that never ends to the others.
        mock.patch.object(BatchedReads, "find_many", _read_alone),
        *(mock.patch.object(module, name, fakes[name]) for module, name in uses),
    ]
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield
