"""The key of a booking's link gives a token, which acts for that booking and for nothing else."""

import time
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import links
from eventapp.bookings.errors import LinkEnded, LinkInvalid
from eventapp.core.access.actions import PERMISSION_TABLE
from eventapp.core.access.actor import Actor
from eventapp.core.access.link_callers import LINK_AUTHENTICATION
from eventapp.core.clock import utc_now
from eventapp.core.errors import NotForLinks, Unauthorized
from eventapp.payments.providers import Providers
from tests.booking_links import LinkCaller, make_key, make_link, open_link
from tests.bookings_factories import Caller, changed, context_of, event_of, refused
from tests.buyer_provider import BuyerProvider
from tests.factories import bearer, day, make_user
from tests.http.test_api_token_scopes import list_identifying_routes
from tests.http.test_booking_links import Registered
from tests.http.test_recovery import counted_calls

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PRIVATE_SCHEDULE = [
    {"date": "2099-06-15", "startTime": "20:00", "endTime": "23:00", "location": "Volos"}
]


@pytest.fixture
def booking(db, holder):
    return holder.book(event_of(db, 10), 2)


@pytest.fixture
def reader(client, app, booking):
    return LinkCaller(client, app, booking)


def show(reader, booking):
    return reader.get(f"/bookings/{booking['_id']}")


# The exchange.


def test_the_key_gives_a_token_for_15_minutes(client, app, booking):
    before = utc_now()
    answer = open_link(client, booking, make_key(app, booking))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.json["bookingId"] == booking["_id"]
    assert answer.json["token"].startswith("lnt_")
    tokens = LINK_AUTHENTICATION.get(app).tokens
    for passed, is_good in ((14 * MINUTE, True), (16 * MINUTE, False)):
        if is_good:
            assert str(tokens.read(answer.json["token"], before + passed).booking_id)
        else:
            with pytest.raises(Unauthorized) as error:
                tokens.read(answer.json["token"], before + passed)
            assert error.value.code == "token_expired"


def test_the_reference_may_be_in_lower_case(client, app, booking):
    key = make_key(app, booking)
    lower = {"bookingReference": booking["bookingReference"].lower()}
    assert open_link(client, lower, key).status_code == 200


def test_an_unknown_reference_and_a_wrong_key_are_answered_alike(client, app, db, booking, bob):
    key, other = make_key(app, booking), bob.book(event_of(db, 5))
    unknown = {"bookingReference": "EVT-ZZZZZZ"}
    tombstone = {"bookingReference": "void-1"}
    db.bookings.insert_one({"_id": ObjectId(), **tombstone, "void": True})
    wrong = [
        (booking, key[:-1] + ("A" if key[-1] != "A" else "B")),
        (booking, "x"),
        (booking, make_key(app, other)),
        (other, key),
        (unknown, key),
        (tombstone, key),
        ({"bookingReference": "ψ"}, key),
    ]
    answers = [open_link(client, *each) for each in wrong]
    assert {each.status_code for each in answers} == {404}
    assert len({each.data for each in answers}) == 1
    assert answers[0].json["code"] == "link_invalid"


def test_an_unknown_reference_and_a_wrong_key_do_the_same_work(client, app, booking):
    seen, spent = [], {}
    for reference in (booking["bookingReference"], "EVT-ZZZZZZ"):
        target = {"bookingReference": reference}
        with counted_calls() as calls:
            open_link(client, target, "lnk_wrong")
        seen.append(calls)
        # The quickest of many: other programs on the machine make some slower.
        spent[reference] = min(_time(client, target) for _ in range(30))
    assert seen[0] == seen[1]
    assert len(seen[0]) >= 2
    fast, slow = sorted(spent.values())
    assert slow < 3 * fast


def _time(client, target):
    started = time.perf_counter()
    open_link(client, target, "lnk_wrong")
    return time.perf_counter() - started


@pytest.mark.parametrize("body", [{}, {"reference": "EVT-ABCDEF"}, {"key": "x"}])
def test_a_body_without_reference_or_key_is_refused(client, db, body):
    assert client.post("/api/bookings/link", json=body).status_code == 400


def test_refused_keys_are_limited_by_address_and_others_are_not_counted(make_app):
    app = make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="200")
    client = app.test_client()
    holder = Caller(client, app)
    booking = holder.book(event_of(context_of(app).db, 10))
    key = make_key(app, booking)
    for _right in range(12):
        assert open_link(client, booking, key).status_code == 200
    codes = [open_link(client, booking, "lnk_wrong").status_code for _guess in range(11)]
    assert codes == [404] * 10 + [429]
    answer = open_link(client, booking, key)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


# What the token may do.


def test_the_token_reads_the_booking_its_tickets_and_files(reader, booking):
    assert show(reader, booking).json["data"]["booking"]["_id"] == booking["_id"]
    path = f"/bookings/{booking['_id']}"
    assert reader.get(f"/bookings/reference/{booking['bookingReference']}").status_code == 200
    tickets = reader.get(f"{path}/tickets").json["tickets"]
    assert len(tickets) == 2
    for kind in ("png", "svg"):
        assert reader.get(f"/tickets/{tickets[0]['ticketId']}/qr.{kind}").status_code == 200
    assert b"BEGIN:VEVENT" in reader.get(f"{path}/calendar.ics").data
    receipt = reader.get(f"{path}/receipt")
    assert receipt.status_code == 200
    assert booking["bookingReference"] in receipt.text


def test_the_token_names_who_comes(reader, booking):
    (ticket, _) = reader.ticket_ids(booking)
    answer = reader.call("PUT", f"/tickets/{ticket}/attendee", {"name": "Grace Hopper"})
    assert answer.status_code == 200
    shown = show(reader, booking).json["data"]["booking"]["attendees"]
    assert [each["name"] for each in shown] == ["Grace Hopper"]


def test_the_token_cancels_a_part_and_then_all(reader, holder, booking):
    answer = reader.cancel_some(booking, 1, key="part")
    assert answer.status_code == 201
    assert reader.cancel_some(booking, 1, key="part").json["data"] == answer.json["data"]
    cancelled = reader.cancel(booking)
    assert cancelled.json["data"]["booking"]["status"] == "cancelled"
    shown = holder.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert shown["status"] == "cancelled"
    # The page still shows what became of it.
    assert show(reader, booking).status_code == 200


def test_the_token_confirms_a_hold(client, app, db, holder):
    held = holder.book(event_of(db, 5), hold=True)
    reader = LinkCaller(client, app, held)
    path = f"/bookings/{held['_id']}/payments"
    begun = reader.call("POST", path, None, Idempotency_Key="pay-1")
    assert begun.json["data"]["booking"]["status"] == "confirmed"
    assert reader.confirm(held).json["data"]["booking"]["status"] == "confirmed"


def test_the_token_begins_a_payment_at_the_provider_and_gets_its_secret(client, app, db, holder):
    provider = BuyerProvider()
    with changed(context_of(app), payments=Providers(provider)):
        booking = holder.book(event_of(db, 5), hold=True)
        reader = LinkCaller(client, app, booking)
        begun = reader.confirm(booking).json["data"]["booking"]
        assert begun["status"] == "held"
        assert begun["payment"]["clientSecret"].startswith("secret-")
        path = f"/bookings/{booking['_id']}/payments"
        again = reader.call("POST", path, None, Idempotency_Key="pay-1")
        refused(again, 409, "payment_under_way")
        assert "clientSecret" not in show(reader, booking).json["data"]["booking"]["payment"]
        reader.cancel(booking)


def make_offer(db, holder, other):
    """Let a holder wait for the ticket of another, who cancels; return the offer."""
    event_id = event_of(db, 1)
    taken = other.book(event_id)
    holder.wait(event_id)
    other.cancel(taken)
    (offer,) = [each for each in holder.offers() if each["eventId"] == event_id]
    return {**offer, "_id": offer["bookingId"]}


def test_the_token_accepts_its_offer_and_no_other(client, app, db, holder, bob):
    offer, other = make_offer(db, holder, bob), make_offer(db, holder, bob)
    reader = LinkCaller(client, app, offer)
    refused(reader.accept(other["eventId"], bookingId=other["_id"]), 404, "no_offer")
    refused(reader.accept(other["eventId"]), 404, "no_offer")
    refused(reader.accept(offer["eventId"], bookingId=other["_id"]), 404, "no_offer")
    assert "offerStatus" not in reader.accept(other["eventId"], bookingId=other["_id"]).json
    accepted = reader.accept(offer["eventId"])
    assert accepted.json["data"]["booking"]["_id"] == offer["_id"]
    assert accepted.json["data"]["booking"]["status"] == "confirmed"


def test_a_hold_is_no_offer(client, app, db, holder):
    held = holder.book(event_of(db, 5), hold=True)
    refused(LinkCaller(client, app, held).accept(held["eventId"]), 404, "no_offer")


# What it may not do.


def test_every_route_without_links_in_its_row_refuses_the_token(app, db, reader, booking):
    checked = {True: 0, False: 0}
    for action, method, path in list_identifying_routes(app):
        answer = reader.call(method, path, {})
        code = (answer.json or {}).get("code") if answer.is_json else None
        if action.is_for_links:
            assert answer.status_code in (400, 404, 409), f"{method} {path}: {code}"
        else:
            assert (answer.status_code, code) == (403, "not_for_links"), f"{method} {path}: {code}"
        checked[action.is_for_links] += 1
    assert checked[True] >= 13
    assert checked[False] >= 100
    assert show(reader, booking).json["data"]["booking"]["status"] == "confirmed"


def test_only_calls_of_one_booking_are_for_links(app):
    """A new route of such a row is added here after its service was checked."""
    table = PERMISSION_TABLE.get(app)
    assert {endpoint for endpoint, action in table.items() if action.is_for_links} == {
        *("bookings.show_booking", "bookings.show_by_reference", "bookings.cancel_booking"),
        *("bookings.delete_booking", "bookings.cancel_tickets", "bookings.confirm_booking"),
        *("bookings.begin_payment", "tickets.booking_tickets", "tickets.booking_calendar"),
        *("tickets.ticket_png", "tickets.ticket_svg", "ticket_attendees.set_attendee"),
        *("offers.accept_offer", "receipts.show_receipt"),
    }


def list_calls(booking, ticket_id):
    """Return the method, path and body of each call of a booking that is for links."""
    path = f"/bookings/{booking['_id']}"
    items = {"items": [{"ticketTypeId": 1, "quantity": 1}]}
    return [
        ("GET", path, None),
        ("GET", f"/bookings/reference/{booking['bookingReference']}", None),
        ("GET", f"{path}/tickets", None),
        ("GET", f"{path}/calendar.ics", None),
        ("GET", f"{path}/receipt", None),
        ("GET", f"/tickets/{ticket_id}/qr.png", None),
        ("GET", f"/tickets/{ticket_id}/qr.svg", None),
        ("PUT", f"/tickets/{ticket_id}/attendee", {"name": "Mallory"}),
        ("POST", f"{path}/confirm", None),
        ("POST", f"{path}/payments", None),
        ("POST", f"{path}/cancellations", items),
        ("PUT", f"{path}/cancel", None),
        ("DELETE", path, None),
    ]


@pytest.mark.parametrize("role", ["attendee", "organizer", "admin"])
def test_the_token_reaches_no_other_booking_whatever_the_role_of_its_holder(
    client, app, db, ann, role
):
    """Neither another booking of the holder, nor those of events of the holder, nor any other."""
    holder = Caller(client, app, role)
    own_event = event_of(db, 10, organizer_id=holder.id)
    others = [holder.book(event_of(db, 10), 2), ann.book(own_event), ann.book(event_of(db, 10))]
    reader = LinkCaller(client, app, holder.book(event_of(db, 10)))
    for other in others:
        ticket_id = f"{other['_id']}-1-1"
        calls = list_calls(other, ticket_id)
        for method, path, body in calls:
            answer = reader.call(method, path, body)
            assert answer.status_code == 404, f"{method} {path}"
            assert answer.json["code"] in ("booking_not_found", "ticket_not_found")
    ids = {"$in": [ObjectId(each["_id"]) for each in others]}
    assert db.bookings.count_documents({"_id": ids, "status": "confirmed"}) == 3
    assert db.bookings.count_documents({"_id": ids, "attendees": {"$exists": True}}) == 0


def test_the_token_of_an_organizer_or_admin_is_that_of_an_attendee(client, app, db, ann):
    root = Caller(client, app, "admin")
    late = event_of(db, 5, schedule=[{"date": day(0), "startTime": "23:59", "location": "Volos"}])
    booking = root.book(late)
    reader = LinkCaller(client, app, booking)
    # Admins may cancel at any time, holders may not.
    refused(reader.cancel(booking), 409, "cancellation_closed")
    assert root.cancel(booking).status_code == 200


def test_the_actor_of_a_link_is_refused_by_services_that_take_any_user(app, db, holder, booking):
    link = links._find_present_link(db, db.bookings.find_one({"_id": ObjectId(booking["_id"])}))
    actor = Actor(holder.id, "admin", link=link)
    with pytest.raises(NotForLinks):
        actor.require_user_id()
    assert not actor.may_manage(holder.id)
    assert not actor.may_manage_booking(ObjectId(), holder.id)
    assert not actor.may_manage_booking(link.booking_id, ObjectId())
    assert not actor.may_manage_booking(link.booking_id, None)
    assert actor.may_manage_booking(link.booking_id, holder.id)


def test_routes_that_identify_nobody_ignore_the_token(reader, db):
    assert reader.client.get("/healthz", headers=reader.headers).status_code == 200
    assert reader.get("/events/changes").status_code == 200


def test_a_forged_token_is_refused(client, app, db, reader, booking):
    payload, _, signature = reader.token.rpartition(".")
    for forged in (
        f"{payload}.{signature[::-1]}",
        "lnt_",
        "lnt_x.y",
        reader.token.removeprefix("lnt_"),
        make_key(app, booking),
        reader.token.replace("lnt_", "evt_"),
    ):
        answer = client.get(f"/api/bookings/{booking['_id']}", headers=bearer(forged))
        assert answer.status_code == 401, forged
        # Also where no token is needed.
        assert client.get("/api/events", headers=bearer(forged)).status_code == 401, forged


def test_a_token_is_no_key_and_no_refresh_token(client, reader, booking):
    assert open_link(client, booking, reader.token).status_code == 404
    answer = client.post("/api/auth/refresh", json={"refreshToken": reader.token})
    assert answer.status_code == 401


def test_the_requests_of_a_link_are_counted_for_the_booking(make_app):
    app = make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="30")
    client = app.test_client()
    holder = Caller(client, app)
    booking = holder.book(event_of(context_of(app).db, 10))
    reader = LinkCaller(client, app, booking)
    left = [int(show(each, booking).headers["RateLimit-Remaining"]) for each in (reader, holder)]
    assert left == [29, 29]


# When it ends.


def assert_ended(client, booking, key, reader):
    refused(open_link(client, booking, key), 404, "link_invalid")
    refused(show(reader, booking), 401, "token_revoked")


def test_the_holder_rotates_the_link_and_gets_the_new_one(client, app, holder, reader, booking):
    key = make_key(app, booking)
    answer = holder.call("POST", f"/bookings/{booking['_id']}/link/rotate")
    assert answer.status_code == 200
    assert answer.json == {"link": make_link(app, booking)}
    assert key not in answer.json["link"]
    assert_ended(client, booking, key, reader)
    assert show(LinkCaller(client, app, booking), booking).status_code == 200


def test_only_the_holder_rotates_the_link(client, app, db, booking, ann, host, root, reader):
    path = f"/bookings/{booking['_id']}/link/rotate"
    event_id = booking["eventId"]
    db.events.update_one({"eventId": event_id}, {"$set": {"organizerId": host.id}})
    for caller in (ann, host, root):
        refused(caller.call("POST", path), 404, "booking_not_found")
    refused(reader.call("POST", path), 403, "not_for_links")
    assert client.post(f"/api{path}").status_code == 401
    refused(ann.call("POST", f"/bookings/{ObjectId()}/link/rotate"), 404, "booking_not_found")
    assert show(reader, booking).status_code == 200


def test_a_change_of_the_password_ends_key_and_token(client, app, db):
    ann = Registered(client)
    booking = ann.book(event_of(db, 5))
    key, reader = make_key(app, booking), LinkCaller(client, app, booking)
    assert ann.change_password().status_code == 200
    assert_ended(client, booking, key, reader)


def test_the_erasure_of_the_holder_ends_key_and_token(client, app, holder, reader, booking):
    key = make_key(app, booking)
    assert holder.call("DELETE", f"/users/{holder.id}").status_code == 200
    assert_ended(client, booking, key, reader)


@pytest.mark.parametrize("left", ["user", "account"])
def test_a_half_finished_erasure_has_ended_them_too(client, app, db, holder, booking, left):
    key, reader = make_key(app, booking), LinkCaller(client, app, booking)
    if left == "account":
        db.bookings.update_one({"_id": ObjectId(booking["_id"])}, {"$set": {"userId": None}})
    else:
        db.users.delete_one({"_id": holder.id})
    assert_ended(client, booking, key, reader)


def test_the_booking_of_another_user_is_not_opened_by_the_first_one(client, app, db, booking):
    key, reader = make_key(app, booking), LinkCaller(client, app, booking)
    other = make_user(app)["id"]
    db.bookings.update_one({"_id": ObjectId(booking["_id"])}, {"$set": {"userId": other}})
    assert_ended(client, booking, key, reader)


def test_the_link_ends_30_days_after_the_present_end_of_the_entry(app, db, holder):
    event_id = event_of(db, 5, schedule=PRIVATE_SCHEDULE)
    booking = holder.book(event_id)
    context, key = context_of(app), make_key(app, booking)
    over_at = db.events.find_one({"eventId": event_id})["schedule"][0]["overAt"]
    ends_at = over_at + 30 * DAY

    def open_at(moment):
        return links.open_link(context, booking["bookingReference"], key, moment)

    opened = open_at(ends_at - MINUTE)
    assert links.limit_token(opened, ends_at - MINUTE) == ends_at
    assert links.limit_token(opened, over_at) == over_at + 15 * MINUTE
    with pytest.raises(LinkInvalid):
        open_at(ends_at)
    holder_actor = Actor(holder.id, "attendee")
    with pytest.raises(LinkEnded):
        links.rotate_link(context, ObjectId(booking["_id"]), holder_actor, ends_at)
    # The entry is moved: the link follows it, also that of a booking that was cancelled before.
    holder.cancel(booking)
    later = {"schedule.0.overAt": over_at + DAY}
    db.events.update_one({"eventId": event_id}, {"$set": later})
    assert open_at(ends_at)


@pytest.mark.parametrize("changes", [{}, {"scheduleId": None}, {"scheduleId": 99}])
def test_the_link_of_a_booking_without_its_entry_ends_by_the_copy(app, db, holder, changes):
    event_id = event_of(db, 5, schedule=PRIVATE_SCHEDULE)
    booking = holder.book(event_id)
    booking_id = ObjectId(booking["_id"])
    if changes:
        db.bookings.update_one({"_id": booking_id}, {"$set": changes})
    else:
        db.events.delete_one({"eventId": event_id})
    stored = db.bookings.find_one({"_id": booking_id})
    assert links.find_end(db, stored) == stored["endsAt"] + 30 * DAY
    unknown = {**stored, "endsAt": None}
    # It starts late in the evening, so it is over at the end of the next date.
    assert links.find_end(db, unknown) > stored["endsAt"] + 31 * DAY
    bare = {**unknown, "startsAt": None, "timezone": None}
    assert links.find_end(db, bare) == stored["date"] + 31 * DAY
