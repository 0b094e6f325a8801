"""Reads that arrive together share a query, and each begins after its caller has arrived."""

import threading
from concurrent.futures import ThreadPoolExecutor

from eventapp.core.batched_reads import BatchedReads


class Table:
    """Rows by number, of which a query returns the doubles. Blocked queries wait for `proceed`."""

    def __init__(self, *, blocked=False):
        self.rows, self.queries = {1, 2, 3}, []
        self.started, self.proceed = threading.Event(), threading.Event()
        if not blocked:
            self.proceed.set()

    def find_many(self, ids):
        self.queries.append(sorted(ids))
        found = {id_: 2 * id_ for id_ in ids if id_ in self.rows}
        self.started.set()
        assert self.proceed.wait(10)
        return found


def make_reads():
    return BatchedReads(Table.find_many)


def test_what_is_not_stored_is_not_found():
    table, reads = Table(), make_reads()
    assert reads.find(table, 2) == 4
    assert reads.find(table, 4) is None
    assert reads.find_many(table, [3, 4, 1]) == {3: 6, 1: 2}
    assert reads.find_many(table, []) == {}
    assert table.queries == [[2], [4], [1, 3, 4]]


def test_reads_that_wait_share_a_query_that_begins_after_them():
    table, reads = Table(blocked=True), make_reads()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(reads.find, table, 4)
        assert table.started.wait(10)
        # The first query has seen no row 4. Whoever arrives now must see it.
        table.rows.add(4)
        others = [pool.submit(reads.find_many, table, ids) for ids in ([4], [1, 9], [4, 2])]
        while len(reads._batcher._queues[table].waiting) < len(others):
            pass
        table.proceed.set()
        assert first.result(10) is None
        assert [each.result(10) for each in others] == [{4: 8}, {1: 2}, {4: 8, 2: 4}]
    assert table.queries == [[4], [1, 2, 4, 9]]


def test_databases_share_no_query():
    first, second, reads = Table(), Table(), make_reads()
    second.rows = {5}
    assert (reads.find(first, 5), reads.find(second, 5)) == (None, 10)
