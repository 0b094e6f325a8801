"""Make and check the tokens by which a form shows that a page of this site has rendered it.

A token is a random nonce and its HMAC-SHA256 together with the session, under a key of its own. So
a token of one session is refused in another. The nonce makes the token of each page another one:
the size of a compressed page tells nothing about it.
"""

import hmac
import secrets

NONCE_BYTES = 16
_PURPOSE = b"eventapp form tokens"


def make_form_token(secret: str, session: str) -> str:
    """Return a new token.

    Args:
        secret: the setting JWT_SECRET.
        session: names the session that the token is bound to; empty before anybody signs in.
    """
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    return f"{nonce}.{_sign(secret, session, nonce)}"


def is_form_token(secret: str, session: str, token: str) -> bool:
    """Return whether a text is a token of this session. The time it takes tells nothing."""
    nonce, _, signature = token.partition(".")
    return hmac.compare_digest(_sign(secret, session, nonce).encode(), signature.encode())


def _sign(secret: str, session: str, nonce: str) -> str:
    key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
    return hmac.digest(key, f"{nonce}.{session}".encode(), "sha256").hex()
