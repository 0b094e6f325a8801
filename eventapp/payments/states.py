"""The states of a payment and of its attempts, as pure functions.

An attempt begins as `starting`, before the provider is asked. What the provider says then moves it:

    starting -> unknown, open, processing, refused, cancelled, succeeded
    unknown  -> open, processing, refused, cancelled, succeeded
    open, refused, processing -> each other, cancelled, succeeded
    cancelled, succeeded: final

Reports of a provider come late, repeated and in any order. So a report never leads back from a
final state, nor from a known state to `unknown`; only money that came counts in every state. A
`refused` attempt may still be paid by another card, unless the provider has no payment for it.
Before the next attempt begins, the provider cancels the one before, so money comes for one attempt
at most.

The state of the payment follows from its attempts and from the refunds of the booking.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from eventapp.payments.provider import PaymentStatus, ProviderPayment
from eventapp.payments.types import (
    AttemptId,
    AttemptState,
    Payment,
    PaymentState,
    Refund,
    StoredAttempt,
)

FINAL_STATES: frozenset[AttemptState] = frozenset({"cancelled", "succeeded"})
LIVE_STATES: frozenset[AttemptState] = frozenset({"starting", "unknown", "open", "processing"})
STATE_OF_ATTEMPT: dict[AttemptState, PaymentState] = {
    "starting": "required",
    "unknown": "unknown",
    "open": "required",
    "refused": "failed",
    "processing": "processing",
    "succeeded": "succeeded",
    "cancelled": "failed",
}
# The provider of payments that were made before payments were recorded.
LEGACY = "legacy"


def build_attempt(
    attempt_id: AttemptId, provider: str, cents: int, now: datetime, request: str | None = None
) -> StoredAttempt:
    """Return an attempt that begins.

    Args:
        request: the digest of the user and the Idempotency-Key; None without one.
    """
    attempt: StoredAttempt = {
        "attemptId": attempt_id,
        "provider": provider,
        "cents": cents,
        "state": "starting",
        "begunAt": now,
    }
    if request:
        attempt["request"] = request
    return attempt


def add_attempt(payment: Payment | None, attempt: StoredAttempt) -> Payment:
    """Return a payment with one more attempt.

    Args:
        payment: None before the first attempt.
    """
    earlier = payment["attempts"] if payment else []
    return _build(payment, [*earlier, attempt], ())


def replace_attempt(
    payment: Payment, attempt: StoredAttempt, refunds: Sequence[Refund] = ()
) -> Payment:
    """Return a payment in which the attempt with the same id is replaced.

    Args:
        refunds: all other refunds of the booking, which also decide the state.
    """
    attempts = [
        attempt if each["attemptId"] == attempt["attemptId"] else each
        for each in payment["attempts"]
    ]
    return _build(payment, attempts, refunds)


def update_state(payment: Payment, refunds: Sequence[Refund]) -> Payment:
    """Return a payment whose state follows from its attempts and these refunds of the booking."""
    return _build(payment, payment["attempts"], refunds)


def _build(
    payment: Payment | None, attempts: list[StoredAttempt], refunds: Sequence[Refund]
) -> Payment:
    return {
        "state": derive_state(attempts, refunds),
        "revision": payment["revision"] + 1 if payment else 1,
        "attempts": attempts,
    }


def derive_state(attempts: Sequence[StoredAttempt], refunds: Iterable[Refund]) -> PaymentState:
    """Return the state of a payment with at least one attempt.

    Args:
        refunds: those of the booking; the refunds of its attempts are added.
    """
    own = [each["refund"] for each in attempts if "refund" in each]
    decided = [each for each in (*refunds, *own) if each["amount"]]
    unpaid = [each for each in decided if "refundId" not in each]
    if any("failure" in each for each in unpaid):
        return "failed"
    if unpaid:
        return "refunding"
    charged = sum(each["cents"] for each in attempts if each["state"] == "succeeded")
    if not charged:
        return STATE_OF_ATTEMPT[attempts[-1]["state"]]
    returned = sum(round(each["amount"] * 100) for each in decided)
    return "refunded" if returned >= charged else "succeeded"


def follow(attempt: StoredAttempt, seen: ProviderPayment, now: datetime) -> StoredAttempt:
    """Return an attempt as it is after a report of the provider; itself if nothing changes.

    Args:
        now: recorded as the time of success.
    """
    followed = attempt.copy()
    if seen.provider_id:
        followed["providerId"] = seen.provider_id
    if seen.fee_cents is not None:
        followed["feeCents"] = seen.fee_cents
    is_paid_after_all = attempt["state"] == "cancelled" and seen.status == "succeeded"
    if attempt["state"] not in FINAL_STATES or is_paid_after_all:
        followed["state"] = _translate(seen.status)
        if seen.refusal:
            followed["refusal"] = seen.refusal
        if seen.status == "succeeded":
            followed["succeededAt"] = now
    return attempt if followed == attempt else followed


def _translate(status: PaymentStatus) -> AttemptState:
    # The states of an attempt include those that a provider reports.
    return status


def refuse(attempt: StoredAttempt, reason: str) -> StoredAttempt:
    """Return an attempt after the provider has refused to create a payment; or itself if final."""
    if attempt["state"] in FINAL_STATES:
        return attempt
    refused: StoredAttempt = {**attempt, "state": "refused"}
    if reason:
        refused["refusal"] = reason
    return attempt if refused == attempt else refused


def mark_unknown(attempt: StoredAttempt) -> StoredAttempt:
    """Return an attempt after the provider did not answer; itself if more is known of it."""
    return {**attempt, "state": "unknown"} if attempt["state"] == "starting" else attempt


def find_attempt(payment: Payment | None, attempt_id: AttemptId) -> StoredAttempt | None:
    """Return the attempt with this id; None if the payment has none."""
    attempts = payment["attempts"] if payment else []
    return next((each for each in attempts if each["attemptId"] == attempt_id), None)


def find_payable_attempt(payment: Payment | None) -> StoredAttempt | None:
    """Return the attempt for which money may still come; None without one."""
    attempts = payment["attempts"] if payment else []
    return next(filter(is_payable, attempts), None)


def find_attempt_without_fee(payment: Payment | None) -> StoredAttempt | None:
    """Return an attempt that has brought money and whose fee is not known; None without one."""
    attempts = payment["attempts"] if payment else []
    paid = (each for each in attempts if each["state"] == "succeeded")
    return next((each for each in paid if "feeCents" not in each), None)


def find_late_attempt(payment: Payment | None) -> StoredAttempt | None:
    """Return the attempt whose money came late and is neither used nor paid back; or None."""
    attempts = payment["attempts"] if payment else []
    return next((each for each in attempts if "lateAt" in each), None)


def keep_late_money(attempt: StoredAttempt) -> StoredAttempt:
    """Return a late attempt as it is once its money pays for the booking."""
    kept = attempt.copy()
    del kept["lateAt"]
    return kept


def void(attempt: StoredAttempt, now: datetime, refund: Refund | None = None) -> StoredAttempt:
    """Return a paid attempt as it is once its money is to be paid back.

    Args:
        refund: recorded with the attempt; None if it is recorded as that of the booking.
    """
    voided = attempt.copy()
    voided.pop("lateAt", None)
    voided["voidAt"] = now
    if refund:
        voided["refund"] = refund
    return voided


def has_paid(attempt: StoredAttempt) -> bool:
    """Return whether the money of an attempt came, and pays for its booking."""
    return attempt["state"] == "succeeded" and "voidAt" not in attempt


def is_live(attempt: StoredAttempt) -> bool:
    """Return whether an attempt is under way: no other one may begin beside it."""
    return attempt["state"] in LIVE_STATES


def is_payable(attempt: StoredAttempt) -> bool:
    """Return whether money may still come for an attempt, until the provider cancels it."""
    return is_live(attempt) or (attempt["state"] == "refused" and "providerId" in attempt)
