"""The errors of an event's chat."""

from eventapp.core.errors import NotFound


class MessageNotFound(NotFound):
    """The chat has no such message, or it was deleted."""

    code, message = "message_not_found", "Message not found"
