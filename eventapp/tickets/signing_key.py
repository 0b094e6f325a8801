"""The key that tickets are signed with: made on first use, kept in the database.

Not derived from JWT_SECRET, although that would need no storing: changing that secret, as one
does when it may have leaked, would turn away everyone who has printed a ticket. It lies beside
the bookings, so a backup has both; who can write there needs no forged ticket.
"""

import base64
import hmac
from datetime import datetime

from nacl.signing import SigningKey

from eventapp.core.database import Db
from eventapp.tickets import rules, store


class Key:
    """Signs codes, and knows its own again."""

    def __init__(self, seed: bytes) -> None:
        self._key = SigningKey(seed)

    @property
    def public(self) -> str:
        """The public key: 32 bytes in base64url without padding, as the `x` of a JWK."""
        raw = self._key.verify_key.encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def code(self, event_id: int, ticket_id: str) -> str:
        """The code of a ticket: always the same, as Ed25519 has it."""
        claim = rules.claim(event_id, ticket_id)
        return rules.code(claim, self._key.sign(claim.encode()).signature)

    def seat(self, event_id: int, sent: str) -> rules.Seat | None:
        """The seat of a code of this event that we signed; None for all else.

        A code is compared whole, so that of each ticket there is but one that passes.
        """
        code = rules.typed(sent)
        named = rules.read(code)
        if named is None or named[0] != event_id:
            return None
        ours = self.code(event_id, named[1].ticket_id)
        return named[1] if hmac.compare_digest(ours, code) else None


def key_of(db: Db, now: datetime) -> Key:
    """The database's key, made where it has none."""
    return Key(store.seed(db, lambda: SigningKey.generate().encode(), now))


def replace_key(db: Db, now: datetime) -> Key:
    """A new key in place of the database's: every code given out before is refused from now on."""
    seed = SigningKey.generate().encode()
    store.replace_seed(db, seed, now)
    return Key(seed)
