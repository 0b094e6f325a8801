"""Receipts are numbered without gaps and exist once, however many requests ask for them at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.core.translations import get_translator
from eventapp.receipts import service, store
from eventapp.receipts.service import ReceiptIssuer
from tests.factories import make_event, make_user
from tests.race import kit

BOOKINGS, PROCESSES, THREADS = 50, 4, 50
ENGLISH = get_translator("en")


class Killed(BaseException):
    """Stands for the death of a process."""


@pytest.fixture
def failpoint_hook():
    yield set_failpoint_hook
    set_failpoint_hook(None)


@pytest.fixture
def event(db):
    types = [{"type": "A", "price": 20, "availableTickets": 100}]
    return make_event(db, organizer_id=ObjectId(), ticketTypes=types)


@pytest.fixture
def issuers(db):
    """The issuers of several processes on the same database."""
    return [ReceiptIssuer(db) for _ in range(PROCESSES)]


def book(context, event, user=None):
    """Book a ticket; return the holder and the id of the booking."""
    user = user or ObjectId()
    return Actor(user), kit.booking_id(kit.book(context, event, user=user))


def book_many(context, event, count=BOOKINGS):
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: book(context, event), range(count)))


def ask(context, issuer, booking):
    """Ask for the receipt of a booking; return its number."""
    holder, booking_id = booking
    printed = service.print_receipt(context, issuer, booking_id, holder, utc_now(), ENGLISH)
    return printed.number


def ask_together(context, requests):
    """Ask for all receipts at the same moment, each (issuer, booking); return their numbers.

    No request gets more time than a request of a client has.
    """
    gate = threading.Barrier(len(requests))

    def run(request):
        gate.wait()
        return ask(context, *request)

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(run, requests))


def list_numbers(db):
    return sorted(receipt["number"] for receipt in db.receipts.find())


def spread(issuers, bookings):
    return [(issuers[i % len(issuers)], booking) for i, booking in enumerate(bookings)]


def test_requests_for_many_bookings_leave_no_gap(context, db, event, issuers):
    bookings = book_many(context, event)
    numbers = ask_together(context, spread(issuers, bookings))
    assert list_numbers(db) == list(range(1, BOOKINGS + 1))
    assert len(set(numbers)) == BOOKINGS
    # The same number is answered again.
    assert [ask(context, issuers[0], booking) for booking in bookings] == numbers


def test_requests_for_one_booking_issue_one_receipt(context, db, event, issuers):
    booking = book(context, event)
    numbers = ask_together(context, spread(issuers, [booking] * THREADS))
    assert len(set(numbers)) == 1
    assert list_numbers(db) == [1]


def issue_at_the_same_moment(context, event, issuers, monkeypatch):
    """Let two processes issue receipts after both have read the same highest number."""
    gate, real, waited = threading.Barrier(2), store._find_highest_number, threading.local()

    def read_together(*arguments):
        number = real(*arguments)
        if not hasattr(waited, "done"):
            waited.done = True
            gate.wait(20)
        return number

    bookings = book_many(context, event, 2)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_find_highest_number", read_together)
        ask_together(context, spread(issuers, bookings))


def test_processes_that_choose_the_same_number_use_it_once(
    context, db, event, issuers, monkeypatch
):
    for _ in range(3):
        issue_at_the_same_moment(context, event, issuers, monkeypatch)
    assert list_numbers(db) == [1, 2, 3, 4, 5, 6]


def test_control_without_the_unique_index_a_number_is_used_twice(
    context, db, event, issuers, monkeypatch
):
    (index,) = [each for each in store.INDEXES["receipts"] if each.document["name"] == "number"]
    db.receipts.drop_index("number")
    try:
        issue_at_the_same_moment(context, event, issuers, monkeypatch)
        assert list_numbers(db) == [1, 1]
    finally:
        db.receipts.delete_many({})
        db.receipts.create_indexes([index])


def test_a_process_that_dies_after_the_insert_has_issued_the_receipt(
    context, db, app, event, issuers, failpoint_hook
):
    holder = make_user(app)
    first, second = book(context, event, holder["id"]), book(context, event)

    def die(_name):
        raise Killed

    failpoint_hook(die)
    with pytest.raises(Killed):
        ask(context, issuers[0], first)
    failpoint_hook(None)
    assert list_numbers(db) == [1]
    assert "buyer" not in db.receipts.find_one()
    assert ask(context, issuers[1], second).endswith("-000002")
    assert ask(context, issuers[1], first).endswith("-000001")
    assert db.receipts.find_one({"number": 1})["buyer"].startswith("Person")


def erase_while_a_receipt_is_issued(context, app, db, event, monkeypatch):
    """Erase the holder after the holder's name was read and before it is stored."""
    holder = make_user(app)
    booking = book(context, event, holder["id"])
    name = db.users.find_one({"_id": holder["id"]})["name"]
    find = accounts.find_recipients

    def find_then_erase(db_, ids):
        found = find(db_, ids)
        accounts.delete_user(
            db, holder["id"], forget_functions=[service.forget_user], now=utc_now()
        )
        return found

    monkeypatch.setattr(accounts, "find_recipients", find_then_erase)
    ask(context, ReceiptIssuer(db), booking)
    (receipt,) = db.receipts.find()
    return name, receipt


def test_no_name_is_stored_after_an_erasure(context, app, db, event, monkeypatch):
    _, receipt = erase_while_a_receipt_is_issued(context, app, db, event, monkeypatch)
    assert (receipt["userId"], receipt["buyer"], receipt["number"]) == (None, None, 1)


def test_control_without_its_guard_a_name_is_stored_after_an_erasure(
    context, app, db, event, monkeypatch
):
    def set_unguarded(db_, booking_id, _user_id, name):
        db_.receipts.update_one({"_id": booking_id}, {"$set": {"buyer": name}})

    monkeypatch.setattr(store, "set_buyer", set_unguarded)
    name, receipt = erase_while_a_receipt_is_issued(context, app, db, event, monkeypatch)
    assert receipt["buyer"] == name


def test_a_receipt_that_is_issued_after_an_erasure_has_no_holder(
    context, app, db, event, monkeypatch
):
    """The booking was read before the erasure, so it still has the holder's id."""
    holder = make_user(app)
    booking = book(context, event, holder["id"])
    issuer = ReceiptIssuer(db)
    issue = issuer.issue

    def erase_then_issue(receipt):
        accounts.delete_user(
            db, holder["id"], forget_functions=[service.forget_user], now=utc_now()
        )
        return issue(receipt)

    monkeypatch.setattr(issuer, "issue", erase_then_issue)
    ask(context, issuer, booking)
    (receipt,) = db.receipts.find()
    assert (receipt["userId"], receipt["buyer"]) == (None, None)
