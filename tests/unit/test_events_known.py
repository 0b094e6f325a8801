"""No order in which reads, writes, news and shared values come lets a process show old events.

A model of the database, the shared cache and two processes, shuffled at random; and the controls:
with one rule taken out, the same shuffling finds what is old.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from eventapp.events.cache import change_feed, freshness
from eventapp.events.cache.change_feed import News
from eventapp.events.cache.freshness import OVERLAP, Known
from eventapp.events.cache.rendering import emptied, shape_of

# One event that sells out and does not by turns, and one with plenty.
TYPES = {1: [{"availableTickets": 1}], 2: [{"availableTickets": 1_000}]}
EVENTS, CHANGES, PROCESSES = tuple(TYPES), ("edit", "sale", "sale", "sale", "delete"), (0, 1)
START = datetime(2030, 1, 1, tzinfo=UTC)
WALKS, CONTROL_WALKS, STEPS = 5_000, 50_000, 60


@dataclass(frozen=True)
class Shown:
    """As service_rendered.Rendered, of nothing but what matters here."""

    event_id: int
    rev: int
    version: int
    emptied: tuple
    size: int = 1

    @property
    def shape(self):
        return self.version, self.emptied

    def after_sale(self, sale):
        return replace(self, rev=sale["rev"], emptied=emptied(sale))


def shown(event):
    return Shown(event["eventId"], event["rev"], *shape_of(event))


class Database:
    """What can be seen of the events; a write has its time before it can be seen."""

    def __init__(self):
        self.now = START
        self.events = {
            id_: {
                "eventId": id_,
                "rev": 0,
                "__v": 0,
                "ticketTypes": types,
                "changedAt": START - timedelta(minutes=id_),
            }
            for id_, types in TYPES.items()
        }
        self.gone, self.writing = {}, {}

    def begin(self, event_id, change):
        """As writes of one document go: no second one before the first is done."""
        if event_id in self.events and event_id not in self.writing:
            self.writing[event_id] = (self.now, change)

    def end(self, event_id):
        """The event after its write, or None where there is none."""
        at, change = self.writing.pop(event_id, (None, None))
        if change is None:
            return None
        after = {**self.events.pop(event_id), "changedAt": at}
        after["rev"] += 1
        if change == "delete":
            del after["ticketTypes"], after["__v"]
            self.gone[event_id] = after | {"gone": True}
            return self.gone[event_id]
        if change == "edit":
            after["__v"] += 1
        else:
            left = after["ticketTypes"][0]["availableTickets"]
            most = TYPES[event_id][0]["availableTickets"]
            after["ticketTypes"] = [{"availableTickets": 2 * most - 1 - left}]
        self.events[event_id] = after
        return after

    def every(self):
        return [*self.events.values(), *self.gone.values()]

    def shown(self):
        return {id_: shown(event) for id_, event in self.events.items()}

    def changed_since(self, name, moment):
        found = (self.events if name == "events" else self.gone).values()
        return [dict(event) for event in found if event["changedAt"] > moment]


@dataclass
class Process:
    known: Known
    news: News = None
    must: dict = field(default_factory=dict)  # the rev of each event that must be seen
    reads: list = field(default_factory=list)
    fetched: list = field(default_factory=list)
    unnoted: list = field(default_factory=list)
    generation: int = 0
    finding: int = -1
    listed: tuple = (-1, {})  # of which generation a list is, and what it was made of

    def hear(self, change, began):
        if self.known.heard(change, began):
            self.generation += 1


class Model:
    """Each public method but `step` is something that may happen."""

    def __init__(self, kind, rng):
        self._kind, self._rng, self._asking = kind, rng, False
        self.database, self.shared, self.sets = Database(), {}, []
        self.processes = [self._process() for _ in PROCESSES]

    def _process(self):
        process = Process(self._kind())
        process.news = News(self, process.known, process.hear)
        return process

    def step(self):
        getattr(self, self._rng.choice(HAPPENINGS))()
        for process in self.processes:
            for event_id in EVENTS:
                event = process.known.get(event_id)
                assert event is None or event.rev >= process.must.get(event_id, 0)

    def _any(self):
        """A process that has begun to listen."""
        heard = [process for process in self.processes if process.news._since]
        return self._rng.choice(heard) if heard else Process(Known())

    def _event(self):
        return self._rng.choice(EVENTS)

    def _pop(self, values):
        return values.pop(self._rng.randrange(len(values))) if values else None

    # As eventapp.events.store answers.

    def last_change(self):
        return max(event["changedAt"] for event in self.database.every())

    def changed_since(self, name, moment):
        found = self.database.changed_since(name, moment)
        for _ in range(self._rng.randrange(3)):  # an answer takes its time
            self.step()
        return found

    # Time, and the writes of other processes.

    def time_passes(self):
        until = self.database.now + timedelta(seconds=self._rng.choice([0.1, 0.3, 1.2]))
        for event_id, (at, _) in list(self.database.writing.items()):
            if until - at >= OVERLAP:
                self.database.end(event_id)
        self.database.now = until

    def another_writes(self):
        self.database.begin(self._event(), self._rng.choice(CHANGES))

    def it_can_be_seen(self):
        self.database.end(self._event())

    # What a process does.

    def writes(self):
        event_id, change = self._event(), self._rng.choice(CHANGES)
        self.database.end(event_id)
        self.database.begin(event_id, change)
        after = self.database.end(event_id)
        if after:
            self._any().unnoted.append((change, after))

    def notes_its_write(self):
        process = self._any()
        change, after = self._pop(process.unnoted) or (None, None)
        if change is None:
            return
        event_id = after["eventId"]
        if change != "sale":
            process.known.edited(event_id)
            process.generation += 1
        elif process.known.sold(after):
            process.generation += 1
        process.must[event_id] = max(process.must.get(event_id, 0), after["rev"])
        generation, listed = process.listed
        if change == "sale" and generation == process.generation and event_id in listed:
            has = listed[event_id]
            assert has.rev >= after["rev"] or has.shape == shape_of(after)

    def begins_to_read(self):
        process, event_id = self._any(), self._event()
        if event_id in self.database.events:
            began = process.known.begin()
            process.reads.append((shown(self.database.events[event_id]), began))

    def has_read(self):
        process = self._any()
        event, began = self._pop(process.reads) or (None, None)
        if event:
            process.known.keep(event, began)
            if began.as_of is not None:
                self.sets.append((event, began.as_of))

    def reads_at_once(self):
        process, event = self._any(), self.database.events.get(self._event())
        if event:
            process.known.keep(shown(event), process.known.begin())

    def a_value_reaches_the_shared_cache(self):
        value = self._pop(self.sets)
        if value:
            self.shared[value[0].event_id] = value

    def asks_the_shared_cache(self):
        value = self.shared.get(self._event())
        if value:
            self._any().fetched.append(value)

    def takes_what_was_shared(self):
        process = self._any()
        if process.fetched:
            process.known.keep_shared(*self._pop(process.fetched))

    def begins_to_find(self):
        process = self._any()
        process.finding = process.generation

    def finds_a_list(self):
        process = self._any()
        process.listed = (process.finding, self.database.shown())

    def finds_a_list_at_once(self):
        process = self._any()
        process.listed = (process.generation, self.database.shown())

    def asks_what_changed(self):
        process = self._rng.choice(self.processes)
        if self._asking:
            return
        self._asking = True
        seen = {event["eventId"]: event["rev"] for event in self.database.every()}
        shapes = {id_: event.shape for id_, event in self.database.shown().items()}
        listed = process.listed
        process.news.ask()
        self._asking = False
        for id_, rev in seen.items():
            process.must[id_] = max(process.must.get(id_, 0), rev)
        if process.listed is listed and listed[0] == process.generation:
            assert {id_: event.shape for id_, event in listed[1].items()} == shapes

    def starts_anew(self):
        if not self._asking:
            self.processes[self._rng.choice(PROCESSES)] = self._process()


HAPPENINGS = [name for name in vars(Model) if not name.startswith("_")]
HAPPENINGS = [n for n in HAPPENINGS if n not in ("step", "last_change", "changed_since")]


@pytest.fixture
def walk(monkeypatch):
    """Shuffles this many times with rules of this kind; AssertionError where something is old."""

    def walk_(kind, walks):
        clock = SimpleNamespace(monotonic=lambda: model.database.now.timestamp())
        monkeypatch.setattr(change_feed, "time", clock)
        monkeypatch.setattr(change_feed.store, "last_change", Model.last_change)
        monkeypatch.setattr(change_feed.store, "changed_since", Model.changed_since)
        for seed in range(walks):
            model = Model(kind, random.Random(seed))
            for _ in range(STEPS):
                model.step()

    return walk_


@pytest.mark.parametrize("most_notes", [1_000, 1], ids=["", "notes thrown away"])
def test_nothing_old_is_ever_shown(walk, monkeypatch, most_notes):
    monkeypatch.setattr(freshness, "MAX_NOTES", most_notes)
    walk(Known, WALKS)


class KeepsAllReads(Known):
    def _overtaken(self, note, rev, began):
        return False


class KeepsAllThatIsShared(Known):
    def keep_shared(self, rendered, as_of):
        self._put_read(rendered)
        return True


class SharesWhatWasBeforeItsTime(Known):
    def keep_shared(self, rendered, as_of):
        return super().keep_shared(rendered, max(as_of, self._horizon or as_of))


class SharesWhatItKnowsBetter(Known):
    def keep_shared(self, rendered, as_of):
        self._notes.pop(rendered.event_id, None)
        return super().keep_shared(rendered, as_of)


class ForgetsItsEdits(Known):
    def edited(self, event_id):
        self._rendered.drop(event_id)


class ThrowsAwayNotesOnly(Known):
    def heard_all(self, newest, as_of, began):
        horizon, cut = self._horizon, self._cut
        super().heard_all(newest, as_of, began)
        self._horizon, self._cut = horizon or self._horizon, cut


class GoesByWhatItRead(Known):
    def _put_read(self, rendered):
        self._rendered.put(rendered.event_id, rendered)


class SeesNoFlicker(Known):
    def _moved(self, note, rendered, event):
        types = [{"availableTickets": 999 * k["availableTickets"]} for k in event["ticketTypes"]]
        return super()._moved(note, rendered, event | {"ticketTypes": types})


RULES = [KeepsAllReads, KeepsAllThatIsShared, SharesWhatWasBeforeItsTime, SharesWhatItKnowsBetter]
RULES += [ForgetsItsEdits, ThrowsAwayNotesOnly, GoesByWhatItRead, SeesNoFlicker]


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)
def test_without_a_rule_it_is(walk, monkeypatch, kind):
    monkeypatch.setattr(freshness, "MAX_NOTES", 1 if kind is ThrowsAwayNotesOnly else 1_000)
    with pytest.raises(AssertionError):
        walk(kind, CONTROL_WALKS)
