"""Promo codes: their calls, and what bookings and quotes do with them."""

import csv
from datetime import UTC, datetime, timedelta

import pytest

from eventapp.analytics import sales_sums
from eventapp.core.clock import utc_now
from eventapp.core.database.lifecycle import OPEN_DATABASE
from eventapp.core.json import format_rfc3339
from tests.bookings_factories import Caller, event_of, stock_of, types
from tests.factories import event_body

NEW = {"code": "Spring-10", "kind": "percent", "value": 10}


@pytest.fixture
def olga(client, app, db):
    return Caller(client, app, "organizer")


@pytest.fixture
def ann(client, app, db):
    return Caller(client, app)


@pytest.fixture
def event_id(db, olga):
    return event_of(db, 10, 5, organizer_id=olga.id)


def add(caller, event_id, **changes):
    answer = caller.call("POST", f"/events/{event_id}/promo-codes", {**NEW, **changes})
    assert answer.status_code == 201, answer.json
    return answer.json


def patch(caller, event_id, code, /, **changes):
    return caller.call("PATCH", f"/events/{event_id}/promo-codes/{code['codeId']}", changes)


def delete(caller, event_id, code):
    return caller.call("DELETE", f"/events/{event_id}/promo-codes/{code['codeId']}")


def codes(caller, event_id):
    return caller.get(f"/events/{event_id}/promo-codes").json["promoCodes"]


def quote(caller, event_id, quantity=1, type_id=1, **body):
    items = [{"ticketTypeId": type_id, "quantity": quantity}]
    return caller.call("POST", f"/events/{event_id}/quote", {"items": items, **body})


def refusal(answer):
    return answer.status_code, answer.json["code"]


# The calls of the organizer.


def test_a_new_code_has_no_limits(olga, event_id):
    assert add(olga, event_id) == {
        "codeId": 1,
        "code": "Spring-10",
        "kind": "percent",
        "value": 10,
        "maxUses": None,
        "validFrom": None,
        "validUntil": None,
        "ticketTypeIds": None,
        "unlocks": None,
        "active": True,
        "used": 0,
    }


def test_codes_are_listed_with_all_their_fields_the_oldest_first(olga, event_id):
    full = add(
        olga,
        event_id,
        code="zz9",
        kind="fixed_price",
        value=12.5,
        maxUses=3,
        validFrom="2030-01-01T00:00:00Z",
        validUntil="2030-02-01T02:00:00+02:00",
        ticketTypeIds=[2, 1, 2],
        active=False,
    )
    assert (full["value"], full["ticketTypeIds"]) == (12.5, [1, 2])
    assert full["validUntil"] == "2030-02-01T00:00:00.000Z"
    second = add(olga, event_id, code="aa1")
    assert codes(olga, event_id) == [full, second]


def test_a_patch_changes_what_it_names_and_null_clears(olga, event_id):
    code = add(olga, event_id, maxUses=3, validUntil="2030-01-01T00:00:00Z", ticketTypeIds=[1])
    changed = patch(olga, event_id, code, kind="amount", value=0.05, maxUses=None, active=False)
    assert changed.json == {
        **code,
        "kind": "amount",
        "value": 0.05,
        "maxUses": None,
        "active": False,
    }
    cleared = patch(olga, event_id, code, validUntil=None, ticketTypeIds=None).json
    assert (cleared["validUntil"], cleared["ticketTypeIds"]) == (None, None)
    assert patch(olga, event_id, code, code="Other").json["code"] == "Other"
    assert [c["code"] for c in codes(olga, event_id)] == ["Other"]


def test_an_id_is_never_used_again(olga, event_id):
    code = add(olga, event_id)
    assert delete(olga, event_id, code).status_code == 200
    assert refusal(delete(olga, event_id, code)) == (404, "promo_code_not_found")
    assert add(olga, event_id)["codeId"] == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "ab"}, "code"),
        ({"code": "x" * 41}, "code"),
        ({"code": "a.b"}, "code"),
        ({"code": "abc\n"}, "code"),
        ({"code": "naïve"}, "code"),
        ({"kind": "free"}, "kind"),
        ({"value": 0}, "value"),
        ({"value": 101}, "value"),
        ({"value": 100.01}, "value"),
        ({"value": -1}, "value"),
        ({"value": 0.005}, "value"),
        ({"value": 0.00005}, "value"),
        ({"value": "10"}, "value"),
        ({"kind": "amount", "value": 0}, "value"),
        ({"kind": "fixed_price", "value": 1_000_001}, "value"),
        ({"maxUses": 0}, "maxUses"),
        ({"maxUses": 1.5}, "maxUses"),
        ({"ticketTypeIds": []}, "ticketTypeIds"),
        ({"ticketTypeIds": [1, 9]}, "ticketTypeIds"),
        ({"validFrom": "2030-01-01"}, "validFrom"),
        ({"validFrom": "2030-01-01T00:00:00"}, "validFrom"),
        (
            {"validFrom": "2030-01-01T00:00:00Z", "validUntil": "2030-01-01T00:00:00Z"},
            "validUntil",
        ),
        ({"active": 1}, "active"),
        ({"used": 5}, "used"),
    ],
)
def test_invalid_codes_are_refused(olga, event_id, changes, field):
    answer = olga.call("POST", f"/events/{event_id}/promo-codes", {**NEW, **changes})
    assert refusal(answer) == (400, "validation_error")
    assert list(answer.json["errors"]) == [field]
    assert codes(olga, event_id) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "body"),
        ({"kind": "amount"}, "value"),
        ({"value": 100.5}, "value"),
        ({"validUntil": "2029-01-01T00:00:00Z"}, "validUntil"),
        ({"code": None}, "code"),
        ({"code": "SUMMER"}, "code"),
    ],
)
def test_invalid_patches_are_refused(olga, event_id, changes, field):
    add(olga, event_id, code="summer")
    code = add(olga, event_id, validFrom="2030-01-01T00:00:00Z")
    answer = patch(olga, event_id, code, **changes)
    assert refusal(answer) == (400, "validation_error")
    assert list(answer.json["errors"]) == [field]
    assert codes(olga, event_id)[1] == code


def test_a_code_is_unique_in_any_case_within_its_event(db, olga, event_id):
    add(olga, event_id, code="Spring")
    answer = olga.call("POST", f"/events/{event_id}/promo-codes", {**NEW, "code": "sPRING"})
    assert refusal(answer) == (400, "validation_error")
    add(olga, event_of(db, 5, organizer_id=olga.id), code="Spring")


def test_an_event_has_at_most_200_codes(db, olga, event_id):
    code = {"codeId": 1, **NEW, "active": True, "used": 0, "taken": False}
    stored = {f"code{n}": {**code, "codeId": n, "code": f"code{n}"} for n in range(1, 201)}
    db.events.update_one({"eventId": event_id}, {"$set": {"promoCodes": stored, "nextCodeId": 201}})
    answer = olga.call("POST", f"/events/{event_id}/promo-codes", NEW)
    assert refusal(answer) == (400, "validation_error")


def test_a_code_that_was_used_is_neither_deleted_nor_renamed(olga, ann, event_id):
    code = add(olga, event_id)
    booking = ann.book(event_id, promoCode="spring-10")
    for _ in range(2):
        assert refusal(delete(olga, event_id, code)) == (409, "code_in_use")
        assert refusal(patch(olga, event_id, code, code="SPRING-10")) == (409, "code_in_use")
        ann.cancel(booking)
    assert codes(olga, event_id)[0]["used"] == 0
    assert patch(olga, event_id, code, active=False, code="Spring-10").status_code == 200


def test_the_limit_is_not_set_below_the_uses(client, app, olga, event_id):
    code = add(olga, event_id)
    for _ in range(2):
        Caller(client, app).book(event_id, promoCode="Spring-10")
    answer = patch(olga, event_id, code, maxUses=1)
    assert (refusal(answer), answer.json["used"]) == ((409, "below_used"), 2)
    assert patch(olga, event_id, code, maxUses=2).json["used"] == 2


def test_codes_are_for_the_organizer_and_admins(client, app, olga, ann, event_id):
    code = add(olga, event_id)
    other = Caller(client, app, "organizer")
    for caller in (ann, other):
        assert caller.get(f"/events/{event_id}/promo-codes").status_code == 403
        assert caller.call("POST", f"/events/{event_id}/promo-codes", NEW).status_code == 403
        assert patch(caller, event_id, code, active=False).status_code == 403
        assert delete(caller, event_id, code).status_code == 403
    assert client.get(f"/api/events/{event_id}/promo-codes").status_code == 401
    assert codes(Caller(client, app, "admin"), event_id) == [code]
    assert refusal(olga.get("/events/99999/promo-codes")) == (404, "event_not_found")


def test_nobody_else_sees_that_an_event_has_codes(client, app, db, olga, ann, event_id):
    path = f"/api/events/{event_id}"
    paths = [path, "/api/events", "/api/events?search=Sample", "/api/events/popular"]
    paths += [f"{path}/ticket-types", "/api/events?upcoming=false&sortBy=title"]

    def read_all():
        return [(one.data, one.headers.get("ETag")) for one in map(client.get, paths)]

    before = read_all()
    code = add(olga, event_id, code="Hush-hush")
    assert read_all() == before
    patch(olga, event_id, code, value=50)
    assert read_all() == before
    for organizer_path in (path, f"/api/events/{event_id}/bookings"):
        assert b"promo" not in olga.client.get(organizer_path, headers=olga.headers).data
    body = event_body(title="Edited", ticketTypes=types(5, 5))
    edited = olga.call("PUT", f"/events/{event_id}", body)
    assert edited.status_code == 200
    assert b"ush-hush" not in edited.data
    assert codes(olga, event_id)[0]["code"] == "Hush-hush"


# Quotes and bookings.


def test_a_quote_with_a_code_has_the_discount_of_each_line(olga, ann, db, event_id):
    add(olga, event_id, value=12.5, ticketTypeIds=[1])
    body = {
        "items": [{"ticketTypeId": 1, "quantity": 3}, {"ticketTypeId": 2, "quantity": 1}],
        "promoCode": "SPRING-10",
    }
    answer = ann.call("POST", f"/events/{event_id}/quote", body).json
    assert [(i["subtotal"], i["discount"], i["total"]) for i in answer["items"]] == [
        (60, 7.5, 52.5),
        (20, 0, 20),
    ]
    assert (answer["subtotal"], answer["discount"], answer["total"]) == (80, 7.5, 72.5)
    assert stock_of(db, event_id) == (10, 0, 0, 0)
    assert codes(olga, event_id)[0]["used"] == 0


@pytest.mark.parametrize(
    ("kind", "value", "discount"),
    [("percent", 33.33, 6.67), ("amount", 5, 5), ("amount", 25, 20), ("fixed_price", 0, 20)],
)
def test_a_booking_costs_what_the_quote_says(olga, ann, event_id, kind, value, discount):
    add(olga, event_id, kind=kind, value=value)
    quoted = quote(ann, event_id, 2, promoCode="spring-10").json
    booked = ann.book(event_id, 2, promoCode="spring-10")
    assert (booked["subtotal"], booked["discount"]) == (40, 2 * discount)
    assert booked["totalPrice"] == quoted["total"] == round(40 - 2 * discount, 2)
    assert booked["promoCode"] == "Spring-10"
    assert {k: v for k, v in booked["items"][0].items() if k != "type"} == quoted["items"][0]
    assert ann.get(f"/bookings/{booked['_id']}").json["data"]["booking"] == booked


def test_a_booking_without_a_code_has_none(ann, event_id):
    assert ann.book(event_id)["promoCode"] is None


@pytest.mark.parametrize(
    ("changes", "sent", "status", "code"),
    [
        ({}, "unknown", 404, "promo_not_found"),
        ({}, "x", 404, "promo_not_found"),
        ({}, "$spring.10", 404, "promo_not_found"),
        ({"active": False}, "spring-10", 404, "promo_not_found"),
        ({"validFrom": "2090-01-01T00:00:00Z"}, "spring-10", 404, "promo_not_found"),
        ({"validUntil": "2020-01-01T00:00:00Z"}, "spring-10", 404, "promo_not_found"),
        ({"ticketTypeIds": [2]}, "spring-10", 409, "promo_not_applicable"),
        ({"kind": "fixed_price", "value": 20}, "spring-10", 409, "promo_not_applicable"),
        ({"kind": "fixed_price", "value": 25}, "spring-10", 409, "promo_not_applicable"),
        ({"value": 0.01}, "spring-10", 409, "promo_not_applicable"),
    ],
)
def test_refused_codes(olga, ann, db, event_id, changes, sent, status, code):
    add(olga, event_id, **changes)
    booked = ann.order(event_id, ticketTypeId=1, quantity=1, promoCode=sent)
    assert refusal(booked) == refusal(quote(ann, event_id, promoCode=sent)) == (status, code)
    assert stock_of(db, event_id) == (10, 0, 0, 0)


def test_all_reasons_why_a_code_is_not_found_look_the_same(olga, ann, event_id):
    add(olga, event_id, code="later", validFrom="2090-01-01T00:00:00Z")
    add(olga, event_id, code="never", active=False)
    answers = [quote(ann, event_id, promoCode=code) for code in ("later", "never", "nothing")]
    bodies = [{k: v for k, v in a.json.items() if k != "requestId"} for a in answers]
    assert bodies[0] == bodies[1] == bodies[2]


def test_a_code_is_used_up(client, app, olga, ann, event_id):
    add(olga, event_id, maxUses=1)
    booking = ann.book(event_id, 3, promoCode="spring-10")
    other = Caller(client, app)
    order = {"ticketTypeId": 1, "quantity": 1, "promoCode": "spring-10"}
    assert refusal(other.order(event_id, **order)) == (409, "promo_exhausted")
    assert refusal(quote(other, event_id, promoCode="spring-10")) == (409, "promo_exhausted")
    assert refusal(ann.order(event_id, **order)) == (409, "already_booked")
    ann.cancel(booking)
    assert other.order(event_id, **order).status_code == 201


def test_the_same_key_gets_the_same_answer_after_the_last_use(olga, ann, event_id):
    add(olga, event_id, maxUses=1)
    order = {"ticketTypeId": 1, "quantity": 1, "promoCode": "spring-10"}
    first = ann.order(event_id, key="one", **order)
    assert ann.order(event_id, key="one", **order).json == first.json
    other = ann.order(event_id, key="one", ticketTypeId=1, quantity=1)
    assert refusal(other) == (409, "idempotency_mismatch")


def test_a_refund_is_what_was_paid(olga, ann, event_id):
    add(olga, event_id, value=25)
    held = ann.book(event_id, 2, promoCode="spring-10", hold=True)
    assert ann.confirm(held).json["data"]["booking"]["totalPrice"] == 30
    assert ann.cancel(held).json["data"]["booking"]["refund"]["amount"] == 30


def test_a_code_that_makes_tickets_free_needs_no_refund(olga, ann, event_id):
    add(olga, event_id, value=100)
    booked = ann.book(event_id, 2, promoCode="spring-10")
    assert (booked["totalPrice"], booked["discount"]) == (0, 40)
    assert ann.cancel(booked).json["data"]["booking"]["refund"] is None


def test_a_waiting_place_uses_no_code_and_its_offer_has_no_discount(
    client, app, olga, ann, event_id
):
    add(olga, event_id, maxUses=1)
    first = Caller(client, app).book(event_id, 10)
    order = {"ticketTypeId": 1, "quantity": 1, "onShortfall": "waitlist"}
    assert ann.order(event_id, promoCode="spring-10", **order).status_code == 202
    assert codes(olga, event_id)[0]["used"] == 0
    olga.call("PUT", f"/bookings/{first['_id']}/cancel")
    accepted = ann.accept(event_id).json["data"]["booking"]
    assert (accepted["totalPrice"], accepted["discount"], accepted["promoCode"]) == (20, 0, None)


def test_the_tickets_that_a_partial_booking_gets_must_be_discounted(
    client, app, olga, ann, event_id
):
    add(olga, event_id, ticketTypeIds=[2])
    Caller(client, app).book(event_id, 5, type_id=2)
    items = [{"ticketTypeId": 1, "quantity": 1}, {"ticketTypeId": 2, "quantity": 1}]
    order = {"items": items, "onShortfall": "partial", "promoCode": "spring-10"}
    assert refusal(ann.order(event_id, **order)) == (409, "promo_not_applicable")
    assert codes(olga, event_id)[0]["used"] == 0


@pytest.mark.parametrize("is_last", [False, True])
def test_a_code_names_no_ticket_type_that_was_removed(olga, ann, event_id, is_last):
    code = add(olga, event_id, ticketTypeIds=[2] if is_last else [1, 2])
    assert olga.call("DELETE", f"/events/{event_id}/ticket-types/2").status_code == 200
    left = [] if is_last else [1]
    assert codes(olga, event_id)[0]["ticketTypeIds"] == left
    assert patch(olga, event_id, code, maxUses=9).json["ticketTypeIds"] == left
    # A code that names no type any more does not become one of all types.
    answer = quote(ann, event_id, promoCode="spring-10")
    assert answer.status_code == (409 if is_last else 200), answer.json


def test_a_code_is_valid_inside_its_time(olga, ann, event_id):
    now = utc_now()
    code = add(olga, event_id, validFrom=format_rfc3339(now - timedelta(hours=1)))
    assert quote(ann, event_id, promoCode="spring-10").status_code == 200
    patch(olga, event_id, code, validUntil=format_rfc3339(datetime.now(UTC) + timedelta(hours=1)))
    assert quote(ann, event_id, promoCode="spring-10").status_code == 200


def test_a_draft_tells_nothing_of_its_codes(olga, ann, db):
    draft = event_of(db, 5, organizer_id=olga.id, status="draft")
    add(olga, draft)
    for sent in ("spring-10", "unknown"):
        assert refusal(quote(ann, draft, promoCode=sent)) == (404, "event_not_found")
        order = ann.order(draft, ticketTypeId=1, quantity=1, promoCode=sent)
        assert refusal(order) == (404, "event_not_found")


@pytest.fixture
def limited_app(make_app):
    return make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="200")


def set_up_code(app):
    """Return an organizer who can send requests, and an event with a promo code."""
    olga = Caller(app.test_client(), app, "organizer")
    event_id = event_of(OPEN_DATABASE.get(app).db, 10, organizer_id=olga.id)
    add(olga, event_id)
    return olga, event_id


def log_in(app):
    body = {"email": "a@example.org", "password": "x" * 12}
    return app.test_client().post("/api/auth/login", json=body)


def test_refusals_of_an_address_are_limited_as_strictly_as_logins(limited_app):
    olga, event_id = set_up_code(limited_app)
    for _ in range(10):
        assert quote(olga, event_id, promoCode="spring-10").status_code == 200
    for _ in range(10):
        assert refusal(quote(olga, event_id, promoCode="guess")) == (404, "promo_not_found")
    for sent in ("guess", "spring-10"):
        refused = quote(olga, event_id, promoCode=sent)
        assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
    order = olga.order(event_id, ticketTypeId=1, quantity=1, promoCode="spring-10")
    assert order.status_code == 429
    assert quote(olga, event_id).status_code == 200


def test_wrong_codes_and_logins_of_an_address_do_not_limit_each_other(limited_app):
    olga, event_id = set_up_code(limited_app)
    for _ in range(10):
        quote(olga, event_id, promoCode="guess")
    assert quote(olga, event_id, promoCode="guess").status_code == 429
    assert log_in(limited_app).status_code == 401
    for _ in range(10):
        last = log_in(limited_app)
    assert last.status_code == 429


def test_an_address_without_logins_left_may_still_use_a_code(limited_app):
    olga, event_id = set_up_code(limited_app)
    for _ in range(11):
        last = log_in(limited_app)
    assert last.status_code == 429
    assert quote(olga, event_id, promoCode="spring-10").status_code == 200


def cancel_tickets(caller, booking, quantity):
    body = {"items": [{"ticketTypeId": 1, "quantity": quantity}]}
    answer = caller.call("POST", f"/bookings/{booking['_id']}/cancellations", body)
    assert answer.status_code == 201, answer.json
    return answer.json["data"]


def test_cancelled_tickets_give_back_their_discounted_price_and_the_last_one_the_use(
    olga, ann, event_id
):
    add(olga, event_id, kind="percent", value=33.33)
    booking = ann.book(event_id, 3, promoCode="spring-10")
    assert (booking["discount"], booking["totalPrice"]) == (20.01, 39.99)
    part = cancel_tickets(ann, booking, 2)
    assert part["refund"]["amount"] == 26.66
    left = part["booking"]
    assert (left["subtotal"], left["discount"], left["totalPrice"]) == (20, 6.67, 13.33)
    assert (left["promoCode"], codes(olga, event_id)[0]["used"]) == ("Spring-10", 1)
    assert cancel_tickets(ann, booking, 1)["refund"]["amount"] == 13.33
    assert codes(olga, event_id)[0]["used"] == 0


def test_the_figures_of_an_event_show_gross_discount_and_net(client, app, olga, ann, event_id):
    add(olga, event_id, value=25)
    ann.book(event_id, 2, promoCode="spring-10")
    Caller(client, app).book(event_id, 1)
    ann_again = Caller(client, app).book(event_id, 1, promoCode="spring-10")
    olga.call("PUT", f"/bookings/{ann_again['_id']}/cancel")
    db = OPEN_DATABASE.get(app).db
    for is_stored in (False, True):
        if is_stored:
            sales_sums.refresh_sums(db, utc_now())
        stats = olga.get(f"/events/{event_id}/stats").json
        revenue = olga.get("/analytics/revenue").json
        for figures in (
            stats,
            stats["byType"][0],
            stats["byDay"][0],
            olga.get("/analytics/overview").json,
            revenue["total"],
            revenue["points"][-1],
            olga.get("/analytics/events").json["events"][0],
        ):
            assert [figures[name] for name in ("gross", "discount", "revenue")] == [60, 10, 50]
    rows = olga.get(f"/events/{event_id}/bookings.csv").data.decode("utf-8-sig").splitlines()
    table = list(csv.DictReader(rows))
    assert sorted((r["subtotal"], r["discount"], r["promoCode"]) for r in table) == [
        ("20", "0", ""),
        ("20", "5", "Spring-10"),
        ("40", "10", "Spring-10"),
    ]


def test_figures_that_an_older_version_has_stored_have_no_discount(app, olga, ann, event_id):
    ann.book(event_id, 2)
    db = OPEN_DATABASE.get(app).db
    sales_sums.refresh_sums(db, utc_now())
    for name in ("dailySales", "eventSales", "eventDays"):
        for stored in db[name].find():
            db[name].replace_one({"_id": stored["_id"]}, _leave_out_discounts(stored))
    # The figures add these sums and those of a booking that was made since.
    add(olga, event_id, value=25)
    other = Caller(olga.client, app)
    other.book(event_id, 1, promoCode="spring-10")
    stats = olga.get(f"/events/{event_id}/stats").json
    for figures in (
        stats,
        olga.get("/analytics/overview").json,
        olga.get("/analytics/events").json["events"][0],
    ):
        assert [figures[name] for name in ("gross", "discount", "revenue")] == [60, 5, 55]


def _leave_out_discounts(stored):
    """Return stored sums with the totals of the version that knew no discounts."""
    old = {**stored, "numbers": stored.get("numbers", [])[:12]}
    if "slots" in stored:
        old["slots"] = {number: totals[:12] for number, totals in stored["slots"].items()}
    if "parts" in stored:
        old["parts"] = [{**each, "numbers": each["numbers"][:12]} for each in stored["parts"]]
    return old


def test_null_is_no_promo_code(ann, event_id):
    assert quote(ann, event_id, 1, promoCode=None).json["discount"] == 0
    assert ann.book(event_id, promoCode=None)["promoCode"] is None
