"""The key that signs tickets. It is created on first use and stored in the database.

The key is not derived from JWT_SECRET: that secret is changed when it may have leaked, and a change
would invalidate every printed ticket. The key is stored in the same database as the bookings, so
that one backup contains both. This adds no risk, because a person with write access to the database
can add bookings and needs no forged ticket.
"""

import base64
import hmac
from datetime import datetime

from nacl.signing import SigningKey

from eventapp.core.database import Db
from eventapp.tickets import rules, store


class TicketKey:
    """Signs and verifies the codes of tickets."""

    def __init__(self, seed: bytes) -> None:
        """Derive the key from a seed of 32 bytes."""
        self._key = SigningKey(seed)

    @property
    def public_key(self) -> str:
        """The public key: 32 bytes in base64url without padding, as the `x` of a JWK."""
        raw = self._key.verify_key.encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def sign(self, event_id: int, ticket_id: str) -> str:
        """Return the code of a ticket. It is always the same, because Ed25519 is deterministic."""
        payload = rules.build_payload(event_id, ticket_id)
        return rules.build_code(payload, self._key.sign(payload.encode()).signature)

    def verify(self, event_id: int, text: str) -> rules.Ticket | None:
        """Return the ticket of a code if this key signed it for this event; else None.

        The code must equal the result of `sign`, so that a ticket has exactly one valid code.
        """
        code = rules.normalize_code(text)
        parsed = rules.parse_code(code)
        if parsed is None:
            return None
        coded_event_id, ticket = parsed
        if coded_event_id != event_id:
            return None
        expected = self.sign(event_id, ticket.ticket_id)
        return ticket if hmac.compare_digest(expected, code) else None


def load_key(db: Db, now: datetime) -> TicketKey:
    """Return the key that is stored in this database; create it if there is none."""
    return TicketKey(store.load_seed(db, lambda: SigningKey.generate().encode(), now))


def replace_key(db: Db, now: datetime) -> TicketKey:
    """Store a new key and return it. All codes issued before become invalid."""
    seed = SigningKey.generate().encode()
    store.replace_seed(db, seed, now)
    return TicketKey(seed)
