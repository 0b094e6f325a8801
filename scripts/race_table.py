"""Race a booking API over HTTP, and print a table of what it allowed.

    RACE_TOKEN=... python -m scripts.race_table --url http://127.0.0.1:10000 \
        --adapter scripts/race_adapters/eventapp.py

An adapter is a Python file with a class `Adapter` that has the methods of `BookingApi` below.
Another system needs its own adapter, and nothing else. Each race makes an event of its own, starts
all calls at the same moment, and judges what the server has stored afterwards. The exit code is 1
if a race is BROKEN, and 2 if one had no result. Only this machine is raced, unless the host is
named a second time: the script causes load and makes bookings, so the operator has to agree.
"""

import argparse
import ipaddress
import runpy
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier
from typing import Any, Protocol
from urllib.parse import urlsplit

MAX_BUYERS, MAX_ROUNDS = 64, 20
# Stock that a server shows from a cache may be old for a moment, and is read again until then.
SETTLE_SECONDS, POLL_SECONDS = 3.0, 0.1
UNKNOWN = object()


class BookingApi(Protocol):
    """What a race needs of a booking system.

    A method raises OSError, such as `requests.RequestException`, if the outcome of the call is
    unknown: no answer, 429 or 5xx. It raises NotImplementedError if the system has no such feature.
    Buyers, events and bookings may be values of any type; bookings are hashable,
    and none is 0 or 1.
    """

    def create_buyers(self, count: int) -> Sequence[Any]:
        """Return signed-in buyers, each with a connection of its own."""

    def create_event(self, tickets: int, per_buyer: int | None, code_uses: int | None) -> Any:
        """Return a new event on sale.

        Args:
            per_buyer: how many tickets one buyer may have; None: at least 5.
            code_uses: how many bookings may use the promo code "RACE"; None: there is no code.
        """

    def book(
        self, buyer: Any, event: Any, quantity: int, key: str | None, code: str | None, hold: bool
    ) -> Any:
        """Book tickets and return the booking, or None if it is refused.

        Args:
            key: the idempotency key; None: every call is a purchase of its own.
            hold: reserve the tickets until `confirm`.
        """

    def cancel(self, buyer: Any, booking: Any) -> bool:
        """Cancel a booking. Return whether the server accepted."""

    def confirm(self, buyer: Any, booking: Any) -> bool:
        """Pay for a held booking. Return whether the server accepted."""

    def count_available(self, event: Any) -> int:
        """Return how many tickets are on sale."""

    def list_bookings(self, event: Any) -> dict[Any, int]:
        """Return the quantities of the bookings that are held or confirmed, all of them."""


@dataclass(frozen=True)
class Round:
    """What one round of a race did: the number of calls, the outcome in words, and the faults."""

    attempts: int
    happened: str
    faults: list[str]
    unknown: int


@dataclass
class Race:
    """An event with `tickets` tickets, the calls on it, and the judgement of what is left."""

    api: BookingApi
    buyers: Sequence[Any]
    tickets: int
    per_buyer: int | None = None
    code_uses: int | None = None

    def __post_init__(self) -> None:
        self.event = self.api.create_event(self.tickets, self.per_buyer, self.code_uses)

    def booking(
        self,
        buyer: Any,
        quantity: int = 1,
        key: str | None = None,
        code: str | None = None,
        hold: bool = False,
    ) -> Callable[[], Any]:
        """Return a call that books."""
        return partial(self.api.book, buyer, self.event, quantity, key, code, hold)

    def prepare(self, buyer: Any, quantity: int, hold: bool = False) -> Any:
        """Book before the race begins, and return the booking."""
        if (booking := self.booking(buyer, quantity, hold=hold)()) is None:
            raise OSError("the server refuses a booking of an event with enough tickets")
        return booking

    def judge(self, calls: Sequence[Callable[[], Any]], least: int, most: int) -> Round:
        """Make the calls at once, and compare the tickets that are booked then with two limits.

        No call may cancel what another one has booked.
        """
        answers = run_at_once(calls)
        available, booked = self._settle()
        sold, unknown = sum(booked.values()), answers.count(UNKNOWN)
        promised = {each for each in answers if each not in (None, True, False, UNKNOWN)}
        faults = []
        if lost := promised - booked.keys():
            faults.append(f"{len(lost)} promised and not stored")
        if available + sold != self.tickets or available < 0:
            faults.append(f"{available} left + {sold} booked is not {self.tickets}")
        if sold > most:
            faults.append(f"{sold} booked, at most {most} allowed")
        if sold < least and not unknown:
            faults.append(f"{sold} booked, at least {least} expected")
        return Round(len(calls), f"{sold} booked, {available} left", faults, unknown)

    def _settle(self) -> tuple[int, dict[Any, int]]:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            booked = self.api.list_bookings(self.event)
            available = self.api.count_available(self.event)
            if available + sum(booked.values()) == self.tickets or time.monotonic() > deadline:
                return available, booked
            time.sleep(POLL_SECONDS)


def run_at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all calls at the same moment; return what each returned, or UNKNOWN for an OSError."""
    gate = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return call()
        except OSError:
            return UNKNOWN

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def last_ticket(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Let all buyers book the only ticket."""
    race = Race(api, buyers, tickets=1)
    return race.judge([race.booking(buyer) for buyer in buyers], 1, 1)


def quantities(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Let all buyers book 1 to 4 tickets, of as many tickets as there are buyers."""
    race = Race(api, buyers, tickets=len(buyers))
    calls = [race.booking(buyer, 1 + index % 4) for index, buyer in enumerate(buyers)]
    # A purchase is refused only if fewer tickets are left than the largest purchase.
    return race.judge(calls, len(buyers) - 3, len(buyers))


def same_key(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Send one purchase of 2 tickets many times with one idempotency key."""
    race = Race(api, buyers, tickets=2 * len(buyers))
    key = f"race-{time.time_ns()}"
    return race.judge([race.booking(buyers[0], 2, key=key) for _ in buyers], 2, 2)


def cancel_twice(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Cancel one booking of 2 tickets many times, while another of 2 tickets stays."""
    race = Race(api, buyers, tickets=5)
    booking = race.prepare(buyers[0], 2)
    race.prepare(buyers[1], 2)
    return race.judge([partial(api.cancel, buyers[0], booking) for _ in buyers], 2, 2)


def cancel_and_book(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Cancel the booking of the last ticket while all others try to book it."""
    race = Race(api, buyers, tickets=1)
    cancel = partial(api.cancel, buyers[0], race.prepare(buyers[0], 1))
    return race.judge([cancel, *(race.booking(buyer) for buyer in buyers[1:])], 0, 1)


def confirm_and_cancel(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Confirm and cancel one hold of 2 tickets, each many times."""
    race = Race(api, buyers, tickets=4)
    booking = race.prepare(buyers[0], 2, hold=True)
    calls = [partial(call, buyers[0], booking) for call in (api.confirm, api.cancel)]
    return race.judge(calls * (len(buyers) // 2), 0, 2)


def one_buyers_limit(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Book many times, one ticket each, for a buyer who may have 2."""
    race = Race(api, buyers, tickets=len(buyers), per_buyer=2)
    return race.judge([race.booking(buyers[0]) for _ in buyers], 1, 2)


def code_uses(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Let all buyers book with a promo code that 3 bookings may use."""
    race = Race(api, buyers, tickets=len(buyers), code_uses=3)
    return race.judge([race.booking(buyer, code="RACE") for buyer in buyers], 3, 3)


def everything(api: BookingApi, buyers: Sequence[Any]) -> Round:
    """Let each buyer hold 1 to 3 of few tickets, confirm, and cancel, all in their own order."""
    race = Race(api, buyers, tickets=len(buyers))

    def buy(index: int) -> None:
        if (booking := race.booking(buyers[index], 1 + index % 3, hold=True)()) is not None:
            for step in (api.confirm, api.cancel)[index % 2 :]:
                step(buyers[index], booking)

    calls = [partial(buy, index) for index in range(len(buyers))]
    return race.judge(calls, 0, 0)


RACES = (
    ("many buyers, one last ticket", "1 ticket", last_ticket),
    ("many buyers, different quantities", "no more than there are", quantities),
    ("one idempotency key at once", "one booking of 2", same_key),
    ("one booking cancelled at once", "2 back, once", cancel_twice),
    ("cancelled and booked at once", "0 or 1 ticket", cancel_and_book),
    ("confirmed and cancelled at once", "one outcome", confirm_and_cancel),
    ("one buyer's limit of 2", "1 or 2 tickets", one_buyers_limit),
    ("a promo code with 3 uses", "3 uses", code_uses),
    ("held, confirmed and cancelled", "all back", everything),
)


def judge_races(api: BookingApi, buyers: int, rounds: int) -> list[tuple[str, ...]]:
    """Run every race for some rounds; return a row for each, which ends with the verdict."""
    crowd = api.create_buyers(buyers)
    rows: list[tuple[str, ...]] = []
    for name, allowed, race in RACES:
        try:
            results = [race(api, crowd) for _ in range(rounds)]
        except NotImplementedError:
            rows.append((name, "0", allowed, "not offered", "skipped"))
            continue
        except OSError as error:
            rows.append((name, "0", allowed, str(error), "no result"))
            continue
        worst = max(results, key=lambda result: (len(result.faults), result.unknown))
        happened = "; ".join(worst.faults) or worst.happened
        if worst.unknown:
            happened += f"; {worst.unknown} without an answer"
        attempts = sum(result.attempts for result in results)
        failed = any(result.unknown == result.attempts for result in results)
        verdict = "BROKEN" if worst.faults else "no result" if failed else "holds"
        rows.append((name, str(attempts), allowed, happened, verdict))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 0, or 1 if a race is broken, or 2 if one had no result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--url", default="http://127.0.0.1:10000", help="of the system to race")
    parser.add_argument("--adapter", required=True, help="a Python file with a class Adapter")
    parser.add_argument("--buyers", type=int, default=16, help=f"4 to {MAX_BUYERS}")
    parser.add_argument("--rounds", type=int, default=3, help=f"of each race, 1 to {MAX_ROUNDS}")
    parser.add_argument("--host-is-mine", metavar="HOST", help="race this host, which you run")
    options = parser.parse_args(arguments)
    host = urlsplit(options.url).hostname or ""
    if not is_this_machine(host) and options.host_is_mine != host:
        parser.error(f"{host} is not this machine; if you run it, add --host-is-mine {host}")
    if not 4 <= options.buyers <= MAX_BUYERS or not 1 <= options.rounds <= MAX_ROUNDS:
        parser.error("--buyers or --rounds is out of range")
    adapter = runpy.run_path(options.adapter)["Adapter"]
    rows = judge_races(adapter(options.url.rstrip("/")), options.buyers, options.rounds)
    table = [("race", "attempts", "allowed", "happened", "verdict"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
    verdicts = {row[-1] for row in rows}
    return 1 if "BROKEN" in verdicts else 2 if "no result" in verdicts else 0


def is_this_machine(host: str) -> bool:
    """Return whether a host name or an address can only be this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
