"""Users of one event, each with one request after the other, and the record of all their calls."""

import json
import random
import threading
import time
import uuid

import urllib3

from tests import factories
from tests.crash.user_load import PROMO_CODE
from tests.histories.checker import FAIL, OK, UNKNOWN, Call

TIMEOUT_SECONDS = 4
SCHEDULES = (1, 2)
ACTIVE = ("held", "confirmed")
PAUSE_SECONDS = 0.05
SUCCESS = {"book": 201, "cancel": 200, "read": 200}


class User:
    """A user who books, repeats what had no answer, reads and cancels, at random.

    Attributes:
        calls: all calls so far.
    """

    def __init__(self, server, event, seed):
        self._user = factories.make_user(server.app)
        self._event, self._random = event, random.Random(seed)
        self._booking, self._request, self.calls = None, None, []

    def act(self, pool):
        """Send one request.

        Args:
            pool: sends it, as `urllib3.HTTPConnectionPool` does.
        """
        roll = self._random.random()
        if self._booking is None or roll < 0.15:
            self._book(pool)
        elif roll < 0.6:
            self._read(pool)
        else:
            self._cancel(pool)

    def _book(self, pool):
        """Book, or send the last booking again: after an answer it must have the same one."""
        if self._request is None:
            schedule, quantity = self._random.choice(SCHEDULES), self._random.randint(1, 3)
            body = {"eventId": self._event["eventId"], "onShortfall": "reject"}
            body["items"] = [{"ticketTypeId": 1, "quantity": quantity}]
            body["scheduleId"] = schedule
            if self._random.random() < 0.3:
                body["promoCode"] = PROMO_CODE["code"]
            self._request = uuid.uuid4().hex, body
        key, body = self._request
        call, data = self._send(pool, "book", "POST", "", body, key)
        call |= {"key": key, "quantity": body["items"][0]["quantity"]}
        call |= {"schedule": body["scheduleId"], "code": "promoCode" in body}
        if call["outcome"] == OK:
            booking = data["data"]["booking"]
            call |= {"booking": booking["_id"], "cents": round(booking["totalPrice"] * 100)}
            self._booking = booking["_id"]
        elif call["outcome"] == FAIL:
            self._request = None
        self.calls.append(Call(**call))

    def _read(self, pool):
        call, data = self._send(pool, "read", "GET", f"/{self._booking}")
        if call["outcome"] == OK:
            call["active"] = data["data"]["booking"]["status"] in ACTIVE
        elif call["status"] == 404:
            call |= {"outcome": OK, "active": False}
        self.calls.append(Call(**call, booking=self._booking))

    def _cancel(self, pool):
        call, _ = self._send(pool, "cancel", "PUT", f"/{self._booking}/cancel")
        self.calls.append(Call(**call, booking=self._booking))
        # A cancellation without an answer is sent again, or the booking is read, or both.
        if call["outcome"] != UNKNOWN:
            self._booking = self._request = None

    def _send(self, pool, action, method, path, body=None, key=None):
        """Return the fields of the call, and the body of the answer."""
        headers = {**self._user["headers"], "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = json.dumps(body).encode() if body else None
        call = {"action": action, "user": str(self._user["id"]), "began": time.monotonic()}
        try:
            response = pool.request(method, f"/api/bookings{path}", body=data, headers=headers)
            status, answer = response.status, response.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            status, answer = None, {}
        outcome = OK if status == SUCCESS[action] else FAIL
        if status is None or status >= 500:
            outcome = UNKNOWN
        return {**call, "ended": time.monotonic(), "status": status, "outcome": outcome}, answer


class Users:
    """Threads of users who act until the block is left."""

    def __init__(self, server, event, *, count, threads, seed):
        self._port, self._users = (
            server.port,
            [User(server, event, f"{seed} {number}") for number in range(count)],
        )
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(self._users[n::threads], f"{seed} {n}"))
            for n in range(threads)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def calls(self):
        """All calls so far, in order of their begin."""
        calls = [call for user in self._users for call in user.calls]
        return sorted(calls, key=lambda call: call.began)

    def _run(self, users, seed):
        source = random.Random(seed)
        # A thread has a connection of its own: one that was cut is noticed by its next request.
        with urllib3.HTTPConnectionPool(
            "127.0.0.1", self._port, retries=False, timeout=TIMEOUT_SECONDS
        ) as pool:
            while not self._stop.is_set():
                source.choice(users).act(pool)
                time.sleep(source.uniform(0, PAUSE_SECONDS))
