"""Routes of notifications and of their live stream."""

from eventapp.notifications.routes import notifications, stream

BLUEPRINTS = (
    notifications.bp,
    stream.bp,
)
