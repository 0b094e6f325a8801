"""Routes of an event's chat and of the event's live stream."""

from eventapp.messages.routes import event_stream, messages

BLUEPRINTS = (
    messages.bp,
    event_stream.bp,
)
