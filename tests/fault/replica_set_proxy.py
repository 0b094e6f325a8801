"""A server without replication as a replica set of two members that fails on demand.

Two proxies to the same server take the roles of primary and secondary, as their answers to `hello`
say. So the driver has sessions, retries a write, and looks for a new primary. As in MongoDB, the
reply to a retryable write is remembered by its session and its number, and is the answer to a
repetition of that write.
"""

import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from bson import Int64, ObjectId
from pymongo import MongoClient

from tests.fault import wire
from tests.fault.failures import (
    INTERRUPTED_BY_STEP_DOWN,
    NOT_PRIMARY_NO_SECONDARY_OK,
    NOT_WRITABLE_PRIMARY,
    URI_OPTIONS,
    Failure,
)
from tests.live import TcpProxy

SET_NAME = "proxied"
HELLO = ("hello", "ismaster", "isMaster")
# Any member answers these. Every other command is for the primary.
FOR_ANY_MEMBER = ("ping", "buildInfo", "endSessions", "getMore", "killCursors")
READS = ("find", "aggregate", "count", "distinct", "listIndexes", "listCollections")
# How long there is no primary after a step-down. An election takes about as long.
ELECTION_SECONDS = 2.5
# How long to wait for the commands that are to fail.
FAIL_SECONDS = 20.0
# The sizes that a server tells its clients.
LIMITS = ("maxBsonObjectSize", "maxMessageSizeBytes", "maxWriteBatchSize", "maxWireVersion")


class _Session:
    """The last retryable write of a session: its number, and its reply if it was made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.number, self.reply = -1, dict[str, Any]()


class _Member(TcpProxy):
    """A member of the replica set."""

    def __init__(self, replica_set: "ReplicaSetProxy", host: str, port: int) -> None:
        super().__init__(host, port)
        self.address = f"127.0.0.1:{self.port}"
        self.process_id = ObjectId()
        self._replica_set = replica_set

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            # One thread handles both directions, because a request has one reply.
            if target.getpeername()[1] != self.target[1]:
                return
            while request := wire.receive(source):
                reply = self._replica_set.answer(self, request, target)
                if reply is None:
                    break
                source.sendall(wire.encode_reply(request, reply))
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class ReplicaSetProxy:
    """The replica set. It implements `FailingReplicaSet`.

    Attributes:
        repeated: how many retryable writes came again and were answered from memory.
    """

    def __init__(self, host: str, port: int) -> None:
        self._members = [_Member(self, host, port) for _ in range(2)]
        with MongoClient(host, port, directConnection=True) as client:
            hello = client.admin.command("hello")
        self._limits = {name: hello[name] for name in LIMITS}
        self._changed = threading.Condition()
        self._primary: _Member | None = self._members[0]
        self._term, self._version = 1, 1
        self._sessions: dict[bytes, _Session] = {}
        self._failure, self._command, self._remaining = Failure(None), "", 0
        self.repeated = 0

    def __enter__(self) -> "ReplicaSetProxy":
        for member in self._members:
            member.restore()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.cut()

    def make_uri(self, database: str) -> str:
        """Return the URI of a database of the replica set."""
        hosts = ",".join(member.address for member in self._members)
        return f"mongodb://{hosts}/{database}?replicaSet={SET_NAME}&{URI_OPTIONS}"

    def fail(self, command: str, failure: Failure, times: int) -> None:
        """Make the next `times` commands of this name fail, and return once they have."""
        with self._changed:
            self._command, self._failure, self._remaining = command, failure, times
            have_failed = self._changed.wait_for(lambda: not self._remaining, FAIL_SECONDS)
            self._remaining = 0
        assert have_failed, f"no {command} came"

    def step_down(self) -> None:
        """Let the primary step down; then the other member is the primary."""
        old = self._elect(None)
        time.sleep(ELECTION_SECONDS)
        self._elect(next(member for member in self._members if member is not old))

    def _elect(self, member: _Member | None) -> _Member | None:
        with self._changed:
            old, self._primary = self._primary, member
            self._version += 1
            self._term += member is not None
            self._changed.notify_all()
        return old

    def answer(
        self, member: _Member, request: wire.Message, server: socket.socket
    ) -> dict[str, Any] | None:
        """Return the reply to a request; None to close the connection."""
        name = request.name
        if name in HELLO:
            return self._say_hello(member, request.body)
        if name in FOR_ANY_MEMBER:
            return _ask(server, request)
        if self._primary is not member:
            is_read = name in READS
            code = NOT_PRIMARY_NO_SECONDARY_OK if is_read else NOT_WRITABLE_PRIMARY
            return self._refuse(member, request, code)
        failure = self._take_failure(name)
        if failure and not failure.is_write_done:
            return failure.code and self._refuse(member, request, failure.code)
        reply = self._perform(request, server)
        if failure:
            return failure.code and _add_concern_error(request, reply, failure.code)
        if self._primary is not member and name not in READS:
            # The write was made, but not confirmed by a majority before the step-down.
            return _add_concern_error(request, reply, INTERRUPTED_BY_STEP_DOWN)
        return reply

    def _say_hello(self, member: _Member, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a `hello`, which may wait for a version of the topology that it does not know."""
        with self._changed:
            if known := body.get("topologyVersion"):
                self._changed.wait_for(
                    lambda: known != self._describe_version(member), body["maxAwaitTimeMS"] / 1000
                )
            is_primary = self._primary is member
            return {
                **self._limits,
                **{"helloOk": True, "isWritablePrimary": is_primary, "ismaster": is_primary},
                **{"secondary": not is_primary, "readOnly": not is_primary},
                **{"setName": SET_NAME, "setVersion": 1, "me": member.address},
                "hosts": [each.address for each in self._members],
                **({"electionId": ObjectId(f"{self._term:024x}")} if is_primary else {}),
                **{"minWireVersion": 0, "logicalSessionTimeoutMinutes": 30},
                "topologyVersion": self._describe_version(member),
                "localTime": datetime.now(UTC),
                "ok": 1.0,
            }

    def _describe_version(self, member: _Member) -> dict[str, Any]:
        return {"processId": member.process_id, "counter": Int64(self._version)}

    def _take_failure(self, name: str) -> Failure | None:
        with self._changed:
            if name != self._command or not self._remaining:
                return None
            self._remaining -= 1
            self._changed.notify_all()
            return self._failure

    def _refuse(self, member: _Member, request: wire.Message, code: int) -> dict[str, Any]:
        with self._changed:
            version = self._describe_version(member)
        error = {"ok": 0.0, "code": code, "errmsg": "refused by the proxy"}
        return {**error, **_make_labels(request, code), "topologyVersion": version}

    def _perform(self, request: wire.Message, server: socket.socket) -> dict[str, Any]:
        """Perform a command; a retryable write only if it is not a repetition."""
        number = request.body.get("txnNumber")
        if number is None:
            return _ask(server, request)
        with self._changed:
            session = self._sessions.setdefault(request.body["lsid"]["id"], _Session())
        with session.lock:
            if number == session.number:
                self.repeated += 1
                return session.reply
            reply = _ask(server, request)
            if reply["ok"]:
                session.number, session.reply = number, reply
            return reply


def _ask(server: socket.socket, request: wire.Message) -> dict[str, Any]:
    """Return the reply of the server, which knows no retryable writes.

    Raises:
        ConnectionError: the server has closed the connection.
    """
    body = {name: value for name, value in request.body.items() if name != "txnNumber"}
    server.sendall(wire.encode_request(request, body))
    if (reply := wire.receive(server)) is None:
        raise ConnectionError("the server has closed the connection")
    return reply.body


def _make_labels(request: wire.Message, code: int) -> dict[str, list[str]]:
    labels = Failure(code).labels if "txnNumber" in request.body else []
    return {"errorLabels": labels} if labels else {}


def _add_concern_error(request: wire.Message, reply: dict[str, Any], code: int) -> dict[str, Any]:
    if not reply["ok"]:
        return reply
    error = {"code": code, "errmsg": "not replicated, says the proxy"}
    return {**reply, **_make_labels(request, code), "writeConcernError": error}
