"""Edits of quotas, and the public figure of a type, as tables of cases."""

from datetime import UTC, datetime, timedelta

import pytest

from eventapp.core.errors import ValidationFailed
from eventapp.events import editing, ticket_types
from eventapp.events.errors import BelowSold, EventBusy, QuotaInUse, QuotaNotFound
from eventapp.events.quota_editing import (
    make_quota_addition,
    make_quota_patch,
    make_quota_removal,
)

HALL = {"quotaId": 3, "name": "hall", "capacity": 9, "availableTickets": 4, "waiting": 0}
FRIDAY, SATURDAY = 4, 7
NOW = datetime(2030, 5, 1, tzinfo=UTC)


def event_of(*stored, **changes):
    """Return an event with types 1 and 2, dates 4 and 7, and 5 tickets sold or held on date 4."""
    return {
        "ticketTypes": [{"ticketTypeId": 1}, {"ticketTypeId": 2}],
        "schedule": [{"scheduleId": FRIDAY}, {"scheduleId": SATURDAY}],
        "cells": {"4": {"1": {"sold": 2, "held": 1}, "2": {"sold": 2}}, "0": {"1": {"sold": 1}}},
        "cellsCounted": True,
        "quotas": list(stored),
        **changes,
    }


@pytest.mark.parametrize(
    ("lists", "taken"),
    [
        ({}, 6),
        ({"scheduleIds": [FRIDAY]}, 5),
        ({"scheduleIds": [SATURDAY]}, 0),
        ({"scheduleIds": [FRIDAY, SATURDAY]}, 5),
        ({"ticketTypeIds": [1]}, 4),
        ({"ticketTypeIds": [2], "scheduleIds": [FRIDAY]}, 2),
        ({"ticketTypeIds": [2], "scheduleIds": [SATURDAY]}, 0),
    ],
)
def test_a_new_quota_has_the_places_that_are_not_taken(lists, taken):
    event = event_of(HALL, nextQuotaId=8)
    for capacity in (taken, taken + 3):
        body = {"name": "new", "capacity": capacity, **lists}
        places = {"quotaId": 8, "availableTickets": capacity - taken, "waiting": 0}
        assert make_quota_addition(body)(event) == {
            "quotas": [HALL, {**body, **places}],
            "nextQuotaId": 9,
        }
    if taken:
        with pytest.raises(BelowSold) as refused:
            make_quota_addition({"name": "new", "capacity": taken - 1, **lists})(event)
        assert refused.value.details == {"least": taken}


def test_the_first_quota_has_the_id_1():
    event = event_of()
    del event["quotas"]
    patch = make_quota_addition({"name": "new", "capacity": 6})(event)
    assert (patch["quotas"][0]["quotaId"], patch["nextQuotaId"]) == (1, 2)


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({"name": "yard"}, {"name": "yard", "availableTickets": 4}),
        ({"capacity": 20}, {"capacity": 20, "availableTickets": 15}),
        ({"capacity": 5}, {"capacity": 5, "availableTickets": 0}),
        ({"ticketTypeIds": [1]}, {"ticketTypeIds": [1], "availableTickets": 6}),
        ({"scheduleIds": [SATURDAY]}, {"scheduleIds": [SATURDAY], "availableTickets": 9}),
    ],
)
def test_a_patch_counts_the_places_again(patch, changed):
    hall = {**HALL, "scheduleIds": [FRIDAY]}
    assert make_quota_patch(3, patch)(event_of(hall))["quotas"] == [{**hall, **changed}]


def test_null_makes_a_quota_match_all():
    hall = {**HALL, "scheduleIds": [FRIDAY], "ticketTypeIds": [1, 2]}
    patched = make_quota_patch(3, {"scheduleIds": None, "ticketTypeIds": None})(event_of(hall))
    assert patched["quotas"] == [{**HALL, "availableTickets": 3}]


def test_a_removed_quota_is_gone_and_its_id_is_not_given_again():
    event = event_of(HALL, {**HALL, "quotaId": 5}, nextQuotaId=6)
    assert make_quota_removal(5)(event) == {"quotas": [HALL]}


@pytest.mark.parametrize("make", [lambda id_: make_quota_patch(id_, {}), make_quota_removal])
def test_an_unknown_quota_is_not_found(make):
    with pytest.raises(QuotaNotFound):
        make(4)(event_of(HALL))


@pytest.mark.parametrize(
    ("lists", "field"),
    [
        ({"ticketTypeIds": []}, "ticketTypeIds"),
        ({"scheduleIds": []}, "scheduleIds"),
        ({"ticketTypeIds": [3]}, "ticketTypeIds"),
        ({"scheduleIds": [1]}, "scheduleIds"),
        ({"scheduleIds": [FRIDAY, FRIDAY]}, "scheduleIds"),
    ],
)
def test_lists_that_match_nothing_or_are_wrong_are_refused(lists, field):
    for edit in (
        make_quota_addition({"name": "new", "capacity": 90, **lists}),
        make_quota_patch(3, lists),
    ):
        with pytest.raises(ValidationFailed) as refused:
            edit(event_of(HALL))
        assert list(refused.value.errors) == [field]


def test_both_lists_together_have_a_limit():
    types = [{"ticketTypeId": number} for number in range(1, 51)]
    dates = [{"scheduleId": number} for number in range(1, 367)]
    event = event_of(ticketTypes=types, schedule=dates, cells={})

    def add(type_count, date_count):
        lists = {
            "ticketTypeIds": list(range(1, type_count + 1)),
            "scheduleIds": list(range(1, date_count + 1)),
        }
        return make_quota_addition({"name": "new", "capacity": 1, **lists})(event)

    assert len(add(50, 316)["quotas"]) == 1
    with pytest.raises(ValidationFailed):
        add(50, 317)


def test_an_event_has_at_most_50_quotas():
    event = event_of(*({**HALL, "quotaId": number} for number in range(50)))
    with pytest.raises(ValidationFailed):
        make_quota_addition({"name": "new", "capacity": 90})(event)


def test_no_quota_is_made_while_the_cells_are_not_counted():
    event = event_of()
    del event["cellsCounted"]
    with pytest.raises(EventBusy):
        make_quota_addition({"name": "new", "capacity": 90})(event)


@pytest.mark.parametrize(
    ("lists", "kept_types", "kept_dates", "left"),
    [
        ({}, [1], [FRIDAY], {}),
        ({"ticketTypeIds": [1, 2]}, [1], [FRIDAY], {"ticketTypeIds": [1]}),
        ({"scheduleIds": [7, 4]}, [1, 2], [FRIDAY], {"scheduleIds": [FRIDAY]}),
        ({"ticketTypeIds": [2]}, [1], [FRIDAY], None),
        ({"ticketTypeIds": [1], "scheduleIds": [7]}, [1, 2], [FRIDAY], None),
    ],
)
def test_dropped_types_and_dates_leave_the_quotas(lists, kept_types, kept_dates, left):
    parts = {
        "ticketTypes": [{"ticketTypeId": id_} for id_ in kept_types],
        "schedule": [{"scheduleId": id_} for id_ in kept_dates],
    }
    stored = [{**HALL, **lists}]
    if left is None:
        with pytest.raises(QuotaInUse):
            editing._remove_dropped(stored, parts)
    else:
        assert editing._remove_dropped(stored, parts) == [{**HALL, **left}]


@pytest.mark.parametrize(
    ("stock", "dates", "stored", "public"),
    [
        ((9, 0), [FRIDAY], [], 9),
        ((9, 1), [FRIDAY], [], 0),
        ((9, 0), [], [], 0),
        ((9, 0), [FRIDAY], [(4, {})], 4),
        # The most that one date still offers.
        ((9, 0), [FRIDAY, SATURDAY], [(4, {"scheduleIds": [FRIDAY]})], 9),
        ((9, 0), [FRIDAY], [(4, {"scheduleIds": [FRIDAY]})], 4),
        (
            (9, 0),
            [FRIDAY, SATURDAY],
            [(4, {"scheduleIds": [FRIDAY]}), (6, {"scheduleIds": [SATURDAY]})],
            6,
        ),
        ((9, 0), [FRIDAY], [(4, {"ticketTypeIds": [2]})], 9),
        ((9, 0), [FRIDAY], [(4, {"ticketTypeIds": [1]}), (0, {})], 0),
        ((9, 0), [FRIDAY], [(4, {"waiting": 1})], 0),
    ],
)
def test_the_public_figure_is_the_most_that_one_date_offers(stock, dates, stored, public):
    available, waiting = stock
    stored_quotas = [{**HALL, "availableTickets": places, **lists} for places, lists in stored]
    schedule = [
        {"scheduleId": id_, "overAt": NOW + timedelta(id_ in dates)} for id_ in (FRIDAY, SATURDAY)
    ]
    ticket_type = {"ticketTypeId": 1, "availableTickets": available, "waiting": waiting}
    event = {"schedule": schedule, "ticketTypes": [ticket_type], "quotas": stored_quotas}
    assert ticket_types.count_public({**event, "lastDate": NOW}, NOW) == [public]
    if not stored:
        del event["quotas"]
        assert ticket_types.count_public({**event, "lastDate": NOW}, NOW) == [public]
