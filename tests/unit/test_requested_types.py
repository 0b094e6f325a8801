"""What a request may ask for: its ticket types, its schedule entry, and how many tickets."""

from datetime import UTC, datetime, timedelta

import pytest

from eventapp.core.errors import ValidationFailed
from eventapp.events.service import TicketTypeNotFound
from eventapp.inventory.entry_choice import choose_schedule_entry
from eventapp.inventory.errors import (
    EventPast,
    NotOnSale,
    PromoNotFound,
    TicketLimit,
    TicketMinimum,
)
from eventapp.inventory.nameable_types import NameableTypes, find_unlocked
from eventapp.inventory.quantity_limits import refuse_quantities, refuse_quantities_of_user

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TYPES = {
    "ticketTypes": [
        {"ticketTypeId": 1, "type": "Standard"},
        {"ticketTypeId": 2, "type": "Guests", "visibility": "hidden"},
        {"ticketTypeId": 3, "type": "Sponsors", "visibility": "secret"},
    ]
}


@pytest.mark.parametrize(
    ("unlocked", "type_id", "name", "found"),
    [
        ((), 1, None, 1),
        ((), None, "Standard", 1),
        ((), 3, "Standard", 1),
        ((), 2, None, 2),
        ((), None, "Guests", None),
        ((), 3, None, None),
        ((), None, "Sponsors", None),
        ((), 1, "Nobody", None),
        ((), None, None, None),
        ((), 9, None, None),
        ((2, 3), None, "Guests", 2),
        ((2, 3), None, "Sponsors", 3),
        ((3,), 3, None, 3),
    ],
)
def test_hidden_types_are_named_by_id_and_secret_ones_with_a_code(unlocked, type_id, name, found):
    types = NameableTypes(TYPES, unlocked)
    if found is None:
        with pytest.raises(TicketTypeNotFound):
            types.require_id(type_id, name)
    else:
        assert types.require_id(type_id, name) == found


def test_a_request_that_names_no_type_means_the_only_public_one():
    assert NameableTypes(TYPES).require_only_id() == 1
    for types in (TYPES["ticketTypes"][1:], [TYPES["ticketTypes"][0]] * 2):
        with pytest.raises(ValidationFailed) as refused:
            NameableTypes({"ticketTypes": types}).require_only_id()
        assert refused.value.code == "ticket_type_required"
        (message,) = refused.value.errors["ticketTypeId"]
        assert "name one" in message


def test_a_code_unlocks_types_while_it_is_valid():
    code = {"active": True, "unlocks": [3], "validUntil": NOW}
    event = {"promoCodes": {"vip": code, "plain": {"active": True}}}
    assert find_unlocked(event, "vip", NOW - SECOND) == [3]
    assert list(find_unlocked(event, "plain", NOW)) == []
    assert list(find_unlocked({}, None, NOW)) == []
    for key, moment in (("vip", NOW), ("other", NOW)):
        with pytest.raises(PromoNotFound):
            find_unlocked(event, key, moment)
    with pytest.raises(PromoNotFound):
        find_unlocked({}, "vip", NOW)


LIMITED = {
    "ticketTypes": [
        {"ticketTypeId": 1, "type": "Group", "minPerBooking": 2, "maxPerBooking": 4},
        {"ticketTypeId": 2, "type": "Free", "maxPerUser": 3},
        {"ticketTypeId": 3, "type": "Standard"},
    ]
}


@pytest.mark.parametrize(
    "items", [{}, {1: 2}, {1: 4}, {2: 3}, {3: 1}, {3: 1000}, {1: 2, 2: 1, 3: 1}]
)
def test_quantities_within_the_limits_of_each_type_are_accepted(items):
    refuse_quantities(LIMITED, items)


@pytest.mark.parametrize(
    ("items", "error", "type_id", "limit", "words"),
    [
        ({1: 1}, TicketMinimum, 1, 2, "'Group' a booking"),
        ({1: 5}, TicketLimit, 1, 4, "'Group' a booking"),
        ({3: 1, 2: 4}, TicketLimit, 2, 3, "'Free' a user"),
    ],
)
def test_the_refusal_of_a_quantity_names_the_type_and_its_limit(
    items, error, type_id, limit, words
):
    with pytest.raises(error, match=words) as refused:
        refuse_quantities(LIMITED, items)
    assert refused.value.details == {"ticketTypeId": type_id, "limit": limit}


def test_the_tickets_that_a_user_has_count_for_the_limit_of_a_user_alone():
    refuse_quantities_of_user(LIMITED, {1: 9, 2: 3})
    with pytest.raises(TicketLimit):
        refuse_quantities_of_user(LIMITED, {2: 4})


def schedule_of(*ends):
    return {
        "schedule": [
            {"scheduleId": number, "date": NOW, "overAt": NOW + end}
            for number, end in enumerate(ends, start=5)
        ]
    }


def test_a_named_schedule_entry_is_chosen_until_it_is_over():
    event = schedule_of(SECOND, 0 * SECOND, SECOND)
    assert choose_schedule_entry(event, NOW, schedule_id=7)["scheduleId"] == 7
    assert choose_schedule_entry(event, NOW, index=0)["scheduleId"] == 5
    assert choose_schedule_entry(event, NOW, index=2)["scheduleId"] == 7
    for named in ({"schedule_id": 6}, {"index": 1}):
        with pytest.raises(EventPast):
            choose_schedule_entry(event, NOW, **named)


@pytest.mark.parametrize(
    ("named", "field"), [({"schedule_id": 8}, "scheduleId"), ({"index": 3}, "scheduleIndex")]
)
def test_a_schedule_entry_that_does_not_exist_is_refused_by_the_field_that_names_it(named, field):
    with pytest.raises(ValidationFailed) as refused:
        choose_schedule_entry(schedule_of(SECOND, SECOND, SECOND), NOW, **named)
    assert refused.value.errors == {field: ["The event has no such entry."]}


def test_an_event_whose_schedule_is_not_migrated_is_not_on_sale():
    with pytest.raises(NotOnSale):
        choose_schedule_entry({"schedule": [{"date": NOW}]}, NOW, schedule_id=1)
