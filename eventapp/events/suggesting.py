"""Suggest texts of public upcoming events while somebody types.

The in-memory index answers, from all listed events. While there is no index, the database does,
from a bounded number of them: those with a title, a location or a tag that begins with what was
typed, and the most popular ones. Both choose and order the texts by the same code.
"""

from collections.abc import Sequence
from datetime import datetime

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.textsearch import fold_text
from eventapp.events import store_suggestions
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.index.suggestions import SuggestionIndex, Suggestions, split_words


def suggest(
    db: Db, typed: str, *, event_cache: EventCache, actor: Actor, now: datetime
) -> JsonObject:
    """Return the texts of public upcoming events that begin with what was typed, or contain it.

    Args:
        now: the time by the database's clock.

    Returns:
        `{titles: [{eventId, title}], locations, organizers, categories, tags}`, the best first, at
        most `MAX_SUGGESTED` of each.
    """
    event_cache.receive_changes(actor)
    words = split_words(typed)
    found = event_cache.index.suggest(words, event_cache.get_today(now))
    if found is None:
        found = _suggest_from_database(db, typed, words)
    return {
        "titles": _read_titles(db, found.event_ids),
        "locations": found.locations,
        "organizers": found.organizers,
        "categories": found.categories,
        "tags": found.tags,
    }


def _suggest_from_database(db: Db, typed: str, words: Sequence[str]) -> Suggestions:
    key = fold_text(typed)
    events = store_suggestions.find_by_prefix(db, key) if key else []
    events += store_suggestions.find_most_popular(db)
    texts = SuggestionIndex()
    for event in {event["eventId"]: event for event in events}.values():
        texts.add(event)
    return texts.suggest(words)


def _read_titles(db: Db, event_ids: Sequence[int]) -> list[JsonObject]:
    """Return the titles of these events, in this order.

    They are read, because an event may have become a draft since the index was brought up to date.
    """
    if not event_ids:
        return []
    titles = store_suggestions.find_titles(db, event_ids)
    return [{"eventId": each, "title": titles[each]} for each in event_ids if each in titles]
