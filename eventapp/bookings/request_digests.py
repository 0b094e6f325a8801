"""Recognize a request that is repeated with its Idempotency-Key, without storing the key.

Some documents are not erased with the person who made them. So they store neither the key nor whose
it is.
"""

import hashlib

from eventapp.bookings.types import RequestDigests
from eventapp.core import json
from eventapp.core.access.actor import Actor


def digest_request(actor: Actor, idempotency_key: str, body: object) -> RequestDigests:
    """Return the digests of the caller with the key, and of the body.

    Args:
        body: a value that can be written as JSON.
    """
    key = f"{actor.user_id} {idempotency_key}".encode()
    return {
        "key": hashlib.blake2b(key, digest_size=16).hexdigest(),
        "body": hashlib.blake2b(json.dumps(body), digest_size=16).hexdigest(),
    }
