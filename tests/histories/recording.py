"""Record the history of a real server under faults, and read what it has stored in the end."""

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import pymongo
import pymongo.uri_parser

from eventapp.core.clock import utc_now
from eventapp.events import quota_editing
from eventapp.promotions import service as promotions
from tests import factories
from tests.conftest import MONGO_URI, make_database_uri
from tests.crash.user_load import PROMO_CODE, CrashServer
from tests.fault.proxy import ReplyLosingProxy
from tests.histories.checker import Call, History, Stored
from tests.histories.clients import Users
from tests.histories.nemesis import Nemesis
from tests.race import kit

CAPACITIES = {"stock": 24, "quota": 10, "code": 3}


@dataclass(frozen=True)
class Options:
    """How a history is recorded: how long, by which seed, with which faults and how many users."""

    seconds: float
    seed: int
    faults: tuple[str, ...]
    users: int = 40
    threads: int = 8


@contextmanager
def running_server(directory, **settings):
    """Start a server of two processes behind a proxy to the database; yield both."""
    uri = make_database_uri(MONGO_URI)
    [(host, port), *_] = pymongo.uri_parser.parse_uri(uri)["nodelist"]
    with ReplyLosingProxy(host, port) as proxy:
        proxied = uri.replace(f"{host}:{port}", f"127.0.0.1:{proxy.port}")
        settings = {"WEB_CONCURRENCY": "2", "MONGO_URI": proxied, **settings}
        with CrashServer(directory, **settings) as server:
            yield server, proxy


def record(server, proxy, options):
    """Let users buy a new event while faults happen, repair, and return the history.

    Returns:
        The history, and the names of the faults in order.
    """
    event = make_event(server)
    users = Users(server, event, count=options.users, threads=options.threads, seed=options.seed)
    nemesis = Nemesis(server, proxy, options.faults, options.seed)
    with users, nemesis:
        time.sleep(options.seconds)
    kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
    return read_history(server, event, users.calls), nemesis.caused


def make_event(server):
    """Create an event with one ticket type, two dates, a quota for the first, and a promo code."""
    db = server.context.db
    types = [{"type": "General", "price": 20, "availableTickets": CAPACITIES["stock"]}]
    schedule = [{"date": f"2099-06-1{n}", "location": "Hall"} for n in (1, 2)]
    event = factories.make_event(db, ticketTypes=types, schedule=schedule)
    quota = {"name": "First date", "capacity": CAPACITIES["quota"], "scheduleIds": [1]}
    kit.edit(db, event, quota_editing.make_quota_addition(quota))
    code = {**PROMO_CODE, "maxUses": CAPACITIES["code"]}
    promotions.create_promo_code(db, event["eventId"], kit.ADMIN, code, utc_now())
    return event


def read_history(server, event, calls):
    """Return the calls with what the database has stored."""
    where = {"eventId": event["eventId"]}
    bookings = server.context.db.bookings.find({**where, "void": {"$ne": True}})
    state = server.context.db.events.find_one(where)
    [code] = state["promoCodes"].values()
    left = {
        "stock": state["ticketTypes"][0]["availableTickets"],
        "quota": state["quotas"][0]["availableTickets"],
        "code": CAPACITIES["code"] - code["used"],
    }
    return History(calls, CAPACITIES, [read_stored(booking) for booking in bookings], left)


def read_stored(booking):
    """Return what the checker needs of a stored booking."""
    return Stored(
        str(booking["_id"]),
        str(booking["userId"]),
        booking["idempotency"]["key"],
        booking["quantity"],
        booking.get("scheduleId"),
        "promoCode" in booking,
        booking["totalCents"],
        booking["active"],
    )


def dump(history):
    """Return a history as JSON."""
    return json.dumps(asdict(history), indent=1)


def load(text):
    """Return the history of `dump`."""
    fields = json.loads(text)
    fields["calls"] = [Call(**call) for call in fields["calls"]]
    fields["stored"] = [Stored(**stored) for stored in fields["stored"]]
    return History(**fields)
