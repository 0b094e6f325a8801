"""No order of reads, writes, polls and shared values makes a process show an outdated event.

A model of the database, the shared cache and two processes takes random steps, and after each step
no process has cached an event that lacks a change it received. The controls take one rule out of
the protocol, and the same random steps then find an outdated event.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from eventapp.core.clock import utc_now
from eventapp.core.errors import DatabaseUnavailable
from eventapp.events.cache import change_feed, freshness
from eventapp.events.cache.change_feed import ChangeFeed
from eventapp.events.cache.freshness import VISIBILITY_DELAY, Effect, Freshness
from eventapp.events.rules import ListState, get_list_state
from eventapp.events.ticket_types import find_empty_stocks

# The first event has one ticket, so that it sells out with every second sale; the other has plenty.
TYPES = {1: [{"availableTickets": 1}], 2: [{"availableTickets": 1_000}]}
EVENTS, CHANGES, PROCESSES = tuple(TYPES), ("edit", "sale", "sale", "sale", "delete"), (0, 1)
START = datetime(2030, 1, 1, tzinfo=UTC)
WALKS, CONTROL_WALKS, STEPS = 5_000, 50_000, 60


@dataclass(frozen=True)
class Rendered:
    """Stands for a RenderedEvent, with only the fields that matter here."""

    event_id: int
    revision: int
    terms: int
    empty_stocks: tuple
    size_bytes: int = 1

    @property
    def list_state(self):
        return ListState(self.terms, self.empty_stocks)

    def is_outdated(self, _now):
        return False

    def after_sale(self, sale_state, _now):
        return replace(self, revision=sale_state["rev"], empty_stocks=find_empty_stocks(sale_state))


def rendered(event):
    return Rendered(event["eventId"], event["rev"], *get_list_state(event))


class Database:
    """The visible state of the events. A write gets its time before it becomes visible."""

    def __init__(self):
        self.now = START
        self.events = {
            id_: {
                "eventId": id_,
                "rev": 0,
                "terms": 0,
                "ticketTypes": types,
                "changedAt": START - timedelta(minutes=id_),
            }
            for id_, types in TYPES.items()
        }
        self.deleted, self.writing = {}, {}

    def begin_write(self, event_id, change):
        """Begin a write, unless another write of the same document has yet to end."""
        if event_id in self.events and event_id not in self.writing:
            self.writing[event_id] = (self.now, change)

    def end_write(self, event_id):
        """Make the write visible; return the event after it, or None if there was no write."""
        changed_at, change = self.writing.pop(event_id, (None, None))
        if change is None:
            return None
        after = {**self.events.pop(event_id), "changedAt": changed_at}
        after["rev"] += 1
        if change == "delete":
            del after["ticketTypes"], after["terms"]
            self.deleted[event_id] = after | {"gone": True}
            return self.deleted[event_id]
        if change == "edit":
            after["terms"] += 1
        else:
            available = after["ticketTypes"][0]["availableTickets"]
            most = TYPES[event_id][0]["availableTickets"]
            after["ticketTypes"] = [{"availableTickets": 2 * most - 1 - available}]
        self.events[event_id] = after
        return after

    def all_documents(self):
        return [*self.events.values(), *self.deleted.values()]

    def rendered(self):
        return {id_: rendered(event) for id_, event in self.events.items()}

    def changed_since(self, name, moment):
        found = (self.events if name == "events" else self.deleted).values()
        return [dict(event) for event in found if event["changedAt"] > moment]


@dataclass
class Process:
    """A process, and what its answers must contain."""

    freshness: Freshness
    feed: ChangeFeed = None
    min_revisions: dict = field(default_factory=dict)  # by eventId
    reads: list = field(default_factory=list)
    fetched: list = field(default_factory=list)
    unreported: list = field(default_factory=list)  # own writes, before the service reports them
    list_version: int = 0
    searching_version: int = -1
    page: tuple = (-1, {})  # the list version of a page, and the events that it was made of

    def apply_change(self, _change, effect):
        if effect is Effect.LISTS:
            self.list_version += 1


class Model:
    """The database, the shared cache and the processes.

    Each public method is a step that may happen, except `step` and those that stand for
    eventapp.events.store.
    """

    def __init__(self, freshness_class, rng):
        self._freshness_class, self._rng, self._is_polling = freshness_class, rng, False
        # In every second walk, the database is never unavailable.
        self._failure_rate = rng.choice([0, 0.5])
        self.database, self.shared, self.puts = Database(), {}, []
        self.processes = [self._process() for _ in PROCESSES]

    def _process(self):
        process = Process(self._freshness_class(utc_now))
        process.feed = ChangeFeed(
            self, process.freshness, process.apply_change, lambda _owner: None
        )
        return process

    def step(self):
        getattr(self, self._rng.choice(STEP_NAMES))()
        for process in self.processes:
            for event_id in EVENTS:
                event = process.freshness.get(event_id)
                assert event is None or event.revision >= process.min_revisions.get(event_id, 0)

    def _any(self):
        """Return a process that has polled before."""
        polled = [process for process in self.processes if process.feed._positions]
        return self._rng.choice(polled) if polled else Process(Freshness(utc_now))

    def _event(self):
        return self._rng.choice(EVENTS)

    def _pop(self, values):
        return values.pop(self._rng.randrange(len(values))) if values else None

    # As eventapp.events.store answers.

    def find_last_changed_at(self):
        self._fail_sometimes()
        return max(event["changedAt"] for event in self.database.all_documents())

    def find_changes_since(self, name, moment):
        self._fail_sometimes()
        found = self.database.changed_since(name, moment)
        for _ in range(self._rng.randrange(3)):  # other steps happen before the answer arrives
            self.step()
        return found

    def _fail_sometimes(self):
        if self._rng.random() < self._failure_rate:
            raise DatabaseUnavailable

    # Time, and the writes of other processes.

    def time_passes(self):
        until = self.database.now + timedelta(seconds=self._rng.choice([0.1, 0.3, 1.2]))
        for event_id, (changed_at, _) in list(self.database.writing.items()):
            if until - changed_at >= VISIBILITY_DELAY:
                self.database.end_write(event_id)
        self.database.now = until

    def another_process_begins_a_write(self):
        self.database.begin_write(self._event(), self._rng.choice(CHANGES))

    def a_write_becomes_visible(self):
        self.database.end_write(self._event())

    # What a process does.

    def writes(self):
        event_id, change = self._event(), self._rng.choice(CHANGES)
        self.database.end_write(event_id)
        self.database.begin_write(event_id, change)
        after = self.database.end_write(event_id)
        if after:
            self._any().unreported.append((change, after))

    def reports_its_write(self):
        process = self._any()
        change, after = self._pop(process.unreported) or (None, None)
        if change is None:
            return
        event_id = after["eventId"]
        if change != "sale":
            process.freshness.record_edit(event_id)
            process.list_version += 1
        elif process.freshness.record_sale(after):
            process.list_version += 1
        process.min_revisions[event_id] = max(process.min_revisions.get(event_id, 0), after["rev"])
        list_version, events = process.page
        if change == "sale" and list_version == process.list_version and event_id in events:
            found = events[event_id]
            assert found.revision >= after["rev"] or found.list_state == get_list_state(after)

    def begins_to_read(self):
        process, event_id = self._any(), self._event()
        if event_id in self.database.events:
            started = process.freshness.start_read()
            process.reads.append((rendered(self.database.events[event_id]), started))

    def has_read(self):
        process = self._any()
        event, started = self._pop(process.reads) or (None, None)
        if event:
            process.freshness.keep(event, started)
            if started.complete_up_to is not None:
                self.puts.append((event, started.complete_up_to))

    def reads_at_once(self):
        process, event = self._any(), self.database.events.get(self._event())
        if event:
            process.freshness.keep(rendered(event), process.freshness.start_read())

    def a_value_reaches_the_shared_cache(self):
        value = self._pop(self.puts)
        if value:
            self.shared[value[0].event_id] = value

    def asks_the_shared_cache(self):
        value = self.shared.get(self._event())
        if value:
            self._any().fetched.append(value)

    def takes_a_shared_value(self):
        process = self._any()
        if process.fetched:
            process.freshness.keep_shared(*self._pop(process.fetched))

    def begins_to_find_a_list(self):
        process = self._any()
        process.searching_version = process.list_version

    def has_found_a_list(self):
        process = self._any()
        process.page = (process.searching_version, self.database.rendered())

    def finds_a_list_at_once(self):
        process = self._any()
        process.page = (process.list_version, self.database.rendered())

    def polls(self):
        process = self._rng.choice(self.processes)
        if self._is_polling:
            return
        self._is_polling = True
        revisions = {event["eventId"]: event["rev"] for event in self.database.all_documents()}
        states = {id_: event.list_state for id_, event in self.database.rendered().items()}
        page = process.page
        try:
            process.feed.poll()
        except DatabaseUnavailable:
            return
        finally:
            self._is_polling = False
        for id_, revision in revisions.items():
            process.min_revisions[id_] = max(process.min_revisions.get(id_, 0), revision)
        if process.page is page and page[0] == process.list_version:
            assert {id_: event.list_state for id_, event in page[1].items()} == states

    def restarts(self):
        if not self._is_polling:
            self.processes[self._rng.choice(PROCESSES)] = self._process()


NO_STEPS = ("step", "find_last_changed_at", "find_changes_since")
STEP_NAMES = [name for name in vars(Model) if not name.startswith("_") and name not in NO_STEPS]


@pytest.fixture
def walk(monkeypatch):
    """Return a function that takes many random walks with this class in place of Freshness."""

    def walk_(freshness_class, walks):
        clock = SimpleNamespace(monotonic=lambda: model.database.now.timestamp())
        monkeypatch.setattr(change_feed, "time", clock)
        monkeypatch.setattr(change_feed.store, "find_last_changed_at", Model.find_last_changed_at)
        monkeypatch.setattr(change_feed.store, "find_changes_since", Model.find_changes_since)
        monkeypatch.setattr(change_feed.favorites, "find_last_changed_at", lambda _db: None)
        monkeypatch.setattr(change_feed.favorites, "find_changes_since", lambda _db, _moment: [])
        for seed in range(walks):
            model = Model(freshness_class, random.Random(seed))
            for _ in range(STEPS):
                model.step()

    return walk_


@pytest.mark.parametrize("max_changes", [1_000, 1], ids=["", "changes forgotten"])
def test_no_outdated_event_is_ever_shown(walk, monkeypatch, max_changes):
    monkeypatch.setattr(freshness, "MAX_CHANGES", max_changes)
    walk(Freshness, WALKS)


class KeepsAllReads(Freshness):
    def _may_lack(self, change, revision, started):
        return False


class KeepsAllSharedValues(Freshness):
    def keep_shared(self, rendered, complete_up_to):
        self._put(rendered)
        return True


class IgnoresTheHistoryStart(Freshness):
    def keep_shared(self, rendered, complete_up_to):
        later = max(complete_up_to, self._history_start or complete_up_to)
        return super().keep_shared(rendered, later)


class IgnoresReceivedChangesOfSharedValues(Freshness):
    def keep_shared(self, rendered, complete_up_to):
        self._changes.pop(rendered.event_id, None)
        return super().keep_shared(rendered, complete_up_to)


class RecordsNoEdits(Freshness):
    def record_edit(self, event_id):
        self._rendered.discard(event_id)


class ForgetsChangesOnly(Freshness):
    def finish_poll(self, newest_changed_at, started):
        history_start, forgotten_up_to = self._history_start, self._forgotten_up_to
        super().finish_poll(newest_changed_at, started)
        self._history_start = history_start or self._history_start
        self._forgotten_up_to = forgotten_up_to


class TrustsRecentReadsForLists(Freshness):
    def _put(self, rendered):
        self._rendered.put(rendered.event_id, rendered)


class MissesTicketsThatComeBack(Freshness):
    def _may_change_lists(self, last, rendered, event):
        types = [
            {"availableTickets": 999 * each["availableTickets"]} for each in event["ticketTypes"]
        ]
        return super()._may_change_lists(last, rendered, event | {"ticketTypes": types})


CONTROLS = [
    KeepsAllReads,
    KeepsAllSharedValues,
    IgnoresTheHistoryStart,
    IgnoresReceivedChangesOfSharedValues,
    RecordsNoEdits,
    ForgetsChangesOnly,
    TrustsRecentReadsForLists,
    MissesTicketsThatComeBack,
]


@pytest.mark.parametrize(
    "freshness_class", CONTROLS, ids=lambda freshness_class: freshness_class.__name__
)
def test_without_one_rule_an_outdated_event_is_shown(walk, monkeypatch, freshness_class):
    monkeypatch.setattr(
        freshness, "MAX_CHANGES", 1 if freshness_class is ForgetsChangesOnly else 1_000
    )
    with pytest.raises(AssertionError):
        walk(freshness_class, CONTROL_WALKS)


@pytest.mark.parametrize("failed_polls", [0, 1, 3])
def test_a_failed_poll_leaves_no_list_outdated(failed_polls):
    """An event is read after an edit that no poll has returned, and lists are older than that."""
    process = Freshness(utc_now)
    process.finish_poll(START, process.start_poll())
    process.keep(Rendered(2, 1, 1, (False,)), process.start_read())
    for _ in range(failed_polls):
        process.start_poll()
    started = process.start_poll()
    edit = {"eventId": 2, "rev": 1, "terms": 1, "ticketTypes": TYPES[2], "changedAt": START}
    assert process.receive(edit, started) is Effect.LISTS


def test_after_a_successful_poll_an_event_that_was_read_before_is_no_reason_to_find_lists_again():
    process = Freshness(utc_now)
    process.finish_poll(START, process.start_poll())
    process.keep(Rendered(2, 1, 1, (False,)), process.start_read())
    process.finish_poll(START, process.start_poll())
    sale = {"eventId": 2, "rev": 2, "terms": 1, "ticketTypes": TYPES[2], "changedAt": START}
    assert process.receive(sale, process.start_poll()) is Effect.CONTENT
