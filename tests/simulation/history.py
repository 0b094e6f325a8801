"""One history: what the clients, the organizer and the worker of a simulation do, from a seed."""

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from eventapp import prepare_database
from eventapp.bookings import auditing
from eventapp.bookings.context import BookingContext
from eventapp.bookings.partial_cancellations import CancellationRequest
from eventapp.bookings.payments.events import apply_event
from eventapp.bookings.rules import Limits
from eventapp.core.access.actor import Actor
from eventapp.core.access.booking_links import LinkKeys
from eventapp.core.access.sealing import Sealer
from eventapp.core.errors import AppError
from eventapp.events import editing, quota_editing
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.inventory.service import Inventory
from eventapp.jobs import service as jobs
from eventapp.notifications.outbox import Outbox
from eventapp.payments.provider import ProviderEvent
from eventapp.payments.providers import Providers
from eventapp.promotions import service as promotions
from tests.factories import FAR_SCHEDULE, make_event
from tests.simulation import invariants
from tests.simulation.clients import Client, KnownPrice, Outcome, Server, choose_quota
from tests.simulation.mails import SimulatedMailServer, check_mails
from tests.simulation.organizer import Organizer
from tests.simulation.provider import SimulatedProvider
from tests.simulation.scheduler import START, Faults, Process, Scheduler, simulated_time
from tests.simulation.store import SimulatedStore, failpoints

MAIL_JOB = "mail"
# The jobs that change neither tickets nor money.
OTHER_JOBS = {
    *("roll-day", "complete-past", MAIL_JOB, "low-tickets", "reports", "chats", "photos"),
    *("count-sales", "count-money", "rank-events", "erasures"),
    *("account-mails", "password-resets", "tell-old-holders", "email-changes"),
    *("webhook-facts", "webhooks", "webhook-retries", "webhook-notices", "old-webhooks"),
}
# This one closes waitlists whose first entry was claimed for an offer when the event was cancelled.
# It runs at the end.
LAST_JOB = "complete-past"
# Of every five histories, one has events with a promo code, one has clocks that jump, one has users
# with mail addresses, one has events with two dates and quotas, and one ticket types whose sale
# begins or ends.
HISTORY_KINDS, WITH_CODES, WITH_JUMPS, WITH_MAILS, WITH_QUOTAS, WITH_WINDOWS = 5, 0, 1, 2, 3, 4
# When the sale of a ticket type begins or ends, in seconds after START.
WINDOW_SECONDS = (0.3, 2, 20, 60)
TWO_DATES = [*FAR_SCHEDULE, {"date": "2099-06-16", "location": "Volos"}]
CODE = {"code": "Half", "kind": "percent", "value": 50}
ADMIN = Actor(user_id=ObjectId(bytes(12)), role="admin")
# The job that makes the mails of accounts needs a sealer, although nobody here asks for one.
OUTBOX = Outbox(sealer=Sealer("a secret of the simulation", "mails"))
LINK_KEYS = LinkKeys("a secret of the simulation")
LIMITS = Limits(
    per_booking=invariants.MAX_PER_USER,
    per_user=invariants.MAX_PER_USER,
    cancellation_cutoff=timedelta(hours=24),
    hold=timedelta(seconds=60),
    offer=timedelta(seconds=90),
    currency="EUR",
)
# The worker's rounds after the last client has gone, besides those that waiting tickets need, and
# the time in seconds that passes before each. Holds and offers expire in between, and each round
# makes the offers that have become possible.
MAX_OTHER_ROUNDS, ROUND_SECONDS = 16, 200.0
# How long a client waits between two requests; a hold ends after about a minute.
THINK_SECONDS = (0, 0, 0, 0, 0, 1, 59.9, 65)
# How late the payment provider delivers an event, and how often it tries if a server fails.
DELIVERY_SECONDS, MAX_DELIVERIES = (0, 0, 1, 30, 90), 3
CLOCK_ERRORS = (0, 0, 0, -90, 90)
# What a clock that has jumped shows more than the true time, in seconds.
JUMPS = (-90, -5, 0, 5, 90)


@dataclass
class History:
    """Runs one history and checks it.

    Attributes:
        told: what clients were told of each booking: see `invariants.check_answers`.
        cancelling: the bookings of which somebody is about to cancel tickets.
        cancelled: the requests to cancel tickets that succeeded: see `invariants.check_answers`.
        prices: what the organizer knows of the price of each ticket type: see `clients.World`.
        numbers: the random numbers; None for those of the seed.
        failure: the error with which the history has ended, if it was kept.
        failures: exceptions that no client and no job should ever meet.
    """

    store: SimulatedStore
    seed: int
    told: dict[ObjectId, str] = field(default_factory=dict)
    cancelling: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[tuple[ObjectId, CancellationRequest, int]] = field(default_factory=list)
    prices: dict[tuple[int, int], KnownPrice] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    numbers: Random | None = None
    failure: AssertionError | None = None

    def __post_init__(self) -> None:
        self.random = self.numbers or Random(self.seed)
        self.scheduler = Scheduler(self.seed, self.random, check=self._check_step)
        self.provider = SimulatedProvider(
            self.scheduler,
            failure=self.random.choice([0, 0, 0.05]),
            refusal=self.random.choice([0, 0.1]),
            openness=self.random.choice([0, 0, 0.5, 1]),
        )
        self.provider.spawn, self.provider.report = self._spawn, self._deliver
        self.servers: list[Server] = []
        self._processes: list[Process] = []
        self._checked_writes = 0
        self._checked_events: dict[int, dict[str, Any]] = {}
        self.action_weights = [
            4,
            *(self.random.choice([0, 1, 4]) for _ in range(6)),
            self.random.choice([0, 2, 12]),
        ]
        self.hold_chance = self.random.choice([0, 0.5, 1])
        self.has_codes = self.seed % HISTORY_KINDS == WITH_CODES
        self.has_quotas = self.seed % HISTORY_KINDS == WITH_QUOTAS
        self.has_mails = self.seed % HISTORY_KINDS == WITH_MAILS
        self.mail_server = SimulatedMailServer(
            self.scheduler, failure=self.random.choice([0, 0.1]) if self.has_mails else 0
        )
        self._unfinished = 0

    def run(self) -> None:
        """Run the history.

        Raises:
            AssertionError: an invariant does not hold.
        """
        self.store.clear()
        time = simulated_time(self.scheduler, USES_OF_TIME)
        with time, failpoints(self.scheduler):
            self._set_up()
            self.store.use(self.scheduler)
            try:
                self.scheduler.run(until=lambda: self._unfinished == 0)
                self._come_to_rest()
            finally:
                self.store.use(None)
                self.scheduler.end()
        assert not self.failures, repr(self.failures)

    def _set_up(self) -> None:
        prices = [0, 5, 12.5]
        self.events = [
            make_event(
                self.store.db,
                schedule=TWO_DATES if self.has_quotas else FAR_SCHEDULE,
                ticketTypes=[
                    {
                        "type": name,
                        "price": self.random.choice(prices),
                        "availableTickets": self.random.randint(1, 4),
                        **self._choose_window(),
                    }
                    for name in ("A", "B")[: self.random.randint(1, 2)]
                ],
            )
            for _ in range(self.random.choice([1, 1, 1, 2]))
        ]
        for event in self.events if self.has_codes else ():
            code = {**CODE, "maxUses": self.random.randint(1, 3)}
            promotions.create_promo_code(
                self.store.db, event["eventId"], ADMIN, code, self.scheduler.time_of()
            )
        for event in self.events if self.has_quotas else ():
            for type_ in event["ticketTypes"]:
                self.prices[event["eventId"], type_["ticketTypeId"]] = KnownPrice(type_["price"], 0)
            for _ in range(self.random.randint(1, 2)):
                self._add_quota(event)
        self.scheduler.faults = self._choose_faults()
        for number in range(self.random.randint(1, 3)):
            self.servers.append(self._start_process(f"server {number}"))
        for number in range(self.random.randint(1, 2)):
            self._start_worker(f"worker {number}")
        for number in range(self.random.randint(2, 4)):
            self._start_client(f"client {number}")
        self._start_organizer()
        if self.seed % HISTORY_KINDS == WITH_JUMPS:
            self.scheduler.spawn("clocks", self._let_clocks_jump, None)

    def _choose_window(self) -> dict[str, datetime]:
        """Return when a ticket type is on sale; an empty dict for always."""
        if self.seed % HISTORY_KINDS != WITH_WINDOWS:
            return {}
        edge = START + timedelta(seconds=self.random.choice(WINDOW_SECONDS))
        return self.random.choice([{}, {"salesFrom": edge}, {"salesUntil": edge}])

    def _let_clocks_jump(self) -> None:
        while True:
            self.scheduler.pause(seconds=self.random.uniform(1, 40))
            process = self.random.choice([each for each in self._processes if each.is_alive])
            process.clock_error = timedelta(seconds=self.random.choice(JUMPS))
            self.scheduler.note(f"{process.name} is {process.clock_error.total_seconds()} s off")

    def _add_quota(self, event: dict[str, Any]) -> None:
        editing.edit_event(
            self.store.db,
            event["eventId"],
            quota_editing.make_quota_addition(choose_quota(self.random)),
            event_changes=NO_EVENT_CACHE,
            actor=ADMIN,
            now=self.scheduler.time_of(),
            image_base_url="http://localhost",
        )

    def _choose_faults(self) -> Faults:
        """Return faults of some kinds only, so that each kind also occurs alone."""

        def chance(probability: float) -> float:
            return self.random.choice([0, 0, probability])

        return Faults(chance(0.01), chance(0.03), chance(0.01), chance(0.01))

    def _start_process(self, name: str) -> Server:
        error = timedelta(seconds=self.random.choice(CLOCK_ERRORS))
        inventory, providers = Inventory(self.store.db), Providers(self.provider)
        outbox = replace(OUTBOX, connect=self.mail_server.connect)
        context = BookingContext(
            self.store.db, inventory, LIMITS, providers, outbox, link_keys=LINK_KEYS
        )
        self._processes.append(Process(name, error))
        return Server(self._processes[-1], context)

    def _check_step(self) -> None:
        counts = self.store.write_counts
        count = counts["events"] + counts["bookings"]
        if count != self._checked_writes:
            self._checked_writes = count
            # A document that changes is replaced as a whole, so these stay as they are.
            events = {event["eventId"]: event for event in self.store.read("events")}
            for event_id, before in self._checked_events.items():
                invariants.check_new_takes(before, events[event_id])
            self._checked_events = events
            invariants.check_step(self.store, self.provider)

    # Workers.

    def _start_worker(self, name: str) -> None:
        worker = self._start_process(name)

        def work() -> None:
            while True:
                for job_name in self.random.sample(self._list_jobs(), 2):
                    self._run_job(worker, job_name)
                self.scheduler.pause(seconds=self.random.uniform(1, 20))

        self.scheduler.spawn(name, work, worker.process)

        def restart() -> None:
            self.scheduler.pause(lambda: not worker.process.is_alive)
            self._start_worker(name)

        self.scheduler.spawn(f"supervisor of {name}", restart, None)

    def _run_job(self, worker: Server, name: str) -> None:
        self.scheduler.note(f"job {name}")
        now = self.scheduler.time_of(worker.process)
        self._attempt(lambda: jobs.JOBS[name].function(worker.context, now))

    def _attempt(self, call: Callable[[], Any]) -> Outcome:
        """Call a service, and keep every exception but refusals and failed calls as a failure."""
        try:
            return Outcome(call(), is_done=True)
        except (AppError, PyMongoError) as error:
            self.scheduler.note(f"{type(error).__name__}: {error}")
            return Outcome(error=error, is_done=True)
        except Exception as error:  # noqa: BLE001 (It is reported by `run`.)
            self.scheduler.note(f"failed: {error!r}")
            self.failures.append(error)
            return Outcome(error=error, is_done=True)

    # Clients.

    def _start_client(self, name: str) -> None:
        """Start the devices of a user, which act at the same time and know the same bookings."""
        client = Client(self, Actor(user_id=ObjectId(), role="attendee"))
        if self.has_mails:
            self._store_user(client.user_id, name)

        def act() -> None:
            for _ in range(self.random.randint(2, 5)):
                client.act()
                self.scheduler.pause(seconds=self.random.choice(THINK_SECONDS))
            self._unfinished -= 1

        for device in range(self.random.randint(1, 2)):
            self._unfinished += 1
            self.scheduler.spawn(f"{name}.{device}", act, None)

    def _store_user(self, user_id: ObjectId, name: str) -> None:
        email = f"{name.replace(' ', '.')}@example.org"
        user = {"_id": user_id, "name": name, "email": email, "emailKey": email, "role": "attendee"}
        self.store.db.users.insert_one(user)

    def _start_organizer(self) -> None:
        organizer = Organizer(self, ADMIN)
        self._unfinished += 1

        def act() -> None:
            organizer.act()
            self._unfinished -= 1

        self.scheduler.spawn("organizer", act, None)

    def request(self, text: str, call: Callable[[Server], Any]) -> Outcome:
        """Send a request to one of the servers, and wait for its answer or the server's death."""
        index = self.random.randrange(len(self.servers))
        if not self.servers[index].process.is_alive:
            self.servers[index] = self._start_process(self.servers[index].process.name)
        server = self.servers[index]
        outcomes: list[Outcome] = []
        client = self.scheduler.current
        name = f"{client.name if client else '?'} on {server.process.name}"
        self.scheduler.note(text)
        self.scheduler.spawn(
            name, lambda: outcomes.append(self._attempt(lambda: call(server))), server.process
        )
        self.scheduler.pause(lambda: bool(outcomes) or not server.process.is_alive)
        return outcomes[0] if outcomes else Outcome()

    # The payment provider.

    def _spawn(self, name: str, call: Callable[[], None]) -> None:
        """Start a task of the payment provider, which the history waits for."""

        def act() -> None:
            call()
            self._unfinished -= 1

        self._unfinished += 1
        self.scheduler.spawn(name, act, None)

    def _deliver(self, event: ProviderEvent) -> None:
        """Deliver an event some time later, maybe once more, and again if a server fails."""
        for _try in range(MAX_DELIVERIES):
            self.scheduler.pause(seconds=self.random.choice(DELIVERY_SECONDS))
            outcome = self.request(
                f"{event.event_id}: {event.payment and event.payment.status}",
                lambda server: apply_event(
                    server.context, event, self.scheduler.time_of(server.process)
                ),
            )
            if outcome.is_done and not outcome.error:
                break

    # The end.

    def _come_to_rest(self) -> None:
        """Let the worker finish everything, without faults, and check the result."""
        self.scheduler.note("the last client has gone")
        self.scheduler.faults, self.provider.failure, self.provider.spawn = Faults(), 0, None
        self.mail_server.failure = 0
        worker = self._start_process("last worker")
        worker.process.clock_error = timedelta()
        for _round in range(self._count_rounds()):
            self.scheduler.now += ROUND_SECONDS
            for name in [*self._list_jobs(), LAST_JOB]:
                self._run_job(worker, name)
            if self._is_at_rest():
                break
        invariants.check_rest(self.store, self.provider)
        invariants.check_answers(self.store, self.told, self.cancelled)
        if self.has_mails:
            check_mails(self.store, self.mail_server)
        faults = list(auditing.check(worker.context, self.scheduler.time_of()))
        assert not faults, repr(faults)

    def _count_rounds(self) -> int:
        """Return after how many rounds of the worker everything must be at rest.

        Where one ticket is left, each round offers it to the next user who waits, and nobody
        accepts. So a round may serve no more than one of the tickets that are waited for.
        """
        entries = self.store.read("waitlist")
        waiting: list[int] = [each["quantity"] for each in entries if each.get("active")]
        return MAX_OTHER_ROUNDS + sum(waiting)

    def _is_at_rest(self) -> bool:
        try:
            invariants.check_rest(self.store, self.provider)
        except AssertionError:
            return False
        if self.has_mails and any("doneAt" not in mail for mail in self.store.read("mails")):
            return False
        return not any(booking.get("status") == "held" for booking in self.store.read("bookings"))

    def _list_jobs(self) -> list[str]:
        others = OTHER_JOBS - {MAIL_JOB} if self.has_mails else OTHER_JOBS
        return [name for name in jobs.JOBS if name not in others]


def _find_uses_of_time() -> list[tuple[types.ModuleType, str]]:
    """Return where the application uses `time` or `threading`, except the store, with the name."""
    return [
        (module, name)
        for module_name, module in sys.modules.items()
        if module_name.startswith("eventapp.")
        and not module_name.startswith("eventapp.core.embedded")
        for name in ("time", "threading")
        if isinstance(getattr(module, name, None), types.ModuleType)
    ]


USES_OF_TIME = _find_uses_of_time()


def open_store() -> SimulatedStore:
    """Return an empty store with the indexes of the application."""
    return SimulatedStore(prepare_database)
