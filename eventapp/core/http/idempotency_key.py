"""Read the header Idempotency-Key, by which a client may send a request again without harm."""

from flask import request

from eventapp.core.errors import ValidationFailed

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 200  # characters
KEY_SCHEMA = {"maxLength": MAX_KEY_LENGTH, "pattern": r"^[ -~\xa1-\xac\xae-\xff]+$"}


def read_idempotency_key() -> str | None:
    """Return the key of the request, None without one.

    Raises:
        ValidationFailed: the key is empty, too long or holds control characters.
    """
    key = request.headers.get(HEADER)
    if key is not None and not (1 <= len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        errors = {HEADER: [f"Must have 1 to {MAX_KEY_LENGTH} printable characters"]}
        raise ValidationFailed(f"Invalid {HEADER}", errors=errors)
    return key
