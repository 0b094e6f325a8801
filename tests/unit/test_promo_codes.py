"""Discounts and refusals of promo codes, as tables of cases and as properties."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.inventory import promo_codes

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
prices = st.integers(0, 100_000_000)


def code(kind="percent", value=1000, **changes):
    made = {"codeId": 1, "code": "Spring", "kind": kind, "value": value, "active": True}
    return {**made, "used": 0, "taken": False, **changes}


def event(*prices, codes=None):
    types = [{"ticketTypeId": n, "price": price} for n, price in enumerate(prices, 1)]
    return {"ticketTypes": types, "promoCodes": codes or {}}


@pytest.mark.parametrize(
    ("kind", "value", "price", "discount"),
    [
        ("percent", 1000, 2000, 200),  # 10 % of 20.00
        ("percent", 1000, 1995, 200),  # 1.995 is rounded up
        ("percent", 1000, 1994, 199),
        ("percent", 3333, 100, 33),
        ("percent", 5000, 1, 1),  # half a cent is rounded up
        ("percent", 4999, 1, 0),
        ("percent", 1, 4999, 0),  # 0.01 % of 49.99 is less than half a cent
        ("percent", 1, 5000, 1),  # 0.01 % of 50.00 is half a cent
        ("percent", 10_000, 1999, 1999),
        ("percent", 10_000, 0, 0),
        ("amount", 500, 2000, 500),
        ("amount", 500, 499, 499),  # at most the price
        ("amount", 1, 0, 0),
        ("fixed_price", 500, 2000, 1500),
        ("fixed_price", 0, 2000, 2000),
        ("fixed_price", 2000, 2000, 0),
        ("fixed_price", 2001, 2000, 0),  # above the price: no discount
    ],
)
def test_the_discount_of_one_ticket(kind, value, price, discount):
    assert promo_codes.compute_ticket_discount(code(kind, value), price) == discount


@given(prices, st.integers(1, 10_000))
def test_a_percentage_is_rounded_as_decimal_rounds_half_up(price, value):
    exact = Decimal(price) * value / 10_000
    discount = promo_codes.compute_ticket_discount(code("percent", value), price)
    assert discount == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@given(prices, st.integers(0, 100_000_000), st.sampled_from(("amount", "fixed_price")))
def test_no_discount_is_negative_or_above_the_price(price, value, kind):
    assert 0 <= promo_codes.compute_ticket_discount(code(kind, value), price) <= price


def test_a_code_discounts_the_types_that_it_names():
    types = event(20, 0, 10)["ticketTypes"]
    assert promo_codes.compute_discounts(code(), types) == {1: 200, 3: 100}
    assert promo_codes.compute_discounts(code(ticketTypeIds=[2, 3, 9]), types) == {3: 100}


@pytest.mark.parametrize(
    ("changes", "moment", "valid"),
    [
        ({}, NOW, True),
        ({"active": False}, NOW, False),
        ({"validFrom": NOW}, NOW, True),
        ({"validFrom": NOW}, NOW - SECOND, False),
        ({"validUntil": NOW}, NOW - SECOND, True),
        ({"validUntil": NOW}, NOW, False),
    ],
)
def test_a_code_is_valid_from_its_first_moment_until_before_its_last(changes, moment, valid):
    assert promo_codes.is_valid(code(**changes), moment) == valid
    uses = promo_codes.PromoCodeUses(event(20, codes={"spring": code(**changes)}))
    assert uses.judge("spring", [1], moment) == (None if valid else "not_found")


@pytest.mark.parametrize(
    ("key", "changes", "type_ids", "refusal"),
    [
        ("autumn", {}, [1], "not_found"),
        ("spring", {"ticketTypeIds": [2]}, [1], "not_applicable"),
        ("spring", {"ticketTypeIds": [2]}, [1, 2], None),
        ("spring", {"kind": "fixed_price", "value": 9900}, [1], "not_applicable"),
        ("spring", {"maxUses": 5, "used": 5}, [1], "exhausted"),
        ("spring", {"maxUses": 5, "used": 4}, [1], None),
        ("spring", {"maxUses": 5, "used": 5, "active": False}, [1], "not_found"),
        ("spring", {"maxUses": 5, "used": 5, "ticketTypeIds": [2]}, [1], "not_applicable"),
    ],
)
def test_why_a_request_does_not_get_its_code(key, changes, type_ids, refusal):
    uses = promo_codes.PromoCodeUses(event(20, 20, codes={"spring": code(**changes)}))
    assert uses.judge(key, type_ids, NOW) == refusal


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Spring-10", "spring-10"),
        ("007", "007"),
        ("a_B", "a_b"),
        ("x" * 40, "x" * 40),
        ("x" * 41, None),
        ("ab", None),
        ("a.b", None),
        ("$or", None),
        ("abc\n", None),
        ("\u212aelvin", None),  # the Kelvin sign, which is k in lower case
        ("", None),
    ],
)
def test_the_key_of_a_code_is_safe_in_the_path_of_a_query(text, key):
    assert promo_codes.fold_code(text) == key


def test_the_requests_of_a_batch_share_the_uses_that_are_left():
    codes = {"spring": code(maxUses=3, used=1), "summer": code()}
    uses = promo_codes.PromoCodeUses(event(20, codes=codes))
    spring, summer = codes
    for _ in range(2):
        assert uses.judge(spring, [1], NOW) is None
        uses.add_use(spring)
    assert uses.judge(spring, [1], NOW) == "exhausted"
    uses.add_use(summer)
    assert uses.judge(summer, [1], NOW) is None
    assert uses.judge(None, [1], NOW) is None


def test_the_uses_of_each_code_are_counted():
    assert promo_codes.count_uses(["a", None, "b", "a"]) == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    ("key", "type_ids", "locked"),
    [
        (None, [1, 3], None),
        (None, [1, 2], 2),
        ("other", [2], 2),
        ("spring", [2, 1], None),
        ("spring", [4, 2], 4),
    ],
)
def test_a_secret_type_is_locked_unless_the_code_unlocks_it(key, type_ids, locked):
    state = event(20, 20, 20, 20, codes={"spring": code(unlocks=[2]), "other": code()})
    for index, visibility in ((1, "secret"), (2, "hidden"), (3, "secret")):
        state["ticketTypes"][index]["visibility"] = visibility
    assert promo_codes.PromoCodeUses(state).find_locked(key, type_ids) == locked
