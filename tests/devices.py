"""Make, pair and use door devices in tests."""

from tests.bookings_factories import Caller


def make_device(host, event_id, name="Main entrance"):
    """Return the answer to a host who makes a device; fail if it is refused."""
    answer = host.call("POST", f"/events/{event_id}/devices", {"name": name})
    assert answer.status_code == 201, answer.json
    return answer.json


def read_code(link):
    """Return the code in the answer that holds a link."""
    return link["link"].partition("#")[2]


def pair(client, code):
    return client.post("/api/devices/pair", json={"code": code})


class Device(Caller):
    """A paired device.

    Attributes:
        device_id: its id, in hexadecimal digits.
        secret: what it got for its code.
    """

    def __init__(self, host, event_id, **changes):
        made = make_device(host, event_id, **changes)
        answer = pair(host.client, read_code(made))
        assert answer.status_code == 200, answer.json
        self.client, self.id = host.client, host.id
        self.device_id, self.secret = made["deviceId"], answer.json["secret"]
        self.headers = {"Authorization": f"Bearer {self.secret}"}

    def check_in(self, event_id, code="x"):
        return self.call("POST", f"/events/{event_id}/check-in", {"code": code})
