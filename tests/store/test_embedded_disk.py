"""Persistence of the embedded store: its directory, its file, and its state after a crash."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import ConnectionFailure, DuplicateKeyError, InvalidOperation

from eventapp.core.embedded import persistence
from eventapp.core.embedded.client import open_embedded
from eventapp.core.embedded.locking import EmbeddedStoreBusy
from eventapp.core.embedded.persistence import SqliteFile

ROOT = Path(__file__).parents[2]

# Moves tickets from the event to bookings, with two writes for each, and prints their numbers.
BUSY_SELLER = """
import sys
from pathlib import Path
from eventapp.core.embedded.client import open_embedded
db = open_embedded(Path(sys.argv[1]))["eventapp"]
db["events"].insert_one({"_id": 1, "available": 1_000_000})
for number in range(1_000_000):
    db["events"].update_one({"_id": 1}, {"$inc": {"available": -1}, "$set": {"last": number}})
    db["bookings"].insert_one({"_id": number})
    print(number, flush=True)
"""
IMPORTS = (
    "import sys; from pathlib import Path\n"
    "from eventapp.core.embedded.client import open_embedded\n"
)


def run_python(code: str, directory: Path, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, str(directory)], cwd=ROOT, text=True, **options
    )


def test_data_and_indexes_survive_a_restart(tmp_path: Path) -> None:
    with open_embedded(tmp_path) as client:
        users = client["eventapp"]["users"]
        users.create_index("email", unique=True, name="one_email")
        users.insert_many([{"_id": n, "email": f"{n}@x.org"} for n in range(3)])
        users.delete_one({"_id": 1})
        users.update_one({"_id": 0}, {"$set": {"name": "Ann", "at": datetime(2030, 1, 2)}})
        client["eventapp"].create_collection("empty")

    with open_embedded(tmp_path) as client:
        users = client["eventapp"]["users"]
        assert list(users.find()) == [
            {"_id": 0, "email": "0@x.org", "name": "Ann", "at": datetime(2030, 1, 2, tzinfo=UTC)},
            {"_id": 2, "email": "2@x.org"},
        ]
        assert sorted(client["eventapp"].list_collection_names()) == ["empty", "users"]
        with pytest.raises(DuplicateKeyError):
            users.insert_one({"email": "2@x.org"})


def test_only_its_owner_may_read_the_files(tmp_path: Path) -> None:
    client = open_embedded(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    client.close()
    assert "eventapp.sqlite3-wal" in modes
    assert set(modes.values()) == {0o600}


def test_the_order_of_insertion_survives_a_restart(tmp_path: Path) -> None:
    with open_embedded(tmp_path) as client:
        items = client["a"]["items"]
        items.insert_many([{"_id": n} for n in (5, 3, 9)])
        items.delete_one({"_id": 5})
        items.insert_one({"_id": 5})
    with open_embedded(tmp_path) as client:
        assert [item["_id"] for item in client["a"]["items"].find()] == [3, 9, 5]
        client["a"]["items"].insert_one({"_id": 1})
        assert [item["_id"] for item in client["a"]["items"].find()] == [3, 9, 5, 1]


def test_a_dropped_collection_stays_dropped_after_a_restart(tmp_path: Path) -> None:
    with open_embedded(tmp_path) as client:
        client["a"]["gone"].insert_one({"_id": 1})
        client["b"]["gone"].insert_one({"_id": 1})
        client["c"]["stays"].insert_one({"_id": 1})
    with open_embedded(tmp_path) as client:
        client["a"]["gone"].drop()
        client.drop_database("b")
    with open_embedded(tmp_path) as client:
        assert client.list_database_names() == ["c"]


def test_a_change_is_written_within_half_a_second(tmp_path: Path) -> None:
    with open_embedded(tmp_path) as client:
        client["a"]["items"].insert_one({"_id": 1})
        deadline = time.monotonic() + 0.5
        while count_rows(tmp_path) != 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert count_rows(tmp_path) == 1


def count_rows(directory: Path) -> int:
    connection = sqlite3.connect(directory / "eventapp.sqlite3")
    try:
        return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])
    finally:
        connection.close()


def test_a_killed_process_loses_at_most_a_second_and_leaves_a_consistent_state(
    tmp_path: Path,
) -> None:
    seller = run_python(BUSY_SELLER, tmp_path, stdout=subprocess.PIPE)
    assert seller.stdout
    first = int(seller.stdout.readline())  # On a busy machine the start takes a while.
    started = time.monotonic()
    printed = [(started, first)]
    while time.monotonic() < started + 2.5:
        printed.append((time.monotonic(), int(seller.stdout.readline())))
    os.kill(seller.pid, signal.SIGKILL)
    killed = time.monotonic()
    seller.wait()
    seller.stdout.close()

    with open_embedded(tmp_path) as client:
        event = client["eventapp"]["events"].find_one({"_id": 1})
        bookings = {booking["_id"] for booking in client["eventapp"]["bookings"].find()}
    assert event["available"] == 1_000_000 - (event["last"] + 1)
    # A flush may fall between the two writes of a ticket, and nowhere else.
    assert bookings in (set(range(event["last"] + 1)), set(range(event["last"])))
    safe = max(number for at, number in printed if at < killed - 1)
    assert event["last"] >= safe


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    code = IMPORTS + "open_embedded(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    holder = run_python(code, tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin
    assert holder.stdout
    assert holder.stdout.readline() == "open\n"

    with pytest.raises(EmbeddedStoreBusy) as refusal:
        open_embedded(tmp_path)
    message = str(refusal.value)
    assert all(part in message for part in ("one process", str(tmp_path), "MONGO_URI"))
    assert "\n" not in message

    holder.stdin.close()
    holder.wait()
    holder.stdout.close()
    open_embedded(tmp_path).close()


def test_the_last_changes_are_written_at_exit(tmp_path: Path) -> None:
    code = IMPORTS + "open_embedded(Path(sys.argv[1]))['a']['items'].insert_one({'_id': 1})"
    assert run_python(code, tmp_path).wait() == 0
    assert count_rows(tmp_path) == 1


def test_a_failing_flush_is_reported_and_retried_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write, failing = SqliteFile.write, True

    def write_or_fail(self: SqliteFile, snapshot: Any) -> None:
        if failing:
            raise sqlite3.OperationalError("database or disk is full")
        write(self, snapshot)

    monkeypatch.setattr(SqliteFile, "write", write_or_fail)
    monkeypatch.setattr("eventapp.core.embedded.persistence._RETRY_SECONDS", 0.05)
    with open_embedded(tmp_path) as client:
        client["a"]["items"].insert_one({"_id": 1})
        wait_for(lambda: "disk is full" in caplog.text)
        with pytest.raises(ConnectionFailure, match="disk is full"):
            client.admin.command("ping")
        client["a"]["items"].insert_one({"_id": 2})
        failing = False
        wait_for(lambda: count_rows(tmp_path) == 2)
        assert client.admin.command("ping") == {"ok": 1.0}


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_closed_client_refuses_calls_and_may_be_closed_again(tmp_path: Path) -> None:
    client = open_embedded(tmp_path)
    items = client["a"]["items"]
    client.close()
    client.close()
    with pytest.raises(InvalidOperation):
        items.insert_one({})


def test_a_client_may_be_closed_by_several_threads_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each close would close the lock's descriptor, which may then be that of another file."""
    client = open_embedded(tmp_path)
    thread = client._flush_thread
    assert thread
    stopped, stop = [], thread.stop

    def record_and_stop() -> None:
        stopped.append(1)
        stop()

    monkeypatch.setattr(thread, "stop", record_and_stop)
    threads = [threading.Thread(target=client.close) for _ in range(2)]
    with client._lock.mutex:  # Both begin, and none can finish.
        for each in threads:
            each.start()
        time.sleep(0.05)
    for each in threads:
        each.join()
    assert stopped == [1]
    open_embedded(tmp_path).close()  # It is unlocked.


@pytest.mark.parametrize("error", [InvalidDocument("x"), OverflowError("x"), RuntimeError("x")])
def test_an_unexpected_error_does_not_end_the_flush_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(persistence, "_RETRY_SECONDS", 0.05)
    client = open_embedded(tmp_path)
    thread = client._flush_thread
    assert thread
    write = thread._file.write

    def fail(_snapshot: Any) -> None:
        raise error

    monkeypatch.setattr(thread._file, "write", fail)
    client["a"]["items"].insert_one({"_id": 1})
    wait_for(lambda: thread.failure is error)
    with pytest.raises(ConnectionFailure):
        client["a"].command("ping")
    monkeypatch.setattr(thread._file, "write", write)
    wait_for(lambda: thread.failure is None)
    assert thread.is_alive()
    client.close()
    with open_embedded(tmp_path) as again:
        assert again["a"]["items"].count_documents({}) == 1


def test_purged_data_is_in_no_file(tmp_path: Path) -> None:
    with open_embedded(tmp_path) as client:
        items = client["a"]["items"]
        items.insert_many([{"_id": n, "text": "secret" * n} for n in range(200)])
        client.purge_deleted()
        assert any(b"secret" in path.read_bytes() for path in tmp_path.iterdir())
        items.update_many({"_id": {"$lt": 100}}, {"$set": {"text": ""}})
        items.delete_many({"_id": {"$gte": 100}})
        client.purge_deleted()
        assert not any(b"secret" in path.read_bytes() for path in tmp_path.iterdir())


def test_writes_confirmed_before_the_close_are_kept(tmp_path: Path) -> None:
    client = open_embedded(tmp_path)
    items, done = client["a"]["items"], []

    def insert_until_closed() -> None:
        try:
            while True:
                done.append(items.insert_one({}).inserted_id)
        except InvalidOperation:
            return

    threads = [threading.Thread(target=insert_until_closed) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(done) > 100)
    client.close()
    for thread in threads:
        thread.join()
    with open_embedded(tmp_path) as client:
        assert {one["_id"] for one in client["a"]["items"].find()} == set(done)


def test_a_fork_of_the_process_is_refused(tmp_path: Path) -> None:
    with open_embedded(tmp_path) as client:
        child = os.fork()
        if child == 0:
            try:
                client["a"]["items"].insert_one({})
            except EmbeddedStoreBusy:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_store_in_memory_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_embedded(None) as client:
        client["a"]["items"].insert_one({"at": datetime.now(UTC) + timedelta(days=1)})
    assert list(tmp_path.iterdir()) == []
