"""Routes of events, their ticket types and photos, and favorites."""

from eventapp.events.routes import events, favorites

BLUEPRINTS = (
    events.bp,
    events.parts_bp,
    events.photos_bp,
    favorites.bp,
    favorites.recoms_bp,
)
