"""The events that judged queries search: sample events, judged ones and 10,000 generated ones.

The judged events of `judged_events.json` are written by hand, twenty in each of six languages. The
generated ones put words of `vocabulary.json` together. They hide the judged events among events
with similar words, and fill cities and venues.
"""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from eventapp.events.bodies import EventInput
from scripts.seed import read_samples

FOLDER = Path(__file__).parent
LANGUAGES = {
    "el": "Greek",
    "de": "German",
    "fr": "French",
    "tr": "Turkish",
    "es": "Spanish",
    "en": "English",
}
GENERATED_EVENTS = 10_000
SEED = 20_261_130
# Events take place in this many days from tomorrow on.
SPAN_DAYS = 365
DESCRIPTION_SENTENCES = 3

Item = TypeVar("Item")
# The words of one language, as vocabulary.json has them.
Vocabulary = dict[str, Any]


def make_collection(today: date, *, generated: int = GENERATED_EVENTS) -> list[EventInput]:
    """Return the bodies of all events in an order without meaning, all of them upcoming.

    The same arguments give the same events in every version of Python.

    Args:
        generated: how many generated events to add to the sample and judged events.
    """
    rng = random.Random(SEED)
    events = [
        *read_samples(keep_dates=False),
        *read_judged_events(today),
        *generate_events(rng, today, generated),
    ]
    # The eventId decides between events with equal scores, so it must not depend on their origin.
    order = sorted(range(len(events)), key=[rng.random() for _ in events].__getitem__)
    return [events[number] for number in order]


def read_judged_events(today: date) -> list[EventInput]:
    """Return the events that were written for judged queries."""
    judged: list[dict[str, Any]] = json.loads((FOLDER / "judged_events.json").read_text("utf-8"))
    return [
        _make_body(event, {"date": today + timedelta(days=days), "location": event["location"]})
        for days, event in enumerate(judged, start=1)
    ]


def generate_events(rng: random.Random, today: date, count: int) -> Iterator[EventInput]:
    """Yield this many generated events, in each language in turn."""
    vocabulary: dict[str, Vocabulary] = json.loads((FOLDER / "vocabulary.json").read_text("utf-8"))
    languages = list(vocabulary)
    for number in range(count):
        yield _generate_event(rng, today, vocabulary[languages[number % len(languages)]])


def _generate_event(rng: random.Random, today: date, words: Vocabulary) -> EventInput:
    place, genre = _choose(rng, words["places"]), _choose(rng, words["genres"])
    values = {
        "adjective": _choose(rng, words["adjectives"]),
        "noun": genre["noun"],
        "theme": _choose(rng, words["themes"]),
        "lastName": _choose(rng, words["lastNames"]),
        "society": _choose(rng, words["societies"]),
        "name": _choose_name(rng, words),
        "other": _choose_name(rng, words),
    }
    sentences = [_choose(rng, words["sentences"]) for _ in range(DESCRIPTION_SENTENCES)]
    event = {
        "title": _choose(rng, words["titles"]).format_map(values),
        "category": genre["category"],
        "tags": genre["tags"],
        "organizer": _choose(rng, words["organizers"]).format_map(values),
        "description": " ".join(dict.fromkeys(sentences)).format_map(values),
    }
    entry = {
        "date": today + timedelta(days=1 + int(rng.random() * SPAN_DAYS)),
        "location": f"{_choose(rng, place['venues'])}, {place['city']}",
        "lat": place["lat"],
        "lng": place["lng"],
    }
    return _make_body(event, entry)


def _make_body(event: dict[str, Any], entry: Any) -> EventInput:
    return {
        "title": event["title"],
        "description": event["description"],
        "category": event["category"],
        "image": "",
        "schedule": [entry],
        "ticketTypes": [{"type": "General", "price": 15, "availableTickets": 200}],
        "organizer": event["organizer"],
        "tags": event["tags"],
    }


def _choose_name(rng: random.Random, words: Vocabulary) -> str:
    return f"{_choose(rng, words['firstNames'])} {_choose(rng, words['lastNames'])}"


def _choose(rng: random.Random, items: Sequence[Item]) -> Item:
    """Return an item. Only `random()` gives the same numbers in every version of Python."""
    return items[int(rng.random() * len(items))]
