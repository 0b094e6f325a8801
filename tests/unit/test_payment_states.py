"""The states of payments and attempts, whatever the provider reports, in any order."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from eventapp.payments import states
from eventapp.payments.provider import ProviderPayment

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
STATUSES = ("open", "refused", "processing", "succeeded", "cancelled")
CENTS = 2500


def make_attempt(**fields):
    return {**states.build_attempt(ObjectId(), "p", CENTS, NOW), **fields}


def see(status):
    cents = CENTS if status == "succeeded" else 0
    return ProviderPayment("pay 1", status, cents, refusal="no" if status == "refused" else None)


def report(attempt, name, now=NOW):
    """Return an attempt after a report of a provider, a refusal to create it, or no answer."""
    if name == "refusal":
        return states.refuse(attempt, "no")
    if name == "no answer":
        return states.mark_unknown(attempt)
    return states.follow(attempt, see(name), now)


def report_all(names):
    attempt = make_attempt()
    for number, name in enumerate(names):
        attempt = report(attempt, name, NOW + timedelta(seconds=number))
    return attempt


def test_an_attempt_begins_with_all_that_identifies_it():
    attempt_id = ObjectId()
    begun = {
        "attemptId": attempt_id,
        "provider": "p",
        "cents": CENTS,
        "state": "starting",
        "begunAt": NOW,
    }
    assert states.build_attempt(attempt_id, "p", CENTS, NOW) == begun
    with_key = states.build_attempt(attempt_id, "p", CENTS, NOW, "digest")
    assert with_key == {**begun, "request": "digest"}


def test_only_the_attempt_with_the_same_id_is_replaced():
    first, second = make_attempt(state="cancelled"), make_attempt()
    payment = states.add_attempt(states.add_attempt(None, first), second)
    assert payment["attempts"] == [first, second]
    replaced = states.replace_attempt(payment, {**second, "state": "open"})
    assert replaced["attempts"] == [first, {**second, "state": "open"}]


@pytest.mark.parametrize("fee", [0, 45])
def test_a_fee_is_recorded_once_it_is_known_even_if_the_state_is_final(fee):
    paid = report(make_attempt(), "succeeded")
    assert "feeCents" not in paid
    later = states.follow(paid, ProviderPayment("pay 1", "succeeded", CENTS, fee_cents=fee), NOW)
    assert later == {**paid, "feeCents": fee}


def test_a_refusal_is_recorded_with_its_reason_if_there_is_one():
    attempt = make_attempt()
    assert report(attempt, "refused")["refusal"] == "no"
    assert "refusal" not in report(attempt, "open")
    assert states.refuse(attempt, "no") == {**attempt, "state": "refused", "refusal": "no"}
    assert states.refuse(attempt, "") == {**attempt, "state": "refused"}


@pytest.mark.parametrize(
    ("state", "is_void", "pays"),
    [("succeeded", False, True), ("succeeded", True, False), ("open", False, False)],
)
def test_money_that_came_and_is_not_paid_back_pays_for_the_booking(state, is_void, pays):
    attempt = make_attempt(state=state, **({"voidAt": NOW} if is_void else {}))
    assert states.has_paid(attempt) is pays


reports = st.sampled_from([*STATUSES, "refusal", "no answer"])
histories = st.lists(reports, max_size=12)


@given(histories)
def test_money_that_came_decides_the_state_whatever_the_order(names):
    state = report_all(names)["state"]
    assert (state == "succeeded") == ("succeeded" in names)
    if "succeeded" not in names:
        assert (state == "cancelled") == ("cancelled" in names)


@given(histories, st.randoms(use_true_random=False))
def test_every_order_of_reports_with_money_ends_alike(names, random):
    names = [*names, "succeeded"]
    shuffled = random.sample(names, len(names))
    assert report_all(names)["state"] == report_all(shuffled)["state"] == "succeeded"


@given(histories, histories)
def test_a_state_with_money_is_final(before, after):
    attempt = report_all([*before, "succeeded"])
    changed = attempt
    for name in after:
        changed = report(changed, name, NOW + timedelta(days=1))
    assert changed == attempt  # Not even the time of its success changes.


@given(histories, histories)
def test_only_money_leads_out_of_cancelled(before, after):
    attempt = report_all([name for name in before if name != "succeeded"] + ["cancelled"])
    for name in after:
        attempt = report(attempt, name)
    assert attempt["state"] == ("succeeded" if "succeeded" in after else "cancelled")


@given(histories, reports)
def test_a_repeated_report_changes_nothing(names, last):
    attempt = report_all([*names, last])
    assert report(attempt, last, NOW + timedelta(days=1)) is attempt


@given(histories)
def test_a_known_state_never_becomes_unknown(names):
    attempt = report_all(names)
    assert (states.mark_unknown(attempt)["state"] == "unknown") == (
        attempt["state"] in ("starting", "unknown")
    )
    is_known = any(name in STATUSES or name == "refusal" for name in names)
    assert (attempt["state"] in ("starting", "unknown")) == (not is_known)


@given(histories)
def test_success_has_a_time_and_the_id_of_the_provider(names):
    attempt = report_all(names)
    assert ("succeededAt" in attempt) == (attempt["state"] == "succeeded")
    assert ("providerId" in attempt) == any(name in STATUSES for name in names)


@given(histories)
def test_an_attempt_is_payable_until_it_is_final_or_was_never_created(names):
    attempt = report_all(names)
    is_open = attempt["state"] not in states.FINAL_STATES
    is_absent = attempt["state"] == "refused" and "providerId" not in attempt
    assert states.is_payable(attempt) == (is_open and not is_absent)
    assert states.is_live(attempt) == (is_open and attempt["state"] != "refused")


def refund_of(cents, **fields):
    amount = cents / 100
    return {
        **{"amount": amount, "currency": "EUR", "reason": "cancelled", "refundedAt": NOW},
        **fields,
    }


PAID, FAILED = {"refundId": "r"}, {"failure": {"at": NOW, "reason": "closed"}}


@pytest.mark.parametrize(
    ("refunds", "state"),
    [
        ([], "succeeded"),
        ([refund_of(0)], "succeeded"),
        ([refund_of(1000, **PAID)], "succeeded"),
        ([refund_of(1000)], "refunding"),
        ([refund_of(1000, **FAILED)], "failed"),
        ([refund_of(1000, **PAID), refund_of(1500)], "refunding"),
        ([refund_of(1000, **PAID), refund_of(1500, **FAILED)], "failed"),
        ([refund_of(1000, **PAID), refund_of(1499, **PAID)], "succeeded"),
        ([refund_of(1000, **PAID), refund_of(1500, **PAID)], "refunded"),
    ],
)
def test_the_state_of_a_payment_follows_from_its_refunds_in_any_order(refunds, state):
    attempts = [make_attempt(state="cancelled"), make_attempt(state="succeeded")]
    for order in permutations(refunds):
        assert states.derive_state(attempts, order) == state


def test_the_refund_of_an_attempt_counts_as_well():
    refund = refund_of(CENTS)
    voided = states.void(make_attempt(state="succeeded", lateAt=NOW), NOW, refund)
    assert states.derive_state([voided], []) == "refunding"
    assert not states.has_paid(voided)
    assert "lateAt" not in voided
    paid = {**voided, "refund": {**refund, **PAID}}
    assert states.derive_state([paid], []) == "refunded"
    assert states.derive_state([paid, make_attempt(state="succeeded")], []) == "succeeded"


@given(histories)
def test_without_money_the_last_attempt_decides_the_state_of_the_payment(names):
    attempt = report_all(name for name in names if name != "succeeded")
    payment = states.add_attempt(states.add_attempt(None, make_attempt()), attempt)
    assert payment["state"] == states.STATE_OF_ATTEMPT[attempt["state"]]


@given(st.lists(reports, min_size=1, max_size=8))
def test_each_change_of_a_payment_raises_its_revision(names):
    payment = states.add_attempt(None, make_attempt())
    for number, name in enumerate(names, start=1):
        attempt = report(payment["attempts"][0], name)
        payment = states.replace_attempt(payment, attempt)
        assert payment["revision"] == number + 1
    assert len(payment["attempts"]) == 1
