"""The modules of each feature that are mutated, and the tests that should kill the mutants."""

from dataclasses import dataclass
from pathlib import Path

from eventapp.config import ROOT

# Modules without decisions: declarations, HTTP in and out, and changes of old documents.
LEFT_OUT = ("types.py", "errors.py", "routes.py", "*schemas.py", "*migration.py", "__init__.py")


@dataclass(frozen=True)
class Target:
    """Files to mutate and files to run, as globs from the root of the repository."""

    modules: tuple[str, ...]
    globs: tuple[str, ...]

    def list_modules(self) -> list[Path]:
        """Return the modules with decisions, in order."""
        found = {path for glob in self.modules for path in ROOT.glob(glob)}
        return sorted(path for path in found if not any(map(path.match, LEFT_OUT)))

    @property
    def tests(self) -> list[str]:
        """The test files, those of pure functions first."""
        return [str(path) for glob in self.globs for path in sorted(ROOT.glob(glob))]


TARGETS = {
    "inventory": Target(
        ("eventapp/inventory/*.py",),
        (
            "tests/unit/test_inventory_*.py",
            "tests/store/test_inventory_guards.py",
            "tests/store/test_inventory_store.py",
            "tests/store/test_merged_guards.py",
            "tests/http/test_bookings_create.py",
            "tests/http/test_bookings_limits.py",
            "tests/http/test_ticket_quantities.py",
            "tests/http/test_promo_codes.py",
            "tests/http/test_unlocks.py",
            "tests/http/test_quotas.py",
            "tests/http/test_waitlist.py",
            "tests/http/test_waitlist_offers.py",
            "tests/http/test_closed_event.py",
            "tests/store/test_closed_event.py",
            "tests/store/test_check_inventory.py",
            "tests/race/test_bookings_sale.py",
            "tests/race/test_terms.py",
            "tests/race/test_sale_windows.py",
            "tests/race/test_quotas.py",
            "tests/race/test_waitlist_queues.py",
        ),
    ),
    "promotions": Target(
        ("eventapp/promotions/*.py",),
        (
            "tests/unit/test_promo_codes.py",
            "tests/unit/test_promotions_rules.py",
            "tests/http/test_promo_codes.py",
        ),
    ),
    "payments": Target(
        ("eventapp/payments/*.py",),
        (
            "tests/unit/test_payment_states.py",
            "tests/unit/test_stripe_payments.py",
            "tests/unit/test_fake_stripe.py",
            "tests/http/test_payment_webhooks.py",
            "tests/http/test_bookings_payments.py",
            "tests/store/test_payment_events.py",
        ),
    ),
    "bookings": Target(
        (
            "eventapp/bookings/*.py",
            "eventapp/bookings/sales/*.py",
            "eventapp/bookings/payments/*.py",
        ),
        (
            "tests/unit/test_bookings_rules.py",
            "tests/unit/test_ticket_places.py",
            "tests/unit/test_booked_entries.py",
            "tests/store/test_bookings_store.py",
            "tests/store/test_bookings_recovery.py",
            "tests/store/test_bookings_event_closing.py",
            "tests/store/test_check_inventory.py",
            "tests/http/test_bookings_*.py",
            "tests/race/test_bookings_*.py",
            "tests/race/test_cancelled_tickets_race.py",
            "tests/race/test_payments_race.py",
        ),
    ),
    "waitlist": Target(
        ("eventapp/waitlist/*.py",),
        (
            "tests/http/test_waitlist*.py",
            "tests/store/test_inventory_store.py",
            "tests/race/test_waitlist_race.py",
            "tests/race/test_waitlist_queues.py",
        ),
    ),
}
