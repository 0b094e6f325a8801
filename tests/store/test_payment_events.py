"""A webhook event is applied once it is verified, and recorded once it was applied."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from eventapp.payments import store_events
from eventapp.payments.errors import EventRefused, WebhookNotFound
from eventapp.payments.provider import InvalidEvent, ProviderEvent, SendsNoEvents, UnknownProvider
from eventapp.payments.webhooks import receive_event

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)


class Provider:
    """Believes the body `valid`, or one that begins with it."""

    def read_event(self, body, headers, now):
        if not body.startswith(b"valid"):
            raise InvalidEvent("wrong signature")
        if body == b"valid, of others":
            return ProviderEvent("evt_2")
        return ProviderEvent("evt_1", "b" * 24, "a" * 24)


class SilentProvider:
    def read_event(self, body, headers, now):
        raise SendsNoEvents("it is paid at once")


class Providers:
    def find(self, name):
        found = {"paying": Provider(), "other": Provider(), "silent": SilentProvider()}
        if name not in found:
            raise UnknownProvider(name)
        return found[name]


@pytest.fixture
def applied():
    return []


@pytest.fixture
def receive(db, applied):
    def receive(body=b"valid", name="paying", now=NOW, apply=None):
        def record(event, provider_name):
            applied.append((provider_name, event.event_id))

        receive_event(db, Providers(), name, body, {}, now, apply or record)

    return receive


def test_a_repeated_event_is_applied_once(receive, applied):
    for _ in range(3):
        receive()
    assert applied == [("paying", "evt_1")]


def test_equal_ids_of_two_providers_are_two_events(receive, applied):
    receive()
    receive(name="other")
    assert applied == [("paying", "evt_1"), ("other", "evt_1")]


def test_an_event_that_was_not_applied_is_applied_by_the_next_delivery(receive, applied, db):
    def die(_event, _name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        receive(apply=die)
    assert db.paymentEvents.count_documents({}) == 0
    receive()
    assert applied == [("paying", "evt_1")]


def test_an_event_that_was_applied_and_not_recorded_is_applied_again(receive, applied, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_events, "record_processed", die)
        with pytest.raises(KeyboardInterrupt):
            receive()
    receive()
    receive()
    assert applied == [("paying", "evt_1")] * 2


def test_two_deliveries_at_once_are_both_applied_and_recorded(receive, db):
    barrier, outcomes = threading.Barrier(2, timeout=10), []

    def apply(event, _name):
        barrier.wait()
        outcomes.append(event.event_id)

    threads = [threading.Thread(target=partial(receive, apply=apply)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["evt_1"] * 2
    assert [each["_id"] for each in db.paymentEvents.find()] == ["paying:evt_1"]


@pytest.mark.parametrize("body", [b"", b"forged"])
def test_an_event_that_is_not_believed_is_refused(receive, applied, db, body):
    with pytest.raises(EventRefused) as refused:
        receive(body)
    assert (refused.value.status, refused.value.code) == (400, "invalid_event")
    assert applied == []
    assert db.paymentEvents.count_documents({}) == 0


@pytest.mark.parametrize("name", ["silent", "unknown", "", "$where"])
def test_only_a_provider_with_events_has_an_address(receive, applied, name):
    with pytest.raises(WebhookNotFound) as refused:
        receive(name=name)
    assert refused.value.status == 404
    assert applied == []


def test_an_event_that_concerns_no_booking_is_neither_applied_nor_recorded(receive, applied, db):
    receive(b"valid, of others")
    assert applied == []
    assert db.paymentEvents.count_documents({}) == 0


def test_events_are_remembered_for_30_days(db):
    (index,) = store_events.INDEXES["paymentEvents"]
    assert index.document["expireAfterSeconds"] == timedelta(days=30).total_seconds()
    stored = db.paymentEvents.index_information()["old"]
    assert (stored["key"], stored["expireAfterSeconds"]) == ([("processedAt", 1)], 2_592_000)
