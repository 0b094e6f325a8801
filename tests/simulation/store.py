"""The embedded store of a simulation: each operation is one step, and may fail."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from pymongo.errors import AutoReconnect

from eventapp.core.embedded.client import EmbeddedClient
from eventapp.core.embedded.locking import StoreLock
from eventapp.core.embedded.storage import ChangeLog, CollectionStore
from eventapp.core.failpoints import set_failpoint_hook
from tests.simulation.scheduler import Killed, Process, Scheduler

SUSPENDED_SECONDS = 60.0
# Processes die between two writes of a protocol this many times as often as elsewhere.
FAILPOINT_LIKELIHOOD = 12


def interrupt(scheduler: Scheduler, process: Process, likelihood: float = 1.0) -> None:
    """Let other tasks run; maybe kill the process or suspend the task.

    Args:
        likelihood: by what factor these two are more likely than at an ordinary step.
    """
    chance, faults = scheduler.random.random() / likelihood, scheduler.faults
    if chance < faults.kill:
        scheduler.kill(process)
    elif chance < faults.kill + faults.suspend:
        scheduler.note("suspended")
        scheduler.pause(seconds=SUSPENDED_SECONDS)
    else:
        scheduler.pause()


@contextmanager
def failpoints(scheduler: Scheduler) -> Iterator[None]:
    """Make the failpoints of the protocols steps at which processes often die."""

    def stop_at(name: str) -> None:
        task = scheduler.current
        if task and task.process:
            scheduler.note(f"failpoint {name}")
            interrupt(scheduler, task.process, FAILPOINT_LIKELIHOOD)

    set_failpoint_hook(stop_at)
    try:
        yield
    finally:
        set_failpoint_hook(None)


class SimulatedStoreLock(StoreLock):
    """The lock of the embedded store, which lets other tasks run before and after an operation.

    Attributes:
        scheduler: the scheduler of the current history; None while none runs.
    """

    def __init__(self) -> None:
        super().__init__(directory=None)
        self.scheduler: Scheduler | None = None

    def __enter__(self) -> None:
        if self._depth == 0:
            self._begin()
        super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._depth == 0:
            self._end(failed=error[0] is not None)

    def _begin(self) -> None:
        scheduler = self.scheduler
        task = scheduler.current if scheduler else None
        if scheduler is None or task is None or task.process is None:
            return
        if not task.process.is_alive:
            raise Killed
        interrupt(scheduler, task.process)
        if scheduler.random.random() < scheduler.faults.lose_request:
            scheduler.note("request lost")
            raise AutoReconnect("the request was lost")

    def _end(self, *, failed: bool) -> None:
        scheduler = self.scheduler
        task = scheduler.current if scheduler else None
        if scheduler is None or task is None or task.process is None or failed:
            return
        if scheduler.random.random() < scheduler.faults.lose_reply:
            scheduler.note("reply lost")
            raise AutoReconnect("the reply was lost")
        scheduler.pause()


class WriteCounter(ChangeLog):
    """Counts the documents that were written or deleted, by the name of their collection."""

    def __init__(self) -> None:
        super().__init__(is_active=False)
        self.counts: Counter[str] = Counter()

    def record_document(self, row: int, store: CollectionStore, key: Hashable) -> None:
        """Count a document that was written or deleted."""
        self.counts[store.name] += 1


class SimulatedStore:
    """An embedded store in memory whose operations are steps of a scheduler.

    Attributes:
        db: its database.
        write_counts: how many documents were written, by collection.
    """

    def __init__(self, prepare: Callable[[Any], None]) -> None:
        """Open the store; `prepare` creates its collections and indexes."""
        self.db: Any = EmbeddedClient(None).get_database("simulation")
        prepare(self.db)
        self._lock = SimulatedStoreLock()
        changes = WriteCounter()
        self.write_counts = changes.counts
        self._documents: dict[str, dict[Hashable, dict[str, Any]]] = {}
        for name in self.db.list_collection_names():
            store: CollectionStore = self.db[name]._operations.store
            store._changes = changes
            self._documents[name] = store._documents
            # The lock of the database stays as it is: naming a collection is not an operation.
            self.db[name]._lock = self._lock

    def use(self, scheduler: Scheduler | None) -> None:
        """Make the following operations steps of this scheduler; None to end that."""
        self._lock.scheduler = scheduler

    def clear(self) -> None:
        """Delete all documents, but keep the indexes."""
        for name, documents in self._documents.items():
            if documents:
                self.db[name].delete_many({})

    def read(self, collection: str) -> list[dict[str, Any]]:
        """Return the stored documents themselves, not copies, without a step of the scheduler."""
        return list(self._documents[collection].values())
