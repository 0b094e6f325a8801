"""Read documents by their ids, with one query for all calls that arrive at the same time.

A document is always read after the call that needs it has arrived. So a call that arrives after a
write was answered always finds what was written.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from eventapp.core.batching import Batcher
from eventapp.core.database import Db

Id = TypeVar("Id", bound=Hashable)
Found = TypeVar("Found")
# Returns what is found under these ids, by id. Ids under which nothing is stored are left out.
FindMany: TypeAlias = Callable[[Db, Collection[Id]], Mapping[Id, Found]]
# The arguments of one `BatchedReads.find_many`.
_Read: TypeAlias = tuple[Db, Collection[Id]]


class BatchedReads(Generic[Id, Found]):
    """Reads of one kind. Calls for the same database share queries."""

    def __init__(self, find_many: FindMany[Id, Found]) -> None:
        self._find_many = find_many
        self._batcher: Batcher[_Read[Id], Mapping[Id, Found]] = Batcher(self._find_batch)

    def find(self, db: Db, id_: Id) -> Found | None:
        """Return what is stored under this id, None if there is nothing."""
        return self.find_many(db, (id_,)).get(id_)

    def find_many(self, db: Db, ids: Collection[Id]) -> dict[Id, Found]:
        """Return what is stored under these ids, by id. Without ids no query is made."""
        if not ids:
            return {}
        found = self._batcher.submit(db, (db, ids))
        return {id_: found[id_] for id_ in ids if id_ in found}

    def _find_batch(
        self, _key: Hashable, reads: Sequence[_Read[Id]]
    ) -> Sequence[Mapping[Id, Found]]:
        """Return what is found under the ids of all these reads, to each of them."""
        db, ids = reads[0]
        if len(reads) > 1:
            ids = {id_ for _, each in reads for id_ in each}
        return [self._find_many(db, ids)] * len(reads)
