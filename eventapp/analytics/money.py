"""Sums of money that moved: what was charged, what was refunded, and what the providers kept.

The figures of sales (rules.py) say what the tickets of confirmed bookings cost. These figures say
what money moved, and when: an entry of the ledger counts on the day of its own time. An entry with
a positive `paid` was charged, and one with a negative `paid` was refunded, whatever its version and
its kind, with one exception: a refund that came back to the provider is subtracted from what was
refunded.
"""

from dataclasses import dataclass

# The kind of an entry of a refund that the provider had accepted and could not pay.
RETURNED_REFUND = "refund_returned"


@dataclass(frozen=True)
class MoneyTotals:
    """Amounts in cents.

    Attributes:
        charged: what buyers paid.
        refunded: what they got back.
        fees: what the payment providers kept of it.
    """

    charged: int = 0
    refunded: int = 0
    fees: int = 0

    @property
    def net(self) -> int:
        """What remains to the organizer."""
        return self.charged - self.refunded - self.fees

    def __add__(self, other: "MoneyTotals") -> "MoneyTotals":
        return MoneyTotals(
            self.charged + other.charged, self.refunded + other.refunded, self.fees + other.fees
        )


NO_MONEY = MoneyTotals()


def split_entry(kind: str, paid: int, fee: int) -> MoneyTotals:
    """Return the money of an entry of the ledger.

    Args:
        kind: what happened: see `bookings.ledger.types`.
        paid: cents, positive for a charge, negative for a refund.
        fee: cents that the provider kept; negative if it gave a fee back.
    """
    if kind == RETURNED_REFUND:
        return MoneyTotals(0, -paid, fee)
    return MoneyTotals(max(paid, 0), max(-paid, 0), fee)
