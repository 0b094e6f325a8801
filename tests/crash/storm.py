"""Many users at a server at once: what they ask, what they were told, what must be true then."""

import json
import random
import threading
import time
import uuid
from collections import Counter, defaultdict

import urllib3
from bson import ObjectId

from eventapp import create_app
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.config import load_config
from tests import factories
from tests.live import Server
from tests.race import kit

TIMEOUT_SECONDS = 10
# No body names a wrong field and no path a stranger's thing: these are all that may be said.
EXPECTED = {
    "book": {201, 202, 409},
    "cancel": {200, 409},
    "confirm": {200, 409},
    "join": {201, 409},
    "accept": {200, 404, 409},
    "leave": {200, 404, 409},
}


class CrashServer(Server):
    """A server whose processes die at the step that is armed."""

    script = "tests/crash/crash_wsgi.py"

    def __init__(self, directory, **settings):
        self.armed = directory / "armed"
        self.armed.mkdir(exist_ok=True)
        super().__init__(directory, CRASH_DIR=str(self.armed), **settings)

    def __enter__(self):
        """With an application in this process too, on the same database and secret."""
        try:
            self.wait()
        except BaseException:
            super().__exit__()
            raise
        self.app = create_app(load_config(self.settings))
        self.context = kit.another_process(BOOKING_CONTEXT.get(self.app))
        return self

    def __exit__(self, *exception):
        super().__exit__(*exception)
        if not hasattr(self, "app"):
            return
        client = self.app.extensions["database"].client
        client.drop_database(self.context.db)
        client.close()

    def arm(self, step):
        (self.armed / step).touch()

    def has_died(self, step):
        return not (self.armed / step).exists()


class Storm:
    """Threads of users of one event, until told to stop, or for so many requests."""

    def __init__(self, server, event, users, *, threads=8, seed=0):
        self.server, self.event = server, event
        self.people = [factories.sign_in(server.app) for _ in range(users)]
        self.threads, self.seed = threads, seed
        self.pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", server.port, maxsize=threads, retries=False, timeout=TIMEOUT_SECONDS
        )
        self.said, self.surprises, self.slowest = Counter(), [], Counter()
        self.booked = defaultdict(set)  # {key: ids of the bookings that were told}
        self._stop, self._running, self._lock = threading.Event(), [], threading.Lock()

    def __enter__(self):
        """Every thread has its own users, who each do one thing after the other."""
        for number in range(self.threads):
            thread = threading.Thread(
                target=self._rage, args=(number, self.people[number :: self.threads]), daemon=True
            )
            self._running.append(thread)
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._running:
            thread.join(60)
        self.pool.close()

    def ask(self, what, person, method, path, body=None, key=None):
        """The answer, asked again with the same key as long as there is none, or a 503."""
        headers = {**person["headers"], "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = json.dumps(body).encode() if body is not None else None
        while True:
            began = time.monotonic()
            try:
                answer = self.pool.request(method, path, body=data, headers=headers)
            except urllib3.exceptions.HTTPError:
                self._note("no answer", began)
            else:
                self._note(f"{what} {answer.status}", began)
                if answer.status != 503:
                    return self._heard(what, answer)
            if self._stop.is_set():
                return None
            time.sleep(0.02)

    def _note(self, words, began):
        with self._lock:
            self.said[words] += 1
            seconds = round(time.monotonic() - began, 2)
            self.slowest[words] = max(self.slowest[words], seconds)

    def _heard(self, what, answer):
        if answer.status not in EXPECTED[what]:
            self.surprises.append((what, answer.status, answer.data[:300]))
        return answer

    def book(self, person, body, key=None):
        key = key or uuid.uuid4().hex
        answer = self.ask("book", person, "POST", "/api/bookings", body, key)
        if answer is None or answer.status != 201:
            return None
        booking_id = answer.json()["data"]["booking"]["_id"]
        with self._lock:
            self.booked[key].add(booking_id)
        return booking_id

    def _rage(self, number, people):
        dice = random.Random(self.seed * 1000 + number)
        bookings = {}
        while not self._stop.is_set():
            person = dice.choice(people)
            self._one_thing(dice, person, bookings)

    def _one_thing(self, dice, person, bookings):
        """Mostly book or cancel; so tickets come and go, and every step is reached soon."""
        event_id, mine = self.event["eventId"], bookings.get(person["id"])
        roll = dice.random()
        if mine and roll < 0.45:
            self.ask("cancel", person, "PUT", f"/api/bookings/{mine}/cancel")
            del bookings[person["id"]]
        elif mine and roll < 0.6:
            self.ask("confirm", person, "POST", f"/api/bookings/{mine}/confirm", {})
        elif roll < 0.75:
            body = {
                "eventId": event_id,
                "items": [{"ticketTypeId": 1, "quantity": dice.randint(1, 3)}],
                "hold": dice.random() < 0.5,
                "onShortfall": dice.choice(["reject", "partial", "partial", "waitlist"]),
            }
            if booking_id := self.book(person, body):
                bookings[person["id"]] = booking_id
        elif roll < 0.8:
            asked = {"eventId": event_id, "ticketTypeId": 1, "quantity": dice.randint(1, 2)}
            self.ask("join", person, "POST", "/api/waitlist", asked)
        elif roll < 0.9:
            self.ask("accept", person, "POST", f"/api/waitlist/{event_id}/accept", {})
        else:
            self.ask("leave", person, "DELETE", f"/api/waitlist/{event_id}")

    def check(self):
        """Nothing unexpected was said; who was told 201 has a booking; no key has two."""
        assert self.surprises == []
        assert all(len(ids) == 1 for ids in self.booked.values())
        told = {ObjectId(id_) for ids in self.booked.values() for id_ in ids}
        found = self.server.context.db.bookings.find({"_id": {"$in": list(told)}}, {"_id": 1})
        assert told == {booking["_id"] for booking in found}


def event_of(server, tickets):
    """An event of so many tickets of one type."""
    types = [{"type": "General", "price": 20, "availableTickets": tickets}]
    return factories.make_event(server.context.db, ticketTypes=types)


def taken(server, event):
    """Sold and held tickets, as the event and as its bookings have it."""
    db = server.context.db
    amounts = kit.stock_counters(db, event)
    active = db.bookings.find({"eventId": event["eventId"], "active": True})
    return amounts[1] + amounts[2], sum(booking["quantity"] for booking in active)
