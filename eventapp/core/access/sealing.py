"""Encrypt what the database must not hold as plain text, such as the token in a mail.

AES-256-GCM of the library cryptography, with a random nonce for each text. The key is derived from
the server's secret for one purpose, by HKDF (RFC 5869), so it is of no use for another purpose and
tells nothing of the secret. After a change of the secret, nothing that was sealed before can be
opened.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES, NONCE_BYTES = 32, 12


class CannotOpen(Exception):
    """A sealed text was changed, or sealed with another key or in another context."""


def derive_key(secret: str, purpose: str) -> bytes:
    """Return a key of KEY_BYTES for one purpose.

    Args:
        secret: the setting JWT_SECRET.
        purpose: names what the key is for. Another purpose has another key.
    """
    info = f"eventapp {purpose}".encode()
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(secret.encode())


class Sealer:
    """Seals and opens texts with a key for one purpose."""

    def __init__(self, secret: str, purpose: str) -> None:
        """Derive the key.

        Args:
            secret: the setting JWT_SECRET.
            purpose: names what is sealed. Another purpose has another key.
        """
        self._cipher = AESGCM(derive_key(secret, f"seal: {purpose}"))

    def seal(self, text: str, context: str) -> bytes:
        """Return the encrypted text.

        Args:
            context: what the text belongs to, such as the key of a mail. Only a caller who names
                the same context can open it, so it cannot be moved to another document.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """Return the text that `seal` has encrypted.

        Raises:
            CannotOpen: the text was changed, or sealed with another key or in another context.
        """
        nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, encrypted, context.encode()).decode()
        except (InvalidTag, ValueError):
            raise CannotOpen("it was sealed with another key, or changed") from None
