"""A booking server with no guard at all, and its adapter for scripts/race_table.py.

Every operation reads, pauses, and then writes what it concluded, as a first draft of a shop does.
With a lock around each operation the same code is correct.
"""

import threading
import time
from contextlib import nullcontext
from itertools import count

import requests
from flask import Flask, jsonify, request

# Long against the milliseconds in which calls that are sent at once arrive.
PAUSE_SECONDS = 0.08


class Shop:
    """Events and bookings in memory."""

    def __init__(self, locked):
        self.events, self.bookings, self.keys, self._ids = {}, {}, {}, count(1)
        self.lock = threading.Lock() if locked else nullcontext()
        self.pause = (lambda: None) if locked else (lambda: time.sleep(PAUSE_SECONDS))

    def create_event(self, tickets, per_buyer, code_uses):
        event = {"left": tickets, "perBuyer": per_buyer or tickets, "codeUses": code_uses or 0}
        self.events[event_id := next(self._ids)] = event
        return event_id

    def book(self, buyer, event, quantity, key, code, hold):
        self.pause()
        left, known = self.events[event]["left"], self.keys.get(key)
        active = self._find_active(event).values()
        has = sum(each["quantity"] for each in active if each["buyer"] == buyer)
        uses = sum(each["code"] == "RACE" for each in active)
        self.pause()
        if known:
            return known
        too_many = quantity > left or has + quantity > self.events[event]["perBuyer"]
        if too_many or (code and uses >= self.events[event]["codeUses"]):
            return None
        self.events[event]["left"] = left - quantity
        self.bookings[booking_id := f"booking-{next(self._ids)}"] = {
            "event": event,
            "buyer": buyer,
            "quantity": quantity,
            "code": code,
            "status": "held" if hold else "confirmed",
        }
        if key:
            self.keys[key] = booking_id
        return booking_id

    def cancel(self, booking):
        found = self.bookings[booking]
        if found["status"] == "cancelled":
            return False
        self.events[found["event"]]["left"] += found["quantity"]
        self.pause()
        found["status"] = "cancelled"
        return True

    def confirm(self, booking):
        found = self.bookings[booking]
        if found["status"] != "held":
            return False
        self.pause()
        found["status"] = "confirmed"
        return True

    def count_available(self, event):
        return self.events[event]["left"]

    def list_bookings(self, event):
        return {found: each["quantity"] for found, each in self._find_active(event).items()}

    def _find_active(self, event):
        bookings = self.bookings.copy().items()
        return {
            booking_id: each
            for booking_id, each in bookings
            if each["event"] == event and each["status"] != "cancelled"
        }


def make_app(locked):
    """Return the WSGI application of a new shop: POST /<operation> with its arguments."""
    app, shop = Flask(__name__), Shop(locked)

    @app.post("/<operation>")
    def call(operation):
        with shop.lock:
            return jsonify(getattr(shop, operation)(**request.get_json()))

    return app


class Adapter:
    """Calls the shop at `url`. A buyer is a number."""

    def __init__(self, url):
        self.url = url

    def create_buyers(self, count):
        return range(count)

    def create_event(self, tickets, per_buyer, code_uses):
        return self._call("create_event", tickets=tickets, per_buyer=per_buyer, code_uses=code_uses)

    def book(self, buyer, event, quantity, key, code, hold):
        body = {"buyer": buyer, "event": event, "quantity": quantity}
        return self._call("book", **body, key=key, code=code, hold=hold)

    def cancel(self, buyer, booking):
        return self._call("cancel", booking=booking)

    def confirm(self, buyer, booking):
        return self._call("confirm", booking=booking)

    def count_available(self, event):
        return self._call("count_available", event=event)

    def list_bookings(self, event):
        return self._call("list_bookings", event=event)

    def _call(self, operation, **arguments):
        response = requests.post(f"{self.url}/{operation}", json=arguments, timeout=30)
        response.raise_for_status()
        return response.json()
