"""Why a door device cannot be made, found or paired."""

from eventapp.core.errors import Conflict, NotFound, ValidationFailed


class DeviceNotFound(NotFound):
    """The event has no device with this id, or it has ended."""

    code, message = "device_not_found", "Device not found"


class TooManyDevices(Conflict):
    """The event has as many devices as are allowed."""

    code, message = "too_many_devices", "The event has too many devices: end one first"


class EventEnded(Conflict):
    """A device of the event would end at once."""

    code, message = "event_ended", "The event is over for too long to get devices"


class PairingCodeInvalid(ValidationFailed):
    """The code is unknown, used, void or expired, or its device has ended."""

    code, message = "code_invalid", "This code is not valid any more; ask for a new one"

    def __init__(self) -> None:
        super().__init__(errors={"code": [self.message]})
