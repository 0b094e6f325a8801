"""Many concurrent users of one server: their requests, and the checks of the responses."""

import json
import random
import threading
import time
import uuid
from collections import Counter, defaultdict

import urllib3
from bson import ObjectId

from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.events import quota_editing
from eventapp.promotions import service as promotions
from tests import factories
from tests.conftest import create_prepared_app
from tests.live import Server
from tests.race import kit

TIMEOUT_SECONDS = 10
# Half of the bookings use it. It is used up now and then.
PROMO_CODE = {"code": "LOAD-10", "kind": "percent", "value": 10, "maxUses": 5}
SCHEDULE_IDS = (1, 2)
# The statuses that may occur. No request has an invalid body or concerns another user.
EXPECTED_STATUSES = {
    "book": {201, 202, 409},
    "cancel": {200, 409},
    "cancel tickets": {201, 409},
    "confirm": {200, 409},
    "join": {201, 409},
    "accept": {200, 404, 409},
    "leave": {200, 404, 409},
}


class CrashServer(Server):
    """A server whose processes die at an armed failpoint.

    Attributes:
        app: an application in the test's process, with the same database and secret.
        context: its booking context.
    """

    script = "tests/crash/crash_wsgi.py"

    def __init__(self, directory, **settings):
        self.armed = directory / "armed"
        self.armed.mkdir(exist_ok=True)
        super().__init__(directory, CRASH_DIR=str(self.armed), **settings)

    def __enter__(self):
        try:
            self.wait()
        except BaseException:
            super().__exit__()
            raise
        self.app = create_prepared_app(self.settings)
        self.context = kit.another_process(BOOKING_CONTEXT.get(self.app))
        return self

    def __exit__(self, *exception):
        super().__exit__(*exception)
        if not hasattr(self, "app"):
            return
        client = OPEN_DATABASE.get(self.app).client
        client.drop_database(self.context.db)
        client.close()

    def arm(self, failpoint):
        """Let the next process that passes the failpoint die."""
        (self.armed / failpoint).touch()

    def has_died(self, failpoint):
        """Return whether a process has died at an armed failpoint."""
        return not (self.armed / failpoint).exists()


class UserLoad:
    """Threads of users of one event, who act at random until the block is left.

    Attributes:
        responses: the number of requests by outcome, such as "book 201" or "no response".
        slowest: the longest time of each outcome, in seconds.
        unexpected: the responses with a status that may not occur.
        booked: the ids of the bookings in the responses, by idempotency key.
    """

    def __init__(self, server, event, user_count, *, threads=8, seed=0):
        self.server, self.event = server, event
        self.users = [factories.make_user(server.app) for _ in range(user_count)]
        self.thread_count, self.seed = threads, seed
        self.pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", server.port, maxsize=threads, retries=False, timeout=TIMEOUT_SECONDS
        )
        self.responses, self.unexpected, self.slowest = Counter(), [], Counter()
        self.booked = defaultdict(set)
        self._stop, self._threads, self._lock = threading.Event(), [], threading.Lock()

    def __enter__(self):
        """Start the threads. Each acts for its own users, with one request after the other."""
        for number in range(self.thread_count):
            users = self.users[number :: self.thread_count]
            thread = threading.Thread(
                target=self._act_until_stopped, args=(number, users), daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        self.pool.close()

    def request(self, action, user, method, path, body=None, key=None):
        """Send a request, again after a 503 or without a response, and return the response.

        Returns:
            The response; None if the load was stopped before it arrived.
        """
        headers = {**user["headers"], "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = json.dumps(body).encode() if body is not None else None
        while True:
            began = time.monotonic()
            try:
                response = self.pool.request(method, path, body=data, headers=headers)
            except urllib3.exceptions.HTTPError:
                self._record("no response", began)
            else:
                self._record(f"{action} {response.status}", began)
                if response.status != 503:
                    return self._check_status(action, response)
            if self._stop.is_set():
                return None
            time.sleep(0.02)

    def _record(self, outcome, began):
        with self._lock:
            self.responses[outcome] += 1
            seconds = round(time.monotonic() - began, 2)
            self.slowest[outcome] = max(self.slowest[outcome], seconds)

    def _check_status(self, action, response):
        if response.status not in EXPECTED_STATUSES[action]:
            self.unexpected.append((action, response.status, response.data[:300]))
        return response

    def book(self, user, body, key=None):
        """Book, and return the id of the booking, or None if none was made."""
        key = key or uuid.uuid4().hex
        response = self.request("book", user, "POST", "/api/bookings", body, key)
        if response is None or response.status != 201:
            return None
        booking_id = response.json()["data"]["booking"]["_id"]
        with self._lock:
            self.booked[key].add(booking_id)
        return booking_id

    def _act_until_stopped(self, number, users):
        random_source = random.Random(self.seed * 1000 + number)
        bookings = {}
        while not self._stop.is_set():
            self._act_once(random_source, random_source.choice(users), bookings)

    def _act_once(self, random_source, user, bookings):
        """Send one request, mostly to book or cancel, so that every failpoint is passed soon."""
        event_id, booking_id = self.event["eventId"], bookings.get(user["id"])
        roll = random_source.random()
        if booking_id and roll < 0.2:
            path, key = f"/api/bookings/{booking_id}/cancellations", uuid.uuid4().hex
            part = {"items": [{"ticketTypeId": 1, "quantity": 1}]}
            self.request("cancel tickets", user, "POST", path, part, key)
        elif booking_id and roll < 0.45:
            self.request("cancel", user, "PUT", f"/api/bookings/{booking_id}/cancel")
            del bookings[user["id"]]
        elif booking_id and roll < 0.6:
            self.request("confirm", user, "POST", f"/api/bookings/{booking_id}/confirm", {})
        elif roll < 0.75:
            body = {
                "eventId": event_id,
                "items": [{"ticketTypeId": 1, "quantity": random_source.randint(1, 3)}],
                "hold": random_source.random() < 0.5,
                "onShortfall": random_source.choice(["reject", "partial", "partial", "waitlist"]),
            }
            if random_source.random() < 0.5:
                body["promoCode"] = PROMO_CODE["code"]
            if random_source.random() < 0.5:
                body["scheduleId"] = random_source.choice(SCHEDULE_IDS)
            if booking_id := self.book(user, body):
                bookings[user["id"]] = booking_id
        elif roll < 0.8:
            quantity = random_source.randint(1, 2)
            entry = {"eventId": event_id, "ticketTypeId": 1, "quantity": quantity}
            self.request("join", user, "POST", "/api/waitlist", entry)
        elif roll < 0.9:
            self.request("accept", user, "POST", f"/api/waitlist/{event_id}/accept", {})
        else:
            self.request("leave", user, "DELETE", f"/api/waitlist/{event_id}")

    def check(self):
        """Assert that statuses were expected, 201s have a booking, and each key counted once."""
        assert self.unexpected == []
        assert all(len(ids) == 1 for ids in self.booked.values())
        confirmed = {ObjectId(id_) for ids in self.booked.values() for id_ in ids}
        query = {"_id": {"$in": list(confirmed)}}
        stored = self.server.context.db.bookings.find(query, {"_id": 1})
        assert confirmed == {booking["_id"] for booking in stored}
        for booking in self.server.context.db.bookings.find({"cancellations": {"$exists": True}}):
            keys = [each["request"]["key"] for each in booking["cancellations"]]
            assert len(set(keys)) == len(keys), booking


def make_event(server, tickets, max_uses=PROMO_CODE["maxUses"]):
    """Create an event with one ticket type, two dates, a quota for both, and a promo code."""
    db = server.context.db
    types = [{"type": "General", "price": 20, "availableTickets": tickets}]
    schedule = [{"date": factories.day(30 + n), "location": "Hall"} for n in SCHEDULE_IDS]
    event = factories.make_event(db, ticketTypes=types, schedule=schedule)
    quota = {"name": "Both dates", "capacity": tickets, "scheduleIds": list(SCHEDULE_IDS)}
    kit.edit(db, event, quota_editing.make_quota_addition(quota))
    code = {**PROMO_CODE, "maxUses": max_uses}
    promotions.create_promo_code(db, event["eventId"], kit.ADMIN, code, utc_now())
    return event


def count_taken(server, event):
    """Return the number of sold and held tickets by the event, and by its bookings."""
    db = server.context.db
    counters = kit.stock_counters(db, event)
    active = db.bookings.find({"eventId": event["eventId"], "active": True})
    return counters[1] + counters[2], sum(booking["quantity"] for booking in active)
