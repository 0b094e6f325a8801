"""Routes of events, their ticket types, photos, quotas, availability and log, and of favorites."""

from eventapp.events.routes import availability, event_log, events, favorites, quotas

BLUEPRINTS = (
    availability.bp,
    events.bp,
    events.parts_bp,
    events.photos_bp,
    quotas.bp,
    event_log.bp,
    favorites.bp,
    favorites.recoms_bp,
)
