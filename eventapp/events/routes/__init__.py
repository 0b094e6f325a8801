"""Routes of events, their ticket types, photos, quotas and availability, and of favorites."""

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
