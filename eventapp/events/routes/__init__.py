"""Routes of events, their ticket types, photos and quotas, and favorites."""

from eventapp.events.routes import availability, events, favorites, quotas

BLUEPRINTS = (
    availability.bp,
    events.bp,
    events.parts_bp,
    events.photos_bp,
    quotas.bp,
    favorites.bp,
    favorites.recoms_bp,
)
