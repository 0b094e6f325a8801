"""What a promo code may be, and how its organizer sees it."""

from datetime import UTC, datetime, timedelta

import pytest

from eventapp.promotions import rules

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
# Type 1 is public, type 2 secret; both are of the event, type 3 was removed.
TYPES = [{"ticketTypeId": 1}, {"ticketTypeId": 2, "visibility": "secret"}]


def stored(kind="percent", value=1000, **changes):
    made = {"codeId": 1, "code": "Spring", "kind": kind, "value": value, "active": True, "used": 2}
    return {**made, **changes}


def find_faults(code, patch, old=None):
    return rules.find_code_faults(code, patch, {"ticketTypes": TYPES}, old)


@pytest.mark.parametrize(
    ("kind", "least", "greatest", "message"),
    [
        ("percent", 1, 10_000, "Must be from 0.01 to 100."),
        ("amount", 1, 100_000_000, "Must be from 0.01 to 1000000."),
        ("fixed_price", 0, 100_000_000, "Must be from 0 to 1000000."),
    ],
)
def test_a_value_is_in_the_range_of_its_kind(kind, least, greatest, message):
    patch = {"kind": kind, "value": 1.0}
    for value, faults in (
        (least - 1, {"value": [message]}),
        (least, {}),
        (greatest, {}),
        (greatest + 1, {"value": [message]}),
    ):
        assert find_faults(stored(kind, value), patch) == faults


def test_a_kind_needs_a_value_and_a_value_needs_no_kind():
    alone = {"value": ["Send it together with kind."]}
    assert find_faults(stored(), {"kind": "percent"}) == alone
    assert find_faults(stored(), {"value": 10.0}) == {}
    assert find_faults(stored(), {"maxUses": 3}) == {}


def test_a_code_ends_after_it_begins():
    late = {"validUntil": ["Must be after validFrom."]}
    for end, faults in ((-1, late), (0, late), (1, {})):
        until = NOON + timedelta(seconds=end)
        code = stored(validFrom=NOON, validUntil=until)
        assert find_faults(code, {"validUntil": until}) == faults
    assert find_faults(stored(validFrom=NOON), {"validFrom": NOON}) == {}
    assert find_faults(stored(validUntil=NOON), {"validUntil": NOON}) == {}


@pytest.mark.parametrize(
    ("field", "known", "message"),
    [
        ("ticketTypeIds", [1, 2], "The event has no such ticket type."),
        ("unlocks", [2], "The event has no such secret ticket type."),
    ],
)
def test_a_code_names_types_that_the_event_has_or_that_it_named_before(field, known, message):
    old = stored(**{field: [3]})
    for type_ids, before, faults in (
        (known, None, {}),
        ([*known, 3], None, {field: [message]}),
        ([*known, 3], stored(), {field: [message]}),
        ([*known, 3], old, {}),
        ([*known, 4], old, {field: [message]}),
        (None, old, {}),
    ):
        assert find_faults(stored(), {field: type_ids}, before) == faults
    if field == "unlocks":
        assert find_faults(stored(), {field: [1]}) == {field: [message]}


@pytest.mark.parametrize(("cents", "shown"), [(1000, 10), (1001, 10.01), (1, 0.01), (9900, 99)])
def test_an_organizer_sees_the_value_in_whole_units_if_it_is_whole(cents, shown):
    value = rules.present_promo_code(stored(value=cents), [1])["value"]
    assert (value, type(value)) == (shown, type(shown))


def test_an_organizer_sees_no_type_that_was_removed():
    view = rules.present_promo_code(stored(ticketTypeIds=[1, 3], unlocks=[2, 3]), [1, 2])
    assert (view["ticketTypeIds"], view["unlocks"]) == ([1], [2])
    view = rules.present_promo_code(stored(), [1, 2])
    assert (view["ticketTypeIds"], view["unlocks"]) == (None, None)


def test_an_organizer_sees_all_fields_and_null_for_those_without_a_value():
    view = rules.present_promo_code(stored(), [1])
    assert view == {
        "codeId": 1,
        "code": "Spring",
        "kind": "percent",
        "value": 10,
        **dict.fromkeys(rules.OPTIONAL_FIELDS),
        "active": True,
        "used": 2,
    }
    limits = {"maxUses": 5, "validFrom": NOON, "validUntil": NOON}
    assert rules.present_promo_code(stored(**limits), [1]).items() >= limits.items()


def test_a_new_code_is_active_and_unused_and_keeps_what_was_sent():
    body = {"code": "May", "kind": "amount", "value": 9.99, "maxUses": None, "unlocks": [2, 1, 2]}
    assert rules.make_promo_code(7, {**body, "ticketTypeIds": [3, 1, 3]}) == {
        "codeId": 7,
        "code": "May",
        "kind": "amount",
        "value": 999,
        "active": True,
        "used": 0,
        "taken": False,
        "ticketTypeIds": [1, 3],
        "unlocks": [1, 2],
    }


def test_a_patch_changes_what_it_names_and_null_removes():
    code = stored(maxUses=5, validFrom=NOON, unlocks=[2])
    patched = rules.patch_promo_code(code, {"value": 0.29, "maxUses": None, "active": False})
    assert patched == {**stored(value=29, active=False), "validFrom": NOON, "unlocks": [2]}
    assert code == stored(maxUses=5, validFrom=NOON, unlocks=[2])


def test_a_code_is_found_by_its_id():
    event = {"ticketTypes": TYPES, "promoCodes": {"spring": stored(), "may": stored(codeId=2)}}
    assert [rules.find_key(event, number) for number in (1, 2, 3)] == ["spring", "may", None]
    assert rules.find_key({"ticketTypes": TYPES}, 1) is None
