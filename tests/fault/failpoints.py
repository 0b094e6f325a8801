"""Failures of a real replica set, by the failpoints of MongoDB.

Its servers run with `--setParameter enableTestCommands=1`.
"""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from eventapp.core.database.client import CLIENT_OPTIONS
from tests.fault.failures import URI_OPTIONS, Failure
from tests.live import eventually

FAIL_MILLISECONDS = 20_000
# The old primary is no candidate for so long, and waits for a secondary up to half of it.
STEP_DOWN_SECONDS = 10
ELECTION_SECONDS = 30


class FailpointReplicaSet:
    """The replica set that a URI names. It implements `FailingReplicaSet`."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri)

    def __enter__(self) -> "FailpointReplicaSet":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def make_uri(self, database: str) -> str:
        """Return the URI of a database of the replica set."""
        parts = urlsplit(self._uri)
        query = f"{parts.query}&{URI_OPTIONS}"
        return urlunsplit(parts._replace(path=f"/{database}", query=query))

    def fail(self, command: str, failure: Failure, times: int) -> None:
        """Make the next `times` commands of this name fail, and return once they have.

        A connection that closes after the write fails every kind of retryable write.
        """
        closes_after_write = failure.code is None and failure.is_write_done
        name = "onPrimaryTransactionalWrite" if closes_after_write else "failCommand"
        data = {} if closes_after_write else _describe(command, failure)
        admin = self._client.admin
        mode = {"times": times}
        count = admin.command({"configureFailPoint": name, "mode": mode, "data": data})["count"]
        entered = {"timesEntered": count + times, "maxTimeMS": FAIL_MILLISECONDS}
        try:
            admin.command({"waitForFailPoint": name, **entered})
        finally:
            admin.command({"configureFailPoint": name, "mode": "off"})

    def step_down(self) -> None:
        """Let the primary step down. Return when there is a new one."""
        old = self._client.primary
        command = {"replSetStepDown": STEP_DOWN_SECONDS, "force": True}
        with suppress(AutoReconnect):  # It may close the connection when it steps down.
            self._client.admin.command(
                {**command, "secondaryCatchUpPeriodSecs": STEP_DOWN_SECONDS // 2}
            )
        eventually(lambda: self._client.primary not in (None, old), ELECTION_SECONDS)


def _describe(command: str, failure: Failure) -> dict[str, Any]:
    """Return the `data` of the failpoint `failCommand`, which concerns server processes only."""
    data = {"failCommands": [command], "appName": CLIENT_OPTIONS["appname"]}
    if failure.code is None:
        return {**data, "closeConnection": True}
    data["errorLabels"] = failure.labels
    if failure.is_write_done:
        error = {"code": failure.code, "errmsg": "not replicated, says the failpoint"}
        return {**data, "writeConcernError": error}
    return {**data, "errorCode": failure.code}
