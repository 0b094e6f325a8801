"""A promo code is used as often as it may be, and each use is given back once.

Each control shows that this fails without a guard.
"""

from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import auditing, transitions, waitlist_offers
from eventapp.bookings import store as bookings_store
from eventapp.bookings.sales import promo_uses
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.inventory import store as inventory_store
from eventapp.inventory import store_promo_codes
from eventapp.inventory.service import PromoExhausted
from eventapp.promotions import service as promotions
from tests import factories
from tests.bookings_factories import confirm_booking
from tests.race import kit

BUYERS, CAP = 120, 20


def event_of(db, tickets=1000, price=20):
    types = [{"type": "General", "price": price, "availableTickets": tickets}]
    return factories.make_event(db, ticketTypes=types)


def add_code(db, event, code="Spring", kind="percent", value=10, **fields):
    body = {"code": code, "kind": kind, "value": value, **fields}
    return promotions.create_promo_code(db, event["eventId"], kit.ADMIN, body, utc_now())


def used(db, event, code="spring"):
    return db.events.find_one({"eventId": event["eventId"]})["promoCodes"][code]["used"]


def processes(context, count=4):
    return [context, *(kit.another_process(context) for _ in range(count - 1))]


def record_refusals(monkeypatch, db):
    """Return a list that gets the recorded uses of all codes at each refusal of a used up code."""
    seen = []

    class Recording(PromoExhausted):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            seen.append(db.bookings.count_documents({"promoCode": {"$exists": True}}))

    monkeypatch.setattr(promo_uses, "PromoExhausted", Recording)
    return seen


def race(context, event, buyers=BUYERS, **purchase):
    contexts = processes(context)
    purchase.setdefault("promo_code", "SPRING")
    calls = [
        partial(kit.book, contexts[number % len(contexts)], event, **purchase)
        for number in range(buyers)
    ]
    return kit.run_concurrently(*calls)


def test_a_code_is_used_as_often_as_it_may_be(context, db, monkeypatch):
    event = event_of(db)
    add_code(db, event, maxUses=CAP)
    seen = record_refusals(monkeypatch, db)
    results = race(context, event)
    assert kit.count_outcomes(results) == {201: CAP, "promo_exhausted": BUYERS - CAP}
    assert set(seen) == {CAP}
    booked = [r.data["booking"] for r in results if not isinstance(r, AppError)]
    assert {(one["totalPrice"], one["promoCode"]) for one in booked} == {(18, "Spring")}
    assert (used(db, event), kit.stock_counters(db, event)) == (CAP, (1000 - CAP, 0, CAP, 0))
    kit.assert_consistent(context)


def test_control_without_the_guard_it_is_used_more_often(context, db, monkeypatch):
    monkeypatch.setattr(store_promo_codes, "build_promo_guards", lambda *_: {})
    event = event_of(db)
    add_code(db, event, maxUses=1)
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock") as suspension,
        kit.in_background(partial(kit.book, context, event, promo_code="spring")) as first,
    ):
        suspension.wait()
        kit.book(kit.another_process(context), event, promo_code="spring")
        suspension.resume()
        first.result()
    assert used(db, event) == 2
    assert any("outside 0 to 1" in fault for fault in kit.find_faults(context))


def test_with_the_guard_the_late_take_is_refused(context, db, monkeypatch):
    event = event_of(db)
    add_code(db, event, maxUses=1)
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock") as suspension,
        kit.in_background(partial(kit.book, context, event, promo_code="spring")) as first,
    ):
        suspension.wait()
        kit.book(kit.another_process(context), event, promo_code="spring")
        suspension.resume()
        with pytest.raises(PromoExhausted):
            first.result()
    assert used(db, event) == 1
    kit.assert_consistent(context)


def test_buyers_with_two_codes_and_without_one_share_batches(context, db):
    event = event_of(db, tickets=60)
    add_code(db, event, "Spring", maxUses=7)
    add_code(db, event, "Summer", "fixed_price", 5, maxUses=9)
    contexts = processes(context, 2)
    codes = ["spring", "summer", None] * 20
    calls = [
        partial(kit.book, contexts[number % 2], event, promo_code=code)
        for number, code in enumerate(codes)
    ]
    results = kit.run_concurrently(*calls)
    assert kit.count_outcomes(results) == {201: 20 + 7 + 9, "promo_exhausted": 13 + 11}
    assert (used(db, event), used(db, event, "summer")) == (7, 9)
    prices = [r.data["booking"]["totalPrice"] for r in results if not isinstance(r, AppError)]
    assert sorted(prices) == [5] * 9 + [18] * 7 + [20] * 20
    kit.assert_consistent(context)


def test_a_use_is_not_taken_by_a_buyer_who_has_a_booking(context, db):
    event, user = event_of(db), ObjectId()
    add_code(db, event, maxUses=2)
    results = kit.run_concurrently(
        *[
            partial(kit.book, one, event, user=user, promo_code="spring")
            for one in processes(context)
        ]
    )
    assert kit.count_outcomes(results) == {201: 1, "already_booked": 3}
    assert used(db, event) == 1
    kit.assert_consistent(context)


def test_who_finds_the_last_use_in_flight_waits_and_gets_it_when_it_is_undone(
    context, db, monkeypatch
):
    event, user, other = event_of(db), ObjectId(), kit.another_process(context)
    add_code(db, event, maxUses=1)
    kit.book(context, event, user=user)
    again = partial(kit.book, context, event, user=user, promo_code="spring")
    second = partial(kit.book, other, event, promo_code="spring")
    monkeypatch.setattr(promo_uses, "MAX_WAIT_SECONDS", kit.TIMEOUT_SECONDS)
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as recording,
        kit.suspended(monkeypatch, promo_uses, "await_use") as waiting,
        kit.in_background(again) as refused,
    ):
        recording.wait()
        with kit.in_background(second) as booked:
            waiting.wait()
            waiting.resume()
            recording.resume()
            assert booked.result().data["booking"]["totalPrice"] == 18
        assert refused.exception().code == "already_booked"
    assert used(db, event) == 1
    kit.assert_consistent(context)


def test_while_the_last_use_is_not_recorded_nobody_is_told_that_the_code_is_used_up(
    context, db, monkeypatch
):
    event, other = event_of(db), kit.another_process(context)
    add_code(db, event, maxUses=1)
    monkeypatch.setattr(promo_uses, "MAX_WAIT_SECONDS", 0.1)
    first = partial(kit.book, context, event, promo_code="spring")
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(first) as booked,
    ):
        suspension.wait()
        second = kit.run_concurrently(partial(kit.book, other, event, promo_code="spring"))
        assert kit.count_outcomes(second) == {"event_busy": 1}
        suspension.resume()
        assert booked.result().status == 201
    third = kit.run_concurrently(partial(kit.book, other, event, promo_code="spring"))
    assert kit.count_outcomes(third) == {"promo_exhausted": 1}
    kit.assert_consistent(context)


@pytest.mark.parametrize("hold", [False, True])
def test_a_use_is_given_back_once_by_concurrent_cancellations(context, db, hold):
    event, user = event_of(db), ObjectId()
    add_code(db, event, maxUses=1)
    booking_id = kit.booking_id(
        kit.book(context, event, 3, user=user, promo_code="spring", hold=hold)
    )
    kit.run_concurrently(
        *[
            partial(transitions.cancel_booking, one, booking_id, kit.attendee(user), utc_now())
            for one in processes(context)
        ]
    )
    assert (used(db, event), kit.stock_counters(db, event)) == (0, (1000, 0, 0, 0))
    assert kit.book(context, event, promo_code="spring").status == 201
    kit.assert_consistent(context)


def test_an_expired_hold_gives_its_use_back(context, db):
    event = event_of(db)
    add_code(db, event, maxUses=1)
    kit.book(context, event, promo_code="spring", hold=True)
    later = utc_now() + context.limits.hold + kit.AFTER_ABANDONMENT
    assert waitlist_offers.expire_holds(context, later) == 1
    assert used(db, event) == 0
    kit.assert_consistent(context, later)


def test_a_paid_hold_keeps_its_use_and_its_price(context, db):
    event, user = event_of(db), ObjectId()
    add_code(db, event, maxUses=1)
    answer = kit.book(context, event, 2, user=user, promo_code="spring", hold=True)
    paid = confirm_booking(context, kit.booking_id(answer), kit.attendee(user), utc_now())
    (attempt,) = paid["payment"]["attempts"]
    assert (paid["totalCents"], paid["discountCents"], attempt["cents"]) == (3600, 400, 3600)
    assert used(db, event) == 1
    kit.assert_consistent(context)


def test_a_take_whose_process_dies_gives_its_use_back(context, db, monkeypatch):
    event = event_of(db)
    add_code(db, event, maxUses=1)

    def die(*_args):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(bookings_store, "insert_bookings", die)
        with pytest.raises(SystemExit):
            kit.book(context, event, promo_code="spring")
    assert used(db, event) == 1
    assert kit.find_faults(context) == []
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    assert used(db, event) == 0
    kit.assert_consistent(context)


def test_an_edit_of_the_code_is_never_missed_by_a_sale(context, db, monkeypatch):
    event = event_of(db)
    code = add_code(db, event)
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock") as suspension,
        kit.in_background(partial(kit.book, context, event, promo_code="spring")) as first,
    ):
        suspension.wait()
        change = {"kind": "amount", "value": 5}
        promotions.patch_promo_code(
            db, event["eventId"], code["codeId"], kit.ADMIN, change, utc_now()
        )
        suspension.resume()
        assert first.result().data["booking"]["totalPrice"] == 15
    kit.assert_consistent(context)


def test_a_code_that_is_set_inactive_meanwhile_is_refused(context, db, monkeypatch):
    event = event_of(db)
    code = add_code(db, event)
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock") as suspension,
        kit.in_background(partial(kit.book, context, event, promo_code="spring")) as first,
    ):
        suspension.wait()
        promotions.patch_promo_code(
            db, event["eventId"], code["codeId"], kit.ADMIN, {"active": False}, utc_now()
        )
        suspension.resume()
        assert first.exception().code == "promo_not_found"
    assert used(db, event) == 0


def test_control_without_terms_the_edit_is_missed(context, db, monkeypatch):
    monkeypatch.setattr(inventory_store, "build_terms_guard", lambda _event: {})
    event = event_of(db)
    code = add_code(db, event)
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock") as suspension,
        kit.in_background(partial(kit.book, context, event, promo_code="spring")) as first,
    ):
        suspension.wait()
        promotions.patch_promo_code(
            db, event["eventId"], code["codeId"], kit.ADMIN, {"active": False}, utc_now()
        )
        suspension.resume()
        assert first.result().status == 201


def use_a_code_that_another_process_sets_inactive(context, db, monkeypatch):
    """Return the outcomes of three uses of a code, and how often the seller has read it.

    The code is set inactive after the second one.
    """
    event = event_of(db)
    code = add_code(db, event, maxUses=9)
    seller, reads = kit.another_process(context), []
    real = inventory_store.find_sale_state

    def read(db, event_id, promo_codes=()):
        reads.extend(promo_codes)
        return real(db, event_id, promo_codes)

    monkeypatch.setattr(inventory_store, "find_sale_state", read)
    calls = [partial(kit.book, seller, event, promo_code="spring") for _ in range(3)]
    results = [*kit.run_concurrently(calls[0]), *kit.run_concurrently(calls[1])]
    read_before = len(reads)
    promotions.patch_promo_code(
        db, event["eventId"], code["codeId"], kit.ADMIN, {"active": False}, utc_now()
    )
    results += kit.run_concurrently(calls[2])
    return kit.count_outcomes(results), read_before, used(db, event)


def test_a_remembered_code_is_used_without_a_read_until_it_is_edited(context, db, monkeypatch):
    outcomes, reads, uses = use_a_code_that_another_process_sets_inactive(context, db, monkeypatch)
    assert outcomes == {201: 2, "promo_not_found": 1}
    assert (reads, uses) == (1, 2)
    kit.assert_consistent(context)


def test_control_without_terms_a_remembered_code_is_used_after_the_edit(context, db, monkeypatch):
    monkeypatch.setattr(inventory_store, "build_terms_guard", lambda _event: {})
    outcomes, _reads, uses = use_a_code_that_another_process_sets_inactive(context, db, monkeypatch)
    assert (outcomes, uses) == ({201: 3}, 3)


def test_the_last_use_of_a_remembered_code_is_not_taken_twice(context, db):
    event = event_of(db)
    add_code(db, event, maxUses=3)
    one, other = kit.another_process(context), kit.another_process(context)
    calls = [partial(kit.book, each, event, promo_code="spring") for each in (one, other)] * 2
    results = [result for call in calls for result in kit.run_concurrently(call)]
    assert kit.count_outcomes(results) == {201: 3, "promo_exhausted": 1}
    assert used(db, event) == 3
    kit.assert_consistent(context)


def test_a_repair_corrects_the_uses(context, db):
    event = event_of(db)
    add_code(db, event)
    kit.book(context, event, promo_code="spring")
    db.events.update_one({"eventId": event["eventId"]}, {"$inc": {"promoCodes.spring.used": 3}})
    assert kit.find_faults(context) == [
        f"{event['eventId']}: promo code Spring: used is 4, should be 1"
    ]
    assert auditing.repair(context, event["eventId"], utc_now())
    assert used(db, event) == 1
    kit.assert_consistent(context)
