"""An imitation of Stripe, over HTTP on 127.0.0.1, for tests.

It speaks what the official library expects of payment intents, refunds and webhook events. Tests
play the buyer (`pay`, `refuse`, ...), let requests fail (`inject`), deliver the events (`deliver`)
and read how much money has moved (`money_of`). All methods may be called by several threads.

    with FakeStripe() as fake:
        app = make_app(PAYMENT_PROVIDER="stripe", **fake.settings)
        ...
        fake.pay(client_secret)
        fake.deliver(app.test_client())
        assert fake.money_of(booking_id) == (2500, 0)
"""

import copy
import json
import random
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import requests
from stripe import WebhookSignature

WEBHOOK_PATH = "/api/payments/webhooks/stripe"
# What a buyer pays with. A test can look for it where it must not appear.
CARD_FINGERPRINT = "Xt5EWLLDS7FJjR1c"
CARD = {"brand": "visa", "last4": "4242", "fingerprint": CARD_FINGERPRINT}
OPERATIONS = (
    ("create", "POST", re.compile(r"/v1/payment_intents")),
    ("retrieve", "GET", re.compile(r"/v1/payment_intents/(\w+)")),
    ("cancel", "POST", re.compile(r"/v1/payment_intents/(\w+)/cancel")),
    ("refund", "POST", re.compile(r"/v1/refunds")),
    ("list_refunds", "GET", re.compile(r"/v1/refunds")),
)
PARAMETERS = {
    "create": {
        *("amount", "currency", "automatic_payment_methods", "description", "metadata", "expand"),
    },
    "retrieve": {"expand"},
    "cancel": {"cancellation_reason", "expand"},
    "refund": {"payment_intent", "amount", "metadata", "reason", "expand"},
    "list_refunds": {"payment_intent", "limit", "starting_after", "expand"},
}
# What `inject` and `set_chances` can let happen to a request.
FAULTS = frozenset(
    {
        "delay",  # it is done and answered, after some seconds
        "lose_request",  # the connection breaks before anything is done
        "lose_answer",  # it is done, and the connection breaks before the answer
        "hang",  # it is done, and the answer does not come within some seconds
        "error",  # nothing is done; the answer is an error with some status and code
        "error_after",  # it is done; the answer, also to its repetitions, is a 500
        "garbage",  # it is done; the answer is no JSON, and has the client secret in it
        "drip",  # it is done; the answer comes byte by byte, one each some seconds
    }
)
ERROR_TYPES = {401: "invalid_request_error", 402: "card_error", 400: "invalid_request_error"}
PAYABLE = frozenset({"requires_payment_method", "requires_action", "processing"})
FAILED = frozenset({"failed", "canceled"})


class NotPayable(Exception):
    """The intent has a status in which a buyer cannot pay it; `status` says which."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Refusal(Exception):
    """An error of the API. `is_stored` says whether its idempotency key repeats it."""

    def __init__(self, status, code, message, *, is_stored=False, kind=None):
        super().__init__(message)
        self.status, self.is_stored = status, is_stored
        kind = kind or ERROR_TYPES.get(status, "api_error")
        self.body = {"error": {"type": kind, "message": message}}
        if code:
            self.body["error"]["code"] = code


@dataclass
class Fault:
    """What happens to the next requests of some operations."""

    kind: str
    operations: frozenset[str]
    times: float
    seconds: float
    status: int
    code: str | None


@dataclass(frozen=True)
class Answer:
    """The answer to a request. `fault` may keep it from the client."""

    status: int
    body: dict
    headers: dict = field(default_factory=dict)
    fault: Fault | None = None


@dataclass(frozen=True)
class Event:
    """A webhook event. `body` is what Stripe sends, and signs anew for each delivery."""

    id: str
    type: str
    body: bytes


class FakeStripe:
    """A Stripe account. Use it as a context manager; it ends its threads.

    Attributes:
        url: the value of STRIPE_API_BASE.
        settings: all settings of Stripe, by name, without PAYMENT_PROVIDER.
        events: all events so far, oldest first.
        journal: every movement of money, as (kind, intent id, amount): `charge`, `refund`, or
            `refund_failed`, by which the money of a refund comes back.
        requests: the operations that were asked for, such as `create`, also those that failed.
        refund_status: the status of new refunds: `succeeded`, `pending` or `failed`.
        fee_currency: the currency of the account, in which fees are taken.
        knows_fees: False while the fee of a charge is not known yet.
    """

    def __init__(self, *, clock=time.time):
        self._lock, self._clock = threading.RLock(), clock
        self._intents, self._charges, self._refunds, self._keys = {}, {}, {}, {}
        self._faults, self._chances = [], None
        self._delivered, self._number = set(), 0
        self._stopping, self._threads = threading.Event(), []
        self.events, self.journal, self.requests = [], [], []
        self.refund_status, self.fee_currency, self.knows_fees = "succeeded", "eur", True
        self.secret_key = "sk_test_fakeKey0123456789"
        self.webhook_secret = "whsec_fakeSecret0123456789"
        self._server = _Server(("127.0.0.1", 0), self)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "STRIPE_SECRET_KEY": self.secret_key,
            "STRIPE_WEBHOOK_SECRET": self.webhook_secret,
            "STRIPE_API_BASE": self.url,
        }
        self._serve()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End the server and all threads."""
        self._stopping.set()
        self._server.stop()
        for thread in self._threads:
            thread.join()

    def forget(self):
        """Begin anew as an account without payments, for another case of the same test."""
        with self._lock:
            for records in (self._intents, self._charges, self._refunds, self._keys):
                records.clear()
            for listed in (self.events, self.journal, self.requests):
                listed.clear()
            self._delivered.clear()

    # The buyer, who knows the client secret. The id of the intent is accepted in its place.

    def pay(self, client_secret):
        """Pay an intent: its money comes. It may also be one that was processing."""
        with self._changing(client_secret) as intent:
            charge = self._make("charge", "ch", amount=intent["amount"])
            charge.update(currency=intent["currency"], payment_intent=intent["id"])
            charge["payment_method_details"] = {"card": dict(CARD)}
            charge["balance_transaction"] = self._new_id("txn")
            self._charges[charge["id"]] = charge
            intent.update(status="succeeded", latest_charge=charge["id"], last_payment_error=None)
            intent["amount_received"] = intent["amount"]
            self.journal.append(("charge", intent["id"], intent["amount"]))
            self._emit("payment_intent.succeeded", intent)

    def refuse(self, client_secret, code="card_declined"):
        """Let the buyer's card be refused, also one that was processing."""
        with self._changing(client_secret) as intent:
            card = {"id": self._new_id("pm"), "card": dict(CARD)}
            error = {"type": "card_error", "code": code, "payment_method": card}
            error.update(decline_code="generic_decline", message="Your card was declined.")
            intent.update(status="requires_payment_method", last_payment_error=error)
            self._emit("payment_intent.payment_failed", intent)

    def require_action(self, client_secret):
        """Ask the buyer for 3-D Secure. `pay` or `refuse` ends it."""
        with self._changing(client_secret) as intent:
            intent.update(status="requires_action", last_payment_error=None)
            self._emit("payment_intent.requires_action", intent)

    def process(self, client_secret):
        """Pay with a method whose money comes later. `pay` or `refuse` decides it."""
        with self._changing(client_secret) as intent:
            intent.update(status="processing", last_payment_error=None)
            self._emit("payment_intent.processing", intent)

    @contextmanager
    def _changing(self, client_secret):
        with self._lock:
            intent = self._intents[client_secret.partition("_secret_")[0]]
            assert client_secret in (intent["id"], intent["client_secret"])
            if intent["status"] not in PAYABLE:
                raise NotPayable(intent["status"])
            yield intent

    # The operator and the banks.

    def fail_refund(self, key, reason="expired_or_canceled_card"):
        """Let an accepted refund fail, as a bank may decide days later."""
        with self._lock:
            refund = self._find_refund(key)
            self._fail(refund, reason)
            self.journal.append(("refund_failed", refund["payment_intent"], refund["amount"]))

    def settle_refund(self, key):
        """Let a pending refund succeed."""
        with self._lock:
            refund = self._find_refund(key)
            refund["status"] = "succeeded"
            self._emit("refund.updated", refund)
            self._emit("charge.refund.updated", refund)

    def refund_by_hand(self, intent_id, amount):
        """Refund in the dashboard: without the metadata of the application."""
        with self._lock:
            self._do_refund({"payment_intent": intent_id, "amount": str(amount)})

    def prune_keys(self):
        """Forget all idempotency keys, as Stripe does after 24 hours."""
        with self._lock:
            self._keys.clear()

    def intent(self, attempt_id):
        """Return a copy of the newest intent of an attempt."""
        return self.intents(attempt_id)[-1]

    def intents(self, attempt_id=None):
        """Return copies of all intents, or of those of one attempt, oldest first."""
        with self._lock:
            return [
                copy.deepcopy(each)
                for each in self._intents.values()
                if attempt_id in (None, each["metadata"].get("attemptId"))
            ]

    def refunds(self, key=None):
        """Return copies of all refunds, or of those with a key, oldest first."""
        with self._lock:
            return [
                copy.deepcopy(each)
                for each in self._refunds.values()
                if key in (None, each["metadata"].get("refundKey"))
            ]

    def money_of(self, booking_id=None):
        """Return what was charged and what was refunded, for one booking or for all, in cents."""
        with self._lock:
            ids = {
                each["id"]
                for each in self._intents.values()
                if booking_id in (None, each["metadata"].get("bookingId"))
            }
            sums = dict.fromkeys(("charge", "refund", "refund_failed"), 0)
            for kind, intent_id, amount in self.journal:
                sums[kind] += amount if intent_id in ids else 0
        return sums["charge"], sums["refund"] - sums["refund_failed"]

    # Faults of requests.

    def inject(self, kind, *operations, times=1, seconds=60.0, status=500, code=None):
        """Let the next requests fail.

        Args:
            kind: one of FAULTS.
            operations: `create`, `retrieve`, `cancel`, `refund`, `list_refunds`; all by default.
            times: for how many requests; float("inf") until `recover`.
            seconds: of `delay`, `hang` and `drip`.
            status, code: of `error`.
        """
        names = {name for name, _, _ in OPERATIONS}
        assert kind in FAULTS
        assert set(operations) <= names
        chosen = frozenset(operations or names)
        with self._lock:
            self._faults.append(Fault(kind, chosen, times, seconds, status, code))

    def set_chances(self, rng, **chances):
        """Let requests fail at random until `recover`.

        Args:
            rng: a random.Random, so that a test can be repeated.
            chances: the probability of each fault, such as `lose_answer=0.05`.
        """
        assert set(chances) <= FAULTS
        with self._lock:
            self._chances = rng, chances

    def recover(self):
        """End all faults, and accept connections again."""
        with self._lock:
            self._faults, self._chances = [], None
            if self._server.is_down:
                self._server.listen_again()
                self._serve()

    def go_down(self):
        """Refuse all connections, also those that are open, until `recover`."""
        with self._lock:
            if not self._server.is_down:
                self._server.go_down()

    # Events.

    def sign(self, body, *, at=None, secret=None):
        """Return the headers of a delivery.

        Args:
            at: Unix time in seconds, now by default.
        """
        signed_at = int(self._clock() if at is None else at)
        secret = secret or self.webhook_secret
        signature = WebhookSignature.generate_signature_header(body.decode(), secret, signed_at)
        return {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}

    def send(self, target, event, *, at=None):
        """Deliver an event once; return the status of the answer, or 0 without one.

        Args:
            target: the URL of a webhook endpoint, or a Flask client.
        """
        headers = self.sign(event.body, at=at)
        if not isinstance(target, str):
            answer = target.post(WEBHOOK_PATH, data=event.body, headers=headers)
        else:
            try:
                answer = requests.post(target, data=event.body, headers=headers, timeout=10)
            except requests.RequestException:
                return 0
        if 200 <= answer.status_code < 300:
            with self._lock:
                self._delivered.add(event.id)
        return answer.status_code

    def pending_events(self):
        """Return the events that no endpoint has accepted yet, oldest first."""
        with self._lock:
            return [each for each in self.events if each.id not in self._delivered]

    def deliver(self, target, *, rng=None, copies=1, lose=0.0):
        """Deliver all pending events; return the statuses of the answers.

        Args:
            target: as in `send`.
            rng: a random.Random to mix the order, and to lose events.
            copies: how often each event is delivered.
            lose: the share of the events that are never delivered.
        """
        events = self.pending_events()
        if lose:
            lost = {each.id for each in events if rng.random() < lose}
            with self._lock:
                self._delivered |= lost
            events = [each for each in events if each.id not in lost]
        events = events * copies
        if rng:
            rng.shuffle(events)
        return [self.send(target, each) for each in events]

    def deliver_in_background(self, target, *, seed=0, pause=0.02):
        """Deliver events by a thread, in any order and until they are accepted; see `send`."""
        rng = random.Random(seed)

        def run():
            while not self._stopping.wait(pause):
                self.deliver(target, rng=rng)

        self._start(run)

    # The API.

    def answer(self, method, path, headers, parameters):
        """Return the Answer to a request of the library."""
        operation, values = _find_operation(method, path)
        with self._lock:
            self.requests.append(operation)
            fault = self._take_fault(operation)
        if fault and fault.kind == "lose_request":
            return Answer(0, {}, fault=fault)
        try:
            self._check(operation, headers, parameters, fault)
            key = headers.get("Idempotency-Key") if method == "POST" else None
            answer = self._do_once(key, operation, values, parameters, fault)
        except Refusal as refusal:
            answer = Answer(refusal.status, refusal.body, fault=fault)
        return answer

    def _check(self, operation, headers, parameters, fault):
        if fault and fault.kind == "error":
            message = f"An error that the test has asked for, of {CARD_FINGERPRINT}"
            raise Refusal(fault.status, fault.code, message)
        if headers.get("Authorization") != f"Bearer {self.secret_key}":
            raise Refusal(401, None, "Invalid API Key provided: sk_test_****6789")
        if operation is None:
            raise Refusal(404, None, "Unrecognized request URL", kind="invalid_request_error")
        if unknown := set(parameters) - PARAMETERS[operation]:
            raise Refusal(400, "parameter_unknown", f"Received unknown parameter: {unknown}")

    def _do_once(self, key, operation, values, parameters, fault):
        """Do what a request asks for, or repeat the answer to the first one with its key."""
        asked = (operation, values, parameters)
        with self._lock:
            if key in self._keys:
                first, answer = self._keys[key]
                if first != asked:
                    message = "Keys for idempotent requests can only be used with the same request"
                    raise Refusal(400, None, message, kind="idempotency_error")
                return Answer(answer.status, answer.body, {"Idempotent-Replayed": "true"}, fault)
            try:
                body = getattr(self, f"_do_{operation}")(*values, parameters)
                answer = Answer(200, copy.deepcopy(body), fault=fault)
            except Refusal as refusal:
                if not refusal.is_stored:
                    raise
                answer = Answer(refusal.status, refusal.body, fault=fault)
            if fault and fault.kind == "error_after":
                broken = Refusal(500, None, "An unknown error occurred")
                answer = Answer(500, broken.body, fault=fault)
            if key:
                self._keys[key] = asked, answer
            return answer

    def _do_create(self, parameters):
        amount, currency = _read_amount(parameters), parameters.get("currency", "")
        if not re.fullmatch("[a-z]{3}", currency):
            raise Refusal(400, "parameter_invalid", "Invalid currency")
        if amount < 50:
            message = "Amount must be at least 50 cents"
            raise Refusal(400, "amount_too_small", message)
        intent = self._make("payment_intent", "pi", amount=amount, currency=currency)
        secret = f"{intent['id']}_secret_{random.Random(intent['id']).getrandbits(80):020x}"
        intent.update(status="requires_payment_method", client_secret=secret, amount_received=0)
        intent.update(latest_charge=None, last_payment_error=None)
        intent.update(description=parameters.get("description"))
        intent.update(metadata=parameters.get("metadata", {}))
        self._intents[intent["id"]] = intent
        self._emit("payment_intent.created", intent)
        return intent

    def _do_retrieve(self, intent_id, parameters):
        intent = copy.deepcopy(self._get_intent(intent_id))
        if "latest_charge.balance_transaction" in parameters.get("expand", {}).values():
            self._expand_charge(intent)
        return intent

    def _expand_charge(self, intent):
        charge = copy.deepcopy(self._charges.get(intent["latest_charge"]))
        intent["latest_charge"] = charge
        if charge:
            fee = charge["amount"] * 15 // 1000 + 25
            transaction = {"id": charge["balance_transaction"], "object": "balance_transaction"}
            transaction.update(currency=self.fee_currency, fee=fee)
            charge["balance_transaction"] = transaction if self.knows_fees else None

    def _do_cancel(self, intent_id, parameters):
        intent = self._get_intent(intent_id)
        if intent["status"] not in ("requires_payment_method", "requires_action"):
            message = f"You cannot cancel this intent because its status is {intent['status']}"
            raise Refusal(400, "payment_intent_unexpected_state", message, is_stored=True)
        intent["status"] = "canceled"
        self._emit("payment_intent.canceled", intent)
        return intent

    def _do_refund(self, parameters):
        intent = self._get_intent(parameters.get("payment_intent", ""))
        amount = _read_amount(parameters)
        if intent["status"] != "succeeded":
            raise Refusal(400, None, "This intent has no successful charge", is_stored=True)
        left = intent["amount_received"] - sum(
            each["amount"]
            for each in self._refunds.values()
            if each["payment_intent"] == intent["id"] and each["status"] not in FAILED
        )
        if not left:
            raise Refusal(400, "charge_already_refunded", "Already refunded", is_stored=True)
        if amount > left:
            raise Refusal(400, None, "Refund amount is greater than the rest", is_stored=True)
        refund = self._make("refund", "re", amount=amount, currency=intent["currency"])
        refund.update(payment_intent=intent["id"], charge=intent["latest_charge"])
        refund.update(status=self.refund_status, metadata=parameters.get("metadata", {}))
        self._refunds[refund["id"]] = refund
        self._emit("refund.created", refund)
        if refund["status"] in FAILED:
            self._fail(refund, "declined")
        else:
            self.journal.append(("refund", intent["id"], amount))
        return refund

    def _do_list_refunds(self, parameters):
        found = [
            each
            for each in reversed(self._refunds.values())
            if each["payment_intent"] == parameters.get("payment_intent")
        ]
        if after := parameters.get("starting_after"):
            found = found[[each["id"] for each in found].index(after) + 1 :]
        limit = int(parameters.get("limit", 10))
        page = {"object": "list", "url": "/v1/refunds", "has_more": len(found) > limit}
        return {**page, "data": found[:limit]}

    def _get_intent(self, intent_id):
        if intent_id not in self._intents:
            raise Refusal(404, "resource_missing", "No such payment_intent", kind=ERROR_TYPES[400])
        return self._intents[intent_id]

    def _find_refund(self, key):
        return next(
            each
            for each in reversed(self._refunds.values())
            if each["metadata"].get("refundKey") == key
        )

    def _fail(self, refund, reason):
        refund.update(status="failed", failure_reason=reason)
        self._emit("refund.failed", refund)
        self._emit("charge.refund.updated", refund)

    def _make(self, kind, prefix, **values):
        made_at = int(self._clock())
        return {"id": self._new_id(prefix), "object": kind, "created": made_at, **values}

    def _new_id(self, prefix):
        self._number += 1
        return f"{prefix}_fake{self._number:08d}{id(self) % 10**8:08d}"

    def _emit(self, kind, reported):
        event = self._make("event", "evt", type=kind, livemode=False, api_version="2026-10-28")
        event["data"] = {"object": copy.deepcopy(reported)}
        self.events.append(Event(event["id"], kind, json.dumps(event, indent=2).encode()))

    def _take_fault(self, operation):
        for fault in self._faults:
            if operation in fault.operations:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        if not self._chances:
            return None
        rng, chances = self._chances
        drawn = rng.random()
        for kind, chance in chances.items():
            drawn -= chance
            if drawn < 0:
                return Fault(kind, frozenset(), 1, 0.05, 500, None)
        return None

    def wait(self, seconds):
        """Wait, but not longer than until the end of the server."""
        self._stopping.wait(seconds)

    def _serve(self):
        self._start(self._server.serve_forever, 0.02)

    def _start(self, run, *arguments):
        thread = threading.Thread(target=run, args=arguments, name="fake-stripe", daemon=True)
        thread.start()
        self._threads.append(thread)


class _Server(ThreadingHTTPServer):
    """The server of a FakeStripe, which can refuse connections and keeps its port meanwhile."""

    daemon_threads, request_queue_size = True, 256

    def __init__(self, address, fake):
        super().__init__(address, _Handler)
        self.fake, self.is_down, self._open, self._lock = fake, False, set(), threading.Lock()

    def process_request(self, request, client_address):
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def go_down(self):
        """Close all sockets, but keep the port: a bound socket that does not listen refuses."""
        self.stop()
        self.is_down = True
        self.socket = socket.socket(self.address_family, self.socket_type)
        self.server_bind()

    def listen_again(self):
        """Accept connections again. The caller starts `serve_forever`."""
        self.is_down = False
        self.server_activate()

    def stop(self):
        """End `serve_forever`, and break all connections."""
        if not self.is_down:
            self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """Ignore connections that clients, or this server, have broken."""


class _Handler(BaseHTTPRequestHandler):
    """Reads requests and writes answers, whole or not."""

    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, -1

    def do_GET(self):  # noqa: N802
        self._respond(urlsplit(self.path).query)

    def do_POST(self):  # noqa: N802
        length = int(self.headers.get("Content-Length", 0))
        self._respond(self.rfile.read(length).decode())

    def _respond(self, encoded):
        fake = self.server.fake
        path, parameters = urlsplit(self.path).path, _parse_form(encoded)
        answer = fake.answer(self.command, path, self.headers, parameters)
        kind, seconds = (answer.fault.kind, answer.fault.seconds) if answer.fault else (None, 0)
        if kind in ("delay", "hang"):
            fake.wait(seconds)
        if kind in ("lose_request", "lose_answer", "hang"):
            self.close_connection = True
            return
        body = json.dumps(answer.body, indent=2).encode()
        if kind == "garbage":
            body = b"<html>" + body
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Request-Id", "req_fake0123456789")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if kind == "drip":
            self._drip(body, seconds)
        self.wfile.write(body)

    def _drip(self, body, seconds):
        for number in range(len(body) - 1):
            self.wfile.write(body[number : number + 1])
            self.wfile.flush()
            self.server.fake.wait(seconds)
        self.close_connection = True

    def log_message(self, *_):
        """Log nothing."""


def _find_operation(method, path):
    """Return the operation of a request and the values in its path; None if there is none."""
    for name, its_method, pattern in OPERATIONS:
        match = pattern.fullmatch(path)
        if match and method == its_method:
            return name, match.groups()
    return None, ()


def _parse_form(encoded):
    """Return the parameters of a form, where `metadata[bookingId]` is in `metadata`."""
    parameters = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        outer, _, inner = name.partition("[")
        if inner:
            parameters.setdefault(outer, {})[inner.rstrip("]")] = value
        else:
            parameters[outer] = value
    return parameters


def _read_amount(parameters):
    amount = parameters.get("amount", "")
    if not amount.isdecimal() or not int(amount):
        raise Refusal(400, "parameter_invalid_integer", "Invalid amount")
    return int(amount)
