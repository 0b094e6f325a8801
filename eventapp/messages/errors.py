"""What can be wrong with a call about messages."""

from eventapp.core.errors import NotFound


class MessageNotFound(NotFound):
    code, message = "message_not_found", "Message not found"
