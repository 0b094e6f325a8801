"""Routes of events, their ticket types, photos, quotas, availability and log, and of favorites."""

from eventapp.events.routes import (
    availability,
    changes,
    duplicates,
    event_log,
    events,
    favorites,
    feeds,
    organizers,
    quotas,
)

BLUEPRINTS = (
    organizers.bp,
    availability.bp,
    changes.bp,
    events.bp,
    events.parts_bp,
    events.photos_bp,
    quotas.bp,
    event_log.bp,
    duplicates.bp,
    feeds.bp,
    favorites.bp,
    favorites.recoms_bp,
)
