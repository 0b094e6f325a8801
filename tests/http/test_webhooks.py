"""Webhooks of an organizer: made, changed, told of what happens, and ended."""

from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator
from standardwebhooks import WebhookVerificationError

from eventapp.bookings import waitlist_offers
from eventapp.bookings.ledger import service as ledger
from eventapp.core.clock import utc_now
from eventapp.webhooks import facts, rules, sending, service, transport
from tests.api_tokens import TokenCaller
from tests.bookings_factories import (
    Caller,
    context_of,
    event_of,
    expire_holds,
    refused,
)
from tests.webhooks import (
    ALL_TYPES,
    DOWN,
    URL,
    Receivers,
    answered,
    create,
    deliver,
    list_deliveries,
    make,
    send,
    tell,
    try_to_create,
)

pytestmark = pytest.mark.usefixtures("clean_inventory")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
OTHER_URL = "https://other.example.org/"


@pytest.fixture
def receivers(monkeypatch):
    found = Receivers()
    monkeypatch.setattr(transport, "send", found.send)
    return found


@pytest.fixture
def event_id(db, host):
    return event_of(db, 4, organizer_id=host.id)


def types_of(sent):
    return [each.type for each in sent]


# Managing.


def test_a_webhook_is_listed_changed_and_deleted(host):
    created = create(host, events=["event.updated", "booking.confirmed", "event.updated"])
    secret = created.pop("secret")
    assert secret.startswith("whsec_")
    assert created["events"] == ["booking.confirmed", "event.updated"]
    assert (created["enabled"], created["eventIds"], created["tokenId"]) == (True, None, None)
    answer = host.get("/webhooks")
    assert answer.json == {"webhooks": [created]}
    assert secret not in answer.text
    path = f"/webhooks/{created['webhookId']}"
    changed = host.call("PATCH", path, {"url": OTHER_URL, "enabled": False}).json
    assert (changed["url"], changed["enabled"]) == (OTHER_URL, False)
    assert changed["disabledBy"] == "owner"
    assert host.call("PATCH", path, {"enabled": True}).json["disabledAt"] is None
    assert host.call("DELETE", path).status_code == 200
    assert host.get("/webhooks").json == {"webhooks": []}
    refused(host.call("DELETE", path), 404, "webhook_not_found")
    refused(host.call("PATCH", path, {}), 404, "webhook_not_found")


def test_the_secret_is_stored_sealed(db, host):
    secret = create(host)["secret"]
    stored = db.webhooks.find_one({})
    assert secret.encode() not in bytes(stored["sealedSecret"])
    assert secret not in repr(stored)


@pytest.mark.parametrize(
    "body",
    [
        {"url": "ftp://x.example/"},
        {"url": "https://ann@x.example/"},
        {"url": "https://x.example:22/"},
        {"events": []},
        {"events": ["ticket.lost"]},
        {"events": ["webhook.test"]},
        {"eventIds": []},
        {"secret": "whsec_x"},
    ],
)
def test_what_is_not_valid_is_refused(db, host, body):
    refused(try_to_create(host, **body), 400, "validation_error")
    assert db.webhooks.count_documents({}) == 0


def test_events_must_exist_and_be_the_callers(db, host, event_id, client, app):
    foreign = event_of(db, 5, organizer_id=Caller(client, app, "organizer").id)
    draft = event_of(db, 5, status="draft")
    refused(try_to_create(host, eventIds=[event_id, 999_999]), 404, "event_not_found")
    refused(try_to_create(host, eventIds=[draft]), 404, "event_not_found")
    refused(try_to_create(host, eventIds=[foreign]), 403, "forbidden")
    webhook = create(host, eventIds=[event_id, event_id])
    assert webhook["eventIds"] == [event_id]
    path = f"/webhooks/{webhook['webhookId']}"
    refused(host.call("PATCH", path, {"eventIds": [foreign]}), 403, "forbidden")
    assert host.call("PATCH", path, {"eventIds": None}).json["eventIds"] is None


def test_webhooks_of_others_do_not_exist_for_the_caller(client, app, host, root, ann):
    path = f"/webhooks/{create(host)['webhookId']}"
    for other in (Caller(client, app, "organizer"), root):
        assert other.get("/webhooks").json == {"webhooks": []}
        refused(other.call("PATCH", path, {"enabled": False}), 404, "webhook_not_found")
        refused(other.call("POST", f"{path}/rotate-secret"), 404, "webhook_not_found")
        refused(other.get(f"{path}/deliveries"), 404, "webhook_not_found")
        refused(other.call("POST", f"{path}/test"), 404, "webhook_not_found")
    refused(ann.get("/webhooks"), 403, "forbidden")


def test_an_organizer_has_at_most_twenty(host):
    webhooks = [create(host) for _ in range(rules.MAX_WEBHOOKS)]
    assert refused(try_to_create(host), 409, "webhook_limit")["limit"] == 20
    host.call("DELETE", f"/webhooks/{webhooks[7]['webhookId']}")
    create(host)
    refused(try_to_create(host), 409, "webhook_limit")


# What is told.


def test_a_booking_is_told_as_the_organizer_sees_it(app, host, ann, event_id, receivers):
    webhook = create(host)
    booking = ann.book(event_id, 2)
    assert deliver(app) == 1
    (sent,) = receivers.take()
    sent.verify(webhook["secret"])
    assert sent.url == URL
    assert sent.payload.keys() == {"type", "timestamp", "data"}
    assert (sent.type, sent.payload["timestamp"]) == ("booking.confirmed", booking["createdAt"])
    shown = host.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert sent.data == {"sequence": 1, "eventId": event_id, "booking": shown}
    (delivery,) = list_deliveries(host, webhook)
    assert delivery["deliveryId"] == sent.id
    assert (delivery["status"], delivery["attempts"], delivery["sequence"]) == ("delivered", 1, 1)
    assert delivery["nextAttemptAt"] is None
    attempt = delivery["lastAttempt"]
    assert (attempt["status"], attempt["error"], attempt["answer"]) == (200, None, "ok")
    assert deliver(app) == 0


def test_the_changes_of_a_booking_are_told_in_order(app, host, ann, event_id, receivers):
    create(host)
    booking = ann.book(event_id, 3)
    ann.cancel_some(booking, 1)
    ann.cancel(booking)
    deliver(app)
    sent = sorted(receivers.take(), key=lambda each: each.data["sequence"])
    assert types_of(sent) == [
        "booking.confirmed",
        "booking.cancelled",
        "booking.refunded",
        "booking.cancelled",
        "booking.refunded",
    ]
    assert [each.data["sequence"] for each in sent] == [1, 2, 3, 4, 5]
    assert {each.data["booking"]["status"] for each in sent} == {"cancelled"}


def test_a_hold_is_told_when_it_is_confirmed(app, host, ann, event_id, receivers):
    create(host)
    booking = ann.book(event_id, hold=True)
    assert deliver(app) == 0
    assert ann.confirm(booking).status_code == 200
    assert deliver(app) == 1
    assert types_of(receivers.take()) == ["booking.confirmed"]


def test_an_offer_to_the_waitlist_is_told(app, host, ann, bob, event_id, receivers):
    create(host, events=["waitlist.offered"])
    booking = ann.book(event_id, 4)
    bob.wait(event_id, 2)
    ann.cancel(booking)
    expire_holds(app)
    context = context_of(app)
    waitlist_offers.offer_available_tickets(context, utc_now())
    deliver(app)
    (sent,) = receivers.take()
    assert (sent.type, sent.data["booking"]["status"]) == ("waitlist.offered", "held")
    assert sent.data["booking"]["quantity"] == 2


def test_a_check_in_is_told_with_the_ticket(app, host, ann, event_id, receivers):
    webhook = create(host)
    booking = ann.book(event_id, 2, attendees=[{"ticketTypeId": 1, "name": "Ann Onym"}])
    tickets = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    for ticket in tickets:
        answer = host.call("POST", f"/events/{event_id}/check-in", {"code": ticket["code"]})
        assert answer.status_code == 200
    refused(
        host.call("POST", f"/events/{event_id}/check-in", {"code": tickets[0]["code"]}),
        409,
        "already_checked_in",
    )
    host.call("POST", f"/events/{event_id}/check-in/undo", {"ticketId": tickets[1]["ticketId"]})
    ann.cancel_some(booking, 1)
    deliver(app)
    sent = sorted(receivers.take(), key=lambda each: each.data["sequence"])
    assert types_of(sent) == [
        "booking.confirmed",
        "ticket.checked_in",
        "ticket.checked_in",
        "booking.cancelled",
        "booking.refunded",
    ]
    first, second = (each.data["ticket"] for each in sent[1:3])
    assert first["ticketId"] == tickets[0]["ticketId"]
    assert (first["name"], first["type"]) == ("Ann Onym", "A")
    assert first["checkedInAt"] is not None
    assert (second["ticketId"], second["checkedInAt"]) == (tickets[1]["ticketId"], None)
    for each in sent:
        each.verify(webhook["secret"])


def test_a_booking_without_entries_is_checked_in_and_gets_none(
    app, db, host, ann, event_id, receivers
):
    """A booking of an older version gets its opening entry by the migration alone."""
    booking = ann.book(event_id)
    (ticket,) = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    db.bookings.update_one({}, {"$unset": {"entries": "", "ledgerDue": ""}})
    answer = host.call("POST", f"/events/{event_id}/check-in", {"code": ticket["code"]})
    assert answer.status_code == 200
    stored = db.bookings.find_one({})
    assert "checkIns" in stored
    assert not {"entries", "ledgerDue"} & stored.keys()


def test_edits_and_the_cancellation_of_an_event_are_told(app, host, ann, event_id, receivers):
    create(host)
    path = f"/events/{event_id}"
    host.call("PATCH", f"{path}/schedule/0", {"location": "Tent"})
    deliver(app)
    (sent,) = receivers.take()
    assert (sent.type, sent.data["event"]["schedule"][0]["location"]) == ("event.updated", "Tent")
    shown = host.get(path).json
    assert sent.data == {"sequence": 1, "eventId": event_id, "event": shown}
    host.call("POST", f"{path}/cancel")
    deliver(app)
    (sent,) = receivers.take()
    assert (sent.type, sent.data["event"]["status"]) == ("event.cancelled", "cancelled")
    assert sent.data["sequence"] == 2


def test_only_what_a_webhook_is_for_is_told(app, db, host, ann, event_id, receivers, client):
    other = event_of(db, 5, organizer_id=host.id)
    foreign = event_of(db, 5, organizer_id=Caller(client, app, "organizer").id)
    create(host, url="https://a.example.org/", events=["booking.confirmed"], eventIds=[other])
    create(host, url="https://b.example.org/", events=["booking.cancelled"])
    create(host, url="https://c.example.org/")
    booking = ann.book(event_id)
    for each in (other, foreign):
        ann.book(each)
    ann.cancel(booking)
    deliver(app)
    told = sorted((each.url[8], each.type, each.data["eventId"]) for each in receivers.take())
    assert told == [
        ("a", "booking.confirmed", other),
        ("b", "booking.cancelled", event_id),
        ("c", "booking.cancelled", event_id),
        *sorted(("c", "booking.confirmed", each) for each in (event_id, other)),
        ("c", "booking.refunded", event_id),
    ]


def test_what_happened_before_the_first_webhook_is_not_told(
    app, host, ann, bob, event_id, receivers
):
    ann.book(event_id)
    make(app)
    ledger.copy_entries(context_of(app).db, utc_now())
    create(host)
    bob.book(event_id)
    assert deliver(app) == 1
    assert receivers.take()[0].data["booking"]["userId"] == str(bob.id)


def test_nothing_is_told_while_a_webhook_is_disabled(app, host, ann, bob, event_id, receivers):
    webhook = create(host)
    path = f"/webhooks/{webhook['webhookId']}"
    ann.book(event_id)
    make(app)
    host.call("PATCH", path, {"enabled": False})
    bob.book(event_id)
    assert deliver(app) == 0
    refused(host.call("POST", f"{path}/test"), 409, "webhook_disabled")
    (pending,) = list_deliveries(host, webhook)
    replay = f"{path}/deliveries/{pending['deliveryId']}/replay"
    refused(host.call("POST", replay), 409, "webhook_disabled")
    host.call("PATCH", path, {"enabled": True})
    assert deliver(app) == 1
    assert receivers.take()[0].data["booking"]["userId"] == str(ann.id)


# Sending.


def test_a_delivery_is_sent_again_with_the_same_bytes_until_it_is_accepted(
    app, host, ann, event_id, receivers
):
    webhook = create(host)
    receivers.answers[URL] = answered(500, b"\xffbroken")
    ann.book(event_id)
    deliver(app)
    minutes = 0.0
    for pause in (0.5, 2, 8, 32, 128, 512, 720, 720):
        assert send(app, minutes=minutes + pause * 0.9) == 0
        minutes += pause + 0.3  # The time that the test itself takes.
        assert send(app, minutes=minutes) == 1
    (delivery,) = list_deliveries(host, webhook)
    assert delivery["lastAttempt"]["answer"] == "\ufffdbroken"
    receivers.answers[URL] = answered(204)
    assert send(app, minutes=minutes + 721) == 1
    sent = receivers.take()
    assert len({each.id for each in sent}) == len({each.body for each in sent}) == 1
    assert list_deliveries(host, webhook)[0]["status"] == "delivered"
    assert host.get("/webhooks").json["webhooks"][0]["failingSince"] is None


def test_after_three_days_a_webhook_is_disabled_and_its_owner_is_told(
    app, db, host, ann, event_id, receivers
):
    webhook = create(host)
    receivers.answers[URL] = DOWN
    ann.book(event_id)
    deliver(app)
    attempts = 1
    for hours in range(1, 100):
        attempts += send(app, hours=hours)
        tell(app, hours=hours)
    assert 10 <= attempts <= 14
    (delivery,) = list_deliveries(host, webhook)
    assert (delivery["status"], delivery["attempts"]) == ("failed", attempts)
    assert delivery["lastAttempt"]["error"] == "connection_failed"
    (shown,) = host.get("/webhooks").json["webhooks"]
    assert (shown["enabled"], shown["disabledBy"]) == (False, "failures")
    (notification,) = host.get("/notifications").json["notifications"]
    assert notification["kind"] == "webhook_disabled"
    assert "hooks.example.org" in notification["message"]
    assert notification["data"]["webhookId"] == webhook["webhookId"]
    assert db.mails.count_documents({"kind": "webhook_disabled", "userId": host.id}) == 1
    # The owner enables it again, and has the delivery sent again.
    receivers.answers.clear()
    path = f"/webhooks/{webhook['webhookId']}"
    host.call("PATCH", path, {"enabled": True})
    assert (
        host.call("POST", f"{path}/deliveries/{delivery['deliveryId']}/replay").status_code == 202
    )
    assert send(app) == 1
    assert list_deliveries(host, webhook)[0]["status"] == "delivered"
    assert tell(app, hours=101) == 0


def test_a_receiver_that_fails_delays_no_other(app, host, ann, event_id, receivers):
    create(host)
    create(host, url=OTHER_URL)
    receivers.answers[URL] = DOWN
    ann.cancel(ann.book(event_id, 2))
    make(app)
    # One attempt for the receiver that fails, all for the other.
    context, now = context_of(app), utc_now()
    assert sending.send_first_attempts(context, now) == 4
    assert sending.send_first_attempts(context, now + timedelta(minutes=1)) == 0
    assert sending.send_retries(context, now + timedelta(minutes=1)) == 1
    assert [each.url for each in receivers.take()].count(OTHER_URL) == 3


def test_a_replay_sends_the_same_bytes_with_the_same_id(app, host, ann, event_id, receivers):
    webhook = create(host)
    booking = ann.book(event_id)
    deliver(app)
    (first,) = receivers.take()
    ann.cancel(booking)
    replay = f"/webhooks/{webhook['webhookId']}/deliveries/{first.id}/replay"
    answer = host.call("POST", replay)
    assert (answer.status_code, answer.json) == (202, {"deliveryId": first.id})
    send(app)
    (again,) = receivers.take()
    assert (again.id, again.body) == (first.id, first.body)
    again.verify(webhook["secret"])
    assert list_deliveries(host, webhook)[0]["attempts"] == 2
    refused(host.call("POST", replay.replace(first.id, "msg_1")), 404, "delivery_not_found")
    other = create(host)
    path = replay.replace(webhook["webhookId"], other["webhookId"])
    refused(host.call("POST", path), 404, "delivery_not_found")


def test_a_replaced_secret_signs_for_a_day(app, host, receivers):
    webhook = create(host)
    path = f"/webhooks/{webhook['webhookId']}"
    answer = host.call("POST", f"{path}/rotate-secret").json
    assert answer["secret"] != webhook["secret"]
    assert answer["webhook"]["previousSecretUntil"] is not None
    host.call("POST", f"{path}/test")
    send(app)
    (sent,) = receivers.take()
    for secret in (answer["secret"], webhook["secret"]):
        sent.verify(secret)
    host.call("POST", f"{path}/test")
    opened = sending._open_secrets(
        context_of(app).webhook_sealer,
        context_of(app).db.webhooks.find_one({}),
        utc_now() + timedelta(hours=25),
    )
    assert opened == [answer["secret"]]
    with pytest.raises(WebhookVerificationError):
        sent.verify(create(host)["secret"])


def test_a_test_is_sent_once_and_disables_nothing(app, host, receivers):
    webhook = create(host, events=["event.cancelled"])
    receivers.answers[URL] = answered(404)
    answer = host.call("POST", f"/webhooks/{webhook['webhookId']}/test")
    assert answer.status_code == 202
    assert (send(app), send(app, days=4)) == (1, 0)
    (sent,) = receivers.take()
    assert (sent.type, sent.id) == ("webhook.test", answer.json["deliveryId"])
    assert sent.data == {"sequence": 0, "webhookId": webhook["webhookId"]}
    (delivery,) = list_deliveries(host, webhook)
    assert (delivery["status"], delivery["lastAttempt"]["status"]) == ("failed", 404)
    assert host.get("/webhooks").json["webhooks"][0]["enabled"]


def test_nothing_is_sent_if_the_secret_cannot_be_opened(app, db, host, receivers):
    webhook = create(host)
    db.webhooks.update_one({}, {"$set": {"sealedSecret": b"x" * 60}})
    host.call("POST", f"/webhooks/{webhook['webhookId']}/test")
    assert send(app) == 1
    assert receivers.take() == []
    assert list_deliveries(host, webhook)[0]["lastAttempt"]["error"] == "unreadable_secret"


# Ends.


def test_a_deleted_webhook_gets_nothing_more(app, db, host, ann, event_id, receivers):
    webhook = create(host)
    ann.book(event_id)
    make(app)
    host.call("DELETE", f"/webhooks/{webhook['webhookId']}")
    assert deliver(app) == 0
    assert db.webhookDeliveries.count_documents({}) == db.webhookSequences.count_documents({}) == 0


def test_an_owner_without_the_role_is_told_nothing(app, db, host, ann, bob, event_id, receivers):
    create(host)
    ann.book(event_id)
    make(app)
    db.users.update_one({"_id": host.id}, {"$set": {"role": "attendee"}})
    bob.book(event_id)
    assert deliver(app) == 0
    assert db.webhookDeliveries.count_documents({}) == 1


def test_a_webhook_of_a_token_belongs_to_it(app, db, host, ann, event_id, receivers):
    token = TokenCaller(host, db, "webhooks")
    own, by_token = create(host), create(token, url=OTHER_URL)
    assert [each["webhookId"] for each in token.get("/webhooks").json["webhooks"]] == [
        by_token["webhookId"]
    ]
    assert len(host.get("/webhooks").json["webhooks"]) == 2
    path = f"/webhooks/{own['webhookId']}"
    refused(token.call("PATCH", path, {"url": OTHER_URL}), 404, "webhook_not_found")
    ann.book(event_id, attendees=[{"ticketTypeId": 1, "name": "Ann Onym"}])
    deliver(app)
    names = {each.url: each.data["booking"]["attendees"] for each in receivers.take()}
    assert names[URL][0]["name"] == "Ann Onym"
    assert names[OTHER_URL] is None
    db.apiTokens.delete_many({})
    assert len(host.get("/webhooks").json["webhooks"]) == 1
    ann.cancel(ann.get("/bookings").json["bookings"][0])
    deliver(app)
    assert {each.url for each in receivers.take()} == {URL}
    assert service.delete_of_ended_tokens(db, utc_now()) == 1
    assert db.webhooks.count_documents({}) == 1
    assert db.webhookDeliveries.count_documents({"webhookId": by_token["webhookId"]}) == 0


def test_a_token_with_the_scope_for_attendees_tells_their_names(
    app, db, host, ann, event_id, receivers
):
    create(TokenCaller(host, db, "webhooks", "attendees:read"))
    ann.book(event_id, attendees=[{"ticketTypeId": 1, "name": "Ann Onym"}])
    deliver(app)
    assert receivers.take()[0].data["booking"]["attendees"][0]["name"] == "Ann Onym"


def test_a_token_for_certain_events_makes_webhooks_for_these_alone(
    app, db, host, ann, event_id, receivers
):
    other = event_of(db, 5, organizer_id=host.id)
    token = TokenCaller(host, db, "webhooks", eventIds=[event_id])
    refused(try_to_create(token), 403, "scope_missing")
    refused(try_to_create(token, eventIds=[other]), 403, "scope_missing")
    webhook = create(token, eventIds=[event_id])
    path = f"/webhooks/{webhook['webhookId']}"
    refused(token.call("PATCH", path, {"eventIds": None}), 403, "scope_missing")
    # The owner may ask for more, but a webhook of the token never gets more than the token.
    host.call("PATCH", path, {"eventIds": [event_id, other]})
    for each in (event_id, other):
        ann.book(each)
    deliver(app)
    assert [each.data["eventId"] for each in receivers.take()] == [event_id]
    refused(TokenCaller(host, db, "events:write").get("/webhooks"), 403, "scope_missing")


# Personal data.


def test_erasure_removes_personal_data_from_deliveries(app, db, host, ann, event_id, receivers):
    sent_one, waiting_one = create(host), create(host, url=OTHER_URL)
    receivers.answers[OTHER_URL] = answered(500, b"Ann Onym")
    receivers.answers[URL] = answered(200, b"Ann Onym")
    ann.book(event_id, attendees=[{"ticketTypeId": 1, "name": "Ann Onym"}])
    deliver(app)
    receivers.take()
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    for delivery in db.webhookDeliveries.find():
        stored = repr(delivery)
        assert "Ann Onym" not in stored
        assert str(ann.id) not in stored
    (delivery,) = list_deliveries(host, sent_one)
    assert (delivery["erased"], delivery["lastAttempt"]["answer"]) == (True, "")
    replay = f"/webhooks/{sent_one['webhookId']}/deliveries/{delivery['deliveryId']}/replay"
    refused(host.call("POST", replay), 410, "delivery_erased")
    # What is pending is sent without them.
    receivers.answers.clear()
    send(app, minutes=1)
    confirmed = [each for each in receivers.take() if each.type == "booking.confirmed"]
    assert [each.url for each in confirmed] == [OTHER_URL]
    assert confirmed[0].data["booking"]["userId"] is None
    confirmed[0].verify(waiting_one["secret"])


def test_a_holder_who_is_erased_while_a_delivery_is_made_is_in_no_delivery(
    app, db, host, ann, event_id, receivers, monkeypatch
):
    create(host)
    ann.book(event_id, attendees=[{"ticketTypeId": 1, "name": "Ann Onym"}])
    insert = facts.Recipients.store_deliveries

    def erase_first(self, *arguments):
        monkeypatch.setattr(facts.Recipients, "store_deliveries", insert)
        assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
        return insert(self, *arguments)

    monkeypatch.setattr(facts.Recipients, "store_deliveries", erase_first)
    make(app)
    assert db.webhookDeliveries.count_documents({"type": "booking.confirmed"}) == 1
    assert not [each for each in db.webhookDeliveries.find() if "Ann Onym" in repr(each)]


def test_the_webhooks_of_an_account_are_exported_and_go_with_it(app, db, client, ann, receivers):
    host = Caller(client, app, "organizer")
    webhook = create(host)
    host.call("POST", f"/webhooks/{webhook['webhookId']}/test")
    exported = host.get(f"/users/{host.id}/export").json["webhooks"]
    assert [each["url"] for each in exported] == [URL]
    assert webhook["secret"] not in repr(exported)
    assert host.call("DELETE", f"/users/{host.id}").status_code == 200
    assert db.webhooks.count_documents({}) == db.webhookDeliveries.count_documents({}) == 0


def test_every_type_can_be_chosen_and_no_other(host):
    assert create(host)["events"] == ALL_TYPES == list(rules.EVENT_TYPES)


def test_payloads_are_as_the_document_says(app, client, host, ann, event_id, receivers):
    document = client.get("/api/openapi.json").json
    webhook = create(host)
    booking = ann.book(event_id, 2, attendees=[{"ticketTypeId": 1, "name": "Ann Onym"}])
    (_, ticket) = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    host.call("POST", f"/events/{event_id}/check-in", {"code": ticket["code"]})
    ann.cancel_some(booking, 1)
    host.call("PATCH", f"/events/{event_id}/schedule/0", {"location": "Tent"})
    host.call("POST", f"/webhooks/{webhook['webhookId']}/test")
    deliver(app)
    seen = set()
    for sent in receivers.take():
        operation = document["webhooks"][sent.type]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        root = {"$schema": DIALECT, "components": document["components"], **schema}
        faults = [each.message for each in Draft202012Validator(root).iter_errors(sent.payload)]
        assert faults == []
        names = {each["name"] for each in operation["parameters"]}
        assert names == set(sent.headers)
        seen.add(sent.type)
    assert seen == {
        *("booking.confirmed", "booking.cancelled", "booking.refunded"),
        *("ticket.checked_in", "event.updated", "webhook.test"),
    }
    assert set(document["webhooks"]) == {*ALL_TYPES, "webhook.test"}


def test_the_health_report_counts_webhooks(app, host, root, ann, event_id, receivers):
    webhook = create(host)
    create(host, url=OTHER_URL)
    host.call("PATCH", f"/webhooks/{create(host)['webhookId']}", {"enabled": False})
    receivers.answers[URL] = DOWN
    ann.book(event_id)
    deliver(app)
    assert root.get("/admin/health").json["webhooks"] == {
        "enabled": 2,
        "failing": 1,
        "disabled": 1,
        "pendingDeliveries": 1,
    }
    assert list_deliveries(host, webhook)[0]["status"] == "pending"
