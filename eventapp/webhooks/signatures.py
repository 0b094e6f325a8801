"""Sign deliveries of webhooks as the specification of Standard Webhooks says.

See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
The signature covers the id, the timestamp and the bytes of the body.
"""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from secrets import token_bytes

from standardwebhooks import Webhook

SECRET_PREFIX = "whsec_"
# The specification asks for 24 to 64.
SECRET_BYTES = 32


def make_secret() -> str:
    """Return a new random secret, in the form that libraries for receivers accept."""
    return SECRET_PREFIX + base64.b64encode(token_bytes(SECRET_BYTES)).decode()


def sign(secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove who sent a delivery.

    Args:
        secrets: the secrets that are valid now. Each makes one signature, so a receiver may
            know any of them.
        webhook_id: the id of the delivery, the same in every attempt.
        timestamp: when this attempt is made, in seconds of Unix time.
        body: what is sent, in UTF-8.
    """
    moment, text = datetime.fromtimestamp(timestamp, UTC), body.decode()
    signatures = (Webhook(each).sign(webhook_id, moment, text) for each in secrets)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
