"""Why a notification can't be had."""

from eventapp.core.errors import NotFound


class NotificationNotFound(NotFound):
    code, message = "notification_not_found", "Notification not found"
