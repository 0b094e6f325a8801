"""The in-flight entries of takes, joins, offers and moves: what they say, and what undoes them."""

from datetime import UTC, datetime

import pytest

from eventapp.inventory import entry_keys, rules
from eventapp.inventory.rules import WAITLIST, Allocation, StockMove, TicketRequest
from eventapp.inventory.types import WaitlistedPart

NOW = datetime(2026, 5, 20, tzinfo=UTC)


def build_entries(allocation, **more):
    request = TicketRequest(
        "b", {1: 3}, 7, on_shortfall=WAITLIST, requester="ann", waitlist_entry_ids={1: "w"}, **more
    )
    return rules.build_sale_entries([(request, allocation)], NOW)


def test_a_purchase_has_an_entry_for_its_tickets_and_one_for_each_queue_it_joins():
    allocation = Allocation({1: 2}, {1: WaitlistedPart(1, 4, 2)})
    take = {
        "kind": "take",
        "items": [[1, 2]],
        "held": False,
        "scheduleId": 7,
        "by": "ann",
        "at": NOW,
    }
    join = {"kind": "enter", "type": 1, "scheduleId": 7, "by": "ann", "at": NOW}
    assert build_entries(allocation) == {"b": take, "wait-w": join}
    assert build_entries(allocation, promo_code="spring")["b"] == {**take, "code": "spring"}


def test_a_join_is_undone_by_leaving_its_queue():
    joined = build_entries(Allocation({}, {1: WaitlistedPart(3, 4, 2)}))
    assert list(joined) == ["wait-w"]
    assert rules.compute_reversal(joined["wait-w"]) == {1: {"waiting": -1}}


@pytest.mark.parametrize("ends_entry", [True, False])
def test_an_undone_offer_returns_its_tickets_and_the_place_that_it_ended(ends_entry):
    entry = rules.build_offer_entry(7, 2, 3, ends_entry=ends_entry, now=NOW)
    assert (entry["at"], rules.get_schedule_id(entry)) == (NOW, 7)
    assert rules.compute_offer_changes(0, 3) == {0: {"availableTickets": -3, "heldTickets": 3}}
    assert rules.compute_reversal(entry) == {
        2: {"availableTickets": 3, "heldTickets": -3, "waiting": int(ends_entry)}
    }


@pytest.mark.parametrize(
    ("move", "kind"),
    [
        (StockMove.for_return("b", {1: 2}, held=False), "give"),
        (StockMove.for_return("b", {1: 2}, held=False, part="retaken"), "give"),
        (StockMove.for_confirmation("b", {1: 2}), "confirm"),
        (StockMove.for_leaving("w", 7, 1), "leave"),
    ],
)
def test_the_entry_of_a_move_has_its_kind_and_is_never_undone(move, kind):
    entry = move.to_entry(NOW)
    assert entry == {"kind": kind, "at": NOW}
    assert (rules.get_schedule_id(entry), rules.find_promo_code(entry)) == (0, None)
    with pytest.raises(ValueError, match=kind):
        rules.compute_reversal(entry)


def test_only_takes_have_a_promo_code_and_old_entries_have_no_schedule_entry():
    old = {"kind": "take", "items": [[1, 1]], "held": False, "at": NOW}
    assert (rules.get_schedule_id(old), rules.find_promo_code(old)) == (0, None)
    assert rules.find_promo_code({**old, "code": "spring"}) == "spring"
    join = {"kind": "enter", "type": 1, "scheduleId": 7, "at": NOW}
    assert (rules.get_schedule_id(join), rules.find_promo_code(join)) == (7, None)


def test_every_request_gets_all_that_it_wants_or_the_grants_are_not_complete():
    requests = [TicketRequest("a", {1: 2}), TicketRequest("b", {1: 1})]
    full = [Allocation({1: 2}), Allocation({1: 1})]
    assert rules.grants_all(requests, full)
    assert not rules.grants_all(requests, [full[0], Allocation()])


def test_a_promo_code_is_used_by_each_purchase_that_gets_tickets():
    request = TicketRequest("a", {1: 1}, promo_code="spring")
    waits = (request, Allocation({}, {1: WaitlistedPart(1, 1, 1)}))
    grants = [(request, Allocation({1: 1})), (request, Allocation({1: 1})), waits]
    assert rules.count_promo_uses(grants) == {"spring": 2}
    assert rules.count_promo_uses([waits]) == {}


def test_questions_are_marked_when_they_are_answered_for_the_first_time():
    grants = [(TicketRequest("a", {1: 1}, answered=frozenset({1, 3})), Allocation({1: 1}))]
    assert rules.build_answer_marks({"answeredQuestions": {"1": True}}, grants) == {
        "answeredQuestions.3": True
    }


def test_the_terms_of_an_event_that_was_never_edited_differ_from_those_after_an_edit():
    assert rules.get_terms({}) == 0
    assert rules.get_terms({"terms": 1}) == 1


@pytest.mark.parametrize(
    ("key", "document_id", "retake"),
    [
        ("b1", "b1", None),
        ("give-b1", "b1", None),
        ("give-retaken-b1", "b1", None),
        (entry_keys.make_join_key("w1"), "w1", None),
        (entry_keys.make_leave_key("w1"), "w1", None),
        (entry_keys.make_retake_key("b1", "a1", "t1"), "b1", ("a1", "t1")),
        ("retake-b1-a1", "b1", ("a1", None)),
    ],
)
def test_a_key_names_the_document_and_the_late_payment_of_its_entry(key, document_id, retake):
    assert entry_keys.parse_document_id(key) == document_id
    assert entry_keys.parse_retake_key(key) == retake
