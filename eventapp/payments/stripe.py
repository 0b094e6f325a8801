"""Payments by Stripe, through its official library.

An attempt is a PaymentIntent, created with the id of the attempt as its idempotency key. Buyers pay
it in their app or browser with the client secret. Stripe forgets an idempotency key after 24 hours.
Another intent that is then created for the same attempt does no harm: no answer has told the id of
the first one, so its client secret was given to nobody. A refund must not be made twice, so it is
looked up among the refunds of the intent, by its key in their metadata, before it is created.

The error messages of the library can contain a client secret or the details of a card. So they are
neither logged nor passed on: an error of this module has only a code, and no cause or context.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar, cast

import stripe
import structlog

from eventapp.payments.bounded_calls import BoundedCalls, BoundedSession, CallTimedOut
from eventapp.payments.provider import (
    TIMEOUT_SECONDS,
    Attempt,
    InvalidEvent,
    PaymentRefused,
    PaymentStatus,
    PaymentUnavailable,
    ProviderEvent,
    ProviderPayment,
)
from eventapp.payments.stripe_settings import STRIPE, StripeSettings

# The library would tell Stripe how long requests take, and write an id of this machine into the
# home directory. Only this variable of the module switches it off, for all clients.
stripe.enable_telemetry = False

# A request that takes longer is repeated, so its limit leaves time for one more.
CONNECT_SECONDS, READ_SECONDS, MAX_RETRIES = 3.0, 4.5, 2
# What is left of TIMEOUT_SECONDS for the answer to reach the caller on a busy machine.
MARGIN_SECONDS = 0.5
SIGNATURE_HEADER, SIGNATURE_SECONDS = "stripe-signature", 300
MAX_REFUNDS_IN_PAGE = 100
# https://docs.stripe.com/currencies: Stripe counts these in whole units, the others below in
# thousandths, and all the rest in hundredths.
ZERO_DECIMAL_CURRENCIES = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV")
    + ("XAF", "XOF", "XPF")
)
THREE_DECIMAL_CURRENCIES = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
# https://docs.stripe.com/payments/paymentintents/lifecycle
STATUS_OF_INTENT: dict[str, PaymentStatus] = {
    "requires_payment_method": "open",
    "requires_confirmation": "open",
    "requires_action": "open",
    "processing": "processing",
    "requires_capture": "processing",
    "succeeded": "succeeded",
    "canceled": "cancelled",
}
FINAL_STATUSES: frozenset[PaymentStatus] = frozenset(("succeeded", "processing", "cancelled"))
FAILED_REFUNDS = frozenset(("failed", "canceled"))
PAYMENT_EVENTS = frozenset(
    f"payment_intent.{name}"
    for name in ("succeeded", "processing", "payment_failed", "canceled", "requires_action")
)
# Stripe reports a failed refund by both, of which an older API version knows only the second.
REFUND_EVENTS = frozenset(("refund.failed", "charge.refund.updated"))
# Nothing that an attempt names is ever deleted at Stripe, so it belongs to another account or mode.
MISSING = "resource_missing"
NOT_CANCELLABLE = "payment_intent_unexpected_state"
# Another request with the same idempotency key is not answered yet.
KEY_IN_USE = "idempotency_key_in_use"
FEE_PATH = "latest_charge.balance_transaction"
_ID = re.compile(r"[0-9a-f]{24}")

log = structlog.get_logger()

Result = TypeVar("Result")
JsonMap = Mapping[str, Any]


class _AnsweredError(PaymentUnavailable):
    """Stripe answered with an error of its own. What it was asked for may be done."""


class StripePayments:
    """Takes payments by PaymentIntents of one Stripe account."""

    name = STRIPE
    charges_at_once = False
    buyer_pays = True

    def __init__(
        self, settings: StripeSettings, timeout_seconds: float = TIMEOUT_SECONDS - MARGIN_SECONDS
    ) -> None:
        """Open an account without connecting to it yet.

        Args:
            timeout_seconds: the longest that a method may take, with all its requests.
        """
        self._webhook_secret = settings.webhook_secret
        self._calls = BoundedCalls(timeout_seconds)
        session = BoundedSession(self._calls, CONNECT_SECONDS, READ_SECONDS)
        api = stripe.StripeClient(
            settings.secret_key,
            base_addresses={"api": settings.api_base.rstrip("/")},
            http_client=stripe.RequestsClient(session=session),
            max_network_retries=MAX_RETRIES,
        ).v1
        self._intents, self._refunds = api.payment_intents, api.refunds

    def create(self, attempt: Attempt) -> ProviderPayment:
        """See PaymentProvider."""
        return self._run(lambda: self._create(attempt))

    def fetch(self, attempt: Attempt) -> ProviderPayment:
        """See PaymentProvider."""
        return self._run(lambda: self._fetch(attempt))

    def cancel(self, attempt: Attempt) -> ProviderPayment:
        """See PaymentProvider."""
        return self._run(lambda: self._cancel(attempt))

    def refund(self, attempt: Attempt, cents: int, key: str) -> str:
        """See PaymentProvider.

        A refund that has failed paid nothing back. Called again with its key, this makes a new one.
        """
        return self._run(lambda: self._refund(attempt, cents, key))

    def read_event(self, body: bytes, headers: Mapping[str, str], now: datetime) -> ProviderEvent:
        """See PaymentProvider. Stripe signs each delivery of an event anew."""
        header = next((v for n, v in headers.items() if n.lower() == SIGNATURE_HEADER), "")
        _verify_signature(body, header, self._webhook_secret, now)
        return _read_event(body)

    def _run(self, call: Callable[[], Result]) -> Result:
        try:
            return self._calls.run(call)
        except CallTimedOut:
            log.warning("payment provider did not answer in time", seconds=self._calls.seconds)
        raise PaymentUnavailable("timed out")

    def _create(self, attempt: Attempt) -> ProviderPayment:
        amount = _to_amount(attempt.cents, attempt.currency)
        intent = _ask(
            lambda: self._intents.create(
                {
                    "amount": amount,
                    "currency": attempt.currency.lower(),
                    "automatic_payment_methods": {"enabled": True},
                    "description": attempt.description,
                    "metadata": _make_metadata(attempt),
                },
                {"idempotency_key": attempt.attempt_id},
            ),
            may_refuse=True,
        )
        if _is_replayed(intent):  # It is the answer of the first call, so the status may be old.
            return self._retrieve(intent.id)
        return _read_intent(intent.to_dict())

    def _fetch(self, attempt: Attempt) -> ProviderPayment:
        if attempt.provider_id:
            return self._retrieve(attempt.provider_id)
        return self._create(attempt)

    def _retrieve(self, intent_id: str) -> ProviderPayment:
        intent = _ask(lambda: self._intents.retrieve(intent_id, {"expand": [FEE_PATH]}))
        return _read_intent(intent.to_dict())

    def _cancel(self, attempt: Attempt) -> ProviderPayment:
        intent_id = attempt.provider_id or self._find_id_to_cancel(attempt)
        if not intent_id:
            return ProviderPayment("", "cancelled")
        if intent := _ask(lambda: self._try_to_cancel(intent_id)):
            return _read_intent(intent.to_dict())
        payment = self._retrieve(intent_id)
        if payment.status not in FINAL_STATUSES:  # It was processing, and has failed since then.
            raise PaymentUnavailable("changed during the cancellation")
        return payment

    def _find_id_to_cancel(self, attempt: Attempt) -> str | None:
        """Return the id of the intent of an attempt by asking for it again.

        Returns:
            None if Stripe has refused to create one, or has answered with an error of its own,
            which it repeats for a day. Nobody can pay then: the client secret of an intent is only
            known from an answer that also tells its id.

        Raises:
            PaymentUnavailable: there was no answer.
        """
        try:
            return self._create(attempt).provider_id
        except (PaymentRefused, _AnsweredError):
            return None

    def _try_to_cancel(self, intent_id: str) -> stripe.PaymentIntent | None:
        """Return the cancelled intent; None if its status, such as `canceled`, forbids it."""
        try:
            return self._intents.cancel(intent_id)
        except stripe.InvalidRequestError as error:
            if error.code != NOT_CANCELLABLE:
                raise
        return None

    def _refund(self, attempt: Attempt, cents: int, key: str) -> str:
        intent_id = attempt.provider_id or self._create(attempt).provider_id
        earlier = _ask(lambda: self._find_refunds(intent_id, key))
        for refund in earlier:
            if refund["status"] not in FAILED_REFUNDS:
                return str(refund["id"])
        amount = _to_amount(cents, attempt.currency)
        # Two processes that retry the same failed refund count the same ones, so they use one key.
        suffix = f"-{len(earlier)}" if earlier else ""
        created = _ask(
            lambda: self._refunds.create(
                {
                    "payment_intent": intent_id,
                    "amount": amount,
                    "metadata": {**_make_metadata(attempt), "refundKey": key},
                },
                {"idempotency_key": f"refund-{key}{suffix}"},
            ),
            may_refuse=True,
        )
        if created.status in FAILED_REFUNDS:
            raise PaymentRefused(created.to_dict().get("failure_reason") or str(created.status))
        return created.id

    def _find_refunds(self, intent_id: str, key: str) -> list[JsonMap]:
        """Return the refunds with this key, which differ from other refunds of the intent by it."""
        page = self._refunds.list({"payment_intent": intent_id, "limit": MAX_REFUNDS_IN_PAGE})
        every = (each.to_dict() for each in page.auto_paging_iter())
        return [each for each in every if (each["metadata"] or {}).get("refundKey") == key]


def _make_metadata(attempt: Attempt) -> dict[str, str]:
    return {"bookingId": attempt.booking_id, "attemptId": attempt.attempt_id}


def _ask(call: Callable[[], Result], *, may_refuse: bool = False) -> Result:
    """Return what a call of the library returns, and translate its errors.

    Args:
        may_refuse: True if a refusal means that nothing was done. A refusal to tell or to cancel
            something says nothing about the money.

    Raises:
        PaymentRefused, PaymentUnavailable: as in PaymentProvider, without a cause or context.
    """
    try:
        return call()
    except stripe.StripeError as error:
        failure = _translate(error, may_refuse=may_refuse)
    raise failure


def _translate(error: stripe.StripeError, *, may_refuse: bool) -> Exception:
    kind, code = type(error).__name__, error.code
    details = {"error": kind, "code": code, "status": error.http_status}
    details["provider_request_id"] = error.request_id
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError) or code == MISSING:
        log.error("payment provider refuses the key of the settings", **details)
        return PaymentUnavailable(kind)
    is_refusal = isinstance(
        error, stripe.CardError | stripe.InvalidRequestError | stripe.IdempotencyError
    )
    if is_refusal and may_refuse and code != KEY_IN_USE:
        log.info("payment provider refused", **details)
        is_mismatch = isinstance(error, stripe.IdempotencyError)
        return PaymentRefused(code or ("idempotency_error" if is_mismatch else "invalid_request"))
    log.warning("payment provider did not answer", **details)
    has_answered = isinstance(error, stripe.APIError) and (error.http_status or 0) >= 500
    return _AnsweredError(kind) if has_answered else PaymentUnavailable(kind)


def _is_replayed(created: stripe.PaymentIntent) -> bool:
    """Return True if Stripe repeated its answer to an earlier request with the same key."""
    response = created.last_response
    return response is not None and response.headers.get("Idempotent-Replayed") == "true"


def _to_amount(cents: int, currency: str) -> int:
    """Return an amount as Stripe counts it, from hundredths of the currency's unit.

    Raises:
        PaymentRefused: the currency has no such small units.
    """
    if currency in THREE_DECIMAL_CURRENCIES:
        return cents * 10
    if currency not in ZERO_DECIMAL_CURRENCIES:
        return cents
    if cents % 100:
        raise PaymentRefused("invalid_amount")
    return cents // 100


def _to_cents(amount: int, currency: str) -> int:
    """Return hundredths of the currency's unit from an amount as Stripe counts it."""
    if currency in THREE_DECIMAL_CURRENCIES:
        return round(amount / 10)
    return amount * 100 if currency in ZERO_DECIMAL_CURRENCIES else amount


def _read_intent(intent: JsonMap) -> ProviderPayment:
    """Return what a PaymentIntent says of its attempt."""
    status = STATUS_OF_INTENT.get(intent["status"])
    if status is None:
        log.error("payment provider has an unknown status", status=intent["status"])
        raise PaymentUnavailable("unknown status")
    refusal = (intent.get("last_payment_error") or {}).get("code")
    is_refused = status == "open" and intent["status"] != "requires_action" and bool(refusal)
    currency = intent["currency"].upper()
    return ProviderPayment(
        intent["id"],
        "refused" if is_refused else status,
        cents=_to_cents(intent["amount_received"], currency) if status == "succeeded" else 0,
        client_secret=intent.get("client_secret") if status == "open" else None,
        refusal=refusal if is_refused else None,
        fee_cents=_read_fee(intent, currency),
    )


def _read_fee(intent: JsonMap, currency: str) -> int | None:
    """Return the fee; None if it is not known yet, was not asked for, or is in another currency."""
    charge = intent.get("latest_charge")
    transaction = charge.get("balance_transaction") if isinstance(charge, Mapping) else None
    if not isinstance(transaction, Mapping) or transaction["currency"].upper() != currency:
        return None
    return _to_cents(transaction["fee"], currency)


def _verify_signature(body: bytes, header: str, secret: str, now: datetime) -> None:
    """Check that the body was signed with the secret at about this time.

    Raises:
        InvalidEvent: it was not, or the header cannot be read.
    """
    try:
        stripe.WebhookSignature.verify_header(body, header, secret)
        signed_at = int(next(item[2:] for item in header.split(",") if item.startswith("t=")))
    # TypeError is for a signature with other characters than those of ASCII.
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        signed_at = None
    if signed_at is None:
        raise InvalidEvent("wrong signature")
    if abs(int(now.timestamp()) - signed_at) > SIGNATURE_SECONDS:
        raise InvalidEvent("signed at another time")


def _read_event(body: bytes) -> ProviderEvent:
    """Return the event of a body whose signature was verified.

    Raises:
        InvalidEvent: the body has another form than the events of Stripe.
    """
    try:
        event = json.loads(body)
        return _map_event(f"{event['id']:s}", event["type"], event["data"]["object"])
    except (ValueError, KeyError, TypeError, AttributeError, PaymentUnavailable):
        event = None
    raise InvalidEvent("unknown form")


def _map_event(event_id: str, kind: str, reported: JsonMap) -> ProviderEvent:
    if kind not in PAYMENT_EVENTS | REFUND_EVENTS:
        return ProviderEvent(event_id)
    metadata = reported.get("metadata") or {}
    booking_id, attempt_id = _read_id(metadata, "bookingId"), _read_id(metadata, "attemptId")
    if not (booking_id and attempt_id):  # Other applications may use the account, too.
        return ProviderEvent(event_id)
    if kind in PAYMENT_EVENTS:
        payment = _read_intent({**reported, "client_secret": None})
        return ProviderEvent(event_id, booking_id, attempt_id, payment)
    has_failed = reported["status"] in FAILED_REFUNDS
    key = cast(str | None, metadata.get("refundKey")) if has_failed else None
    return ProviderEvent(event_id, booking_id, attempt_id, failed_refund_key=key)


def _read_id(metadata: JsonMap, name: Literal["bookingId", "attemptId"]) -> str | None:
    value = metadata.get(name)
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
