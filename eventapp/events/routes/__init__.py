"""Routes of events, their ticket types and photos, and favorites."""

from eventapp.events.routes import events, favorites, photos, ticket_types

BLUEPRINTS = (
    events.bp,
    ticket_types.bp,
    photos.bp,
    favorites.bp,
    favorites.recoms_bp,
)
