"""What the tables of data access say, and that the check refuses what they do not allow."""

import pytest

from eventapp.bookings import store as bookings_store
from eventapp.events import store
from tests.architecture import PACKAGE
from tests.data_access import (
    DELETE,
    INSERT,
    READS,
    WRITES,
    MissingEntry,
    UndeclaredQuery,
    find_undeclared,
    lacks_entry,
    list_fields_read,
    list_fields_written,
)


def writers(collection, prefix):
    """Return the stores that update a field of the collection that starts with the prefix."""
    return {
        store
        for store, fields in WRITES[collection].items()
        if any(field.startswith(prefix) for field in fields)
    }


def test_only_the_inventory_changes_the_stock_and_the_in_flight_entries():
    assert writers("events", "ticketTypes.*") == {"inventory.store"}
    assert writers("events", "inFlight") == {"inventory.store"}


def test_only_tickets_write_check_ins_and_nothing_else_of_bookings():
    assert writers("bookings", "checkIns") == {"tickets.store"}
    assert writers("bookings", "undoneCheckIns") == {"tickets.store"}
    written = WRITES["bookings"]["tickets.store"]
    assert set(written) == {"checkIns.*", "undoneCheckIns.*", "entries", "ledgerDue"}


def test_analytics_writes_only_its_own_collections():
    written = {
        collection
        for collection, stores in WRITES.items()
        if any(store.startswith("analytics.") for store in stores)
    }
    sums = {"dailySales", "eventDays", "eventRanks", "eventSales", "moneySums"}
    assert written == sums | {"salesMarker"}


def test_every_store_of_the_tables_exists():
    stores = {store for table in (READS, WRITES) for stores in table.values() for store in stores}
    missing = {s for s in stores if not (PACKAGE / f"{s.replace('.', '/')}.py").exists()}
    assert not missing


@pytest.mark.parametrize(
    ("update", "fields"),
    [
        ({"$set": {"ticketTypes.0.soldTickets": 1}}, {"ticketTypes.*.soldTickets"}),
        ({"$inc": {"inFlight.64ab": 1}, "$unset": {"tell": ""}}, {"inFlight.*", "tell"}),
        ({"$push": {"items.$[one].codes": 1}}, {"items.*.codes"}),
        ([{"$set": {"popularity": 1.0}}], {"popularity"}),
        ({"$setOnInsert": {"title": "A"}, "$set": {"rev": 1}}, {INSERT, "rev"}),
        ({"title": "a whole document"}, {INSERT}),
    ],
)
def test_the_fields_that_an_update_writes(update, fields):
    assert list_fields_written(update) == fields


@pytest.mark.parametrize(
    ("projection", "fields"),
    [
        (None, {"*"}),
        ({"inFlight": 0}, {"*"}),
        ({"ticketTypes.price": 1, "_id": 0}, {"ticketTypes"}),
        ({"_id": 1}, {"_id"}),
        (["title"], {"title"}),
    ],
)
def test_the_fields_that_a_projection_reads(projection, fields):
    assert list_fields_read(projection) == fields


@pytest.mark.parametrize(
    ("collection", "store", "fields"),
    [
        ("events", "events.store", {"ticketTypes.*.soldTickets"}),
        ("events", "bookings.store", {"status"}),
        ("bookings", "tickets.store", {"status"}),
        ("bookings", "analytics.store_sums", {"status"}),
        ("events", "analytics.store_figures", {DELETE}),
        ("unknown", "events.store", {INSERT}),
    ],
)
def test_a_write_that_the_table_does_not_give_is_found(collection, store, fields):
    assert find_undeclared(WRITES, collection, store, fields) == fields


ENTRY = {"$set": {"ledgerDue": True}, "$push": {"entries": {"$each": [{}]}}}


@pytest.mark.parametrize(
    ("write", "lacks"),
    [
        ({"$set": {"status": "cancelled"}}, True),
        ({"$set": {"refund.refundId": "r"}}, True),
        ({"$set": {"refund": {"amount": 1, "refundId": "r"}}}, True),
        ({"$set": {"refund": {"amount": 1, "failure": {"reason": "returned"}}}}, True),
        ({"$set": {"refund": {"amount": 1, "failure": {"reason": "account_closed"}}}}, False),
        ({"$set": {"items": []}, "$push": {"entries": {}}}, True),  # the copier would not find it
        ({**ENTRY, "$unset": {"refund": ""}}, False),
        ({"$set": {"userId": None}}, False),
        ({"_id": 1, "status": "held"}, True),
        ({"_id": 1, "status": "held", "entries": [{}], "ledgerDue": True}, False),
        ({"_id": 1, "void": True}, False),
    ],
)
def test_a_change_of_tickets_or_money_needs_an_entry(write, lacks):
    assert lacks_entry(write) is lacks


def test_a_booking_that_is_stored_without_an_entry_is_refused(db):
    held = {"_id": 1, "status": "held", "quantity": 1}
    with pytest.raises(MissingEntry, match=r"bookings\.store: insert_many"):
        bookings_store.insert_bookings(db, [{"_id": 1, "status": "held"}])
    with pytest.raises(MissingEntry, match=r"bookings\.store: find_one_and_update"):
        bookings_store.update_booking(db, 1, {}, {"status": "confirmed"})
    with pytest.raises(MissingEntry, match=r"bookings\.store: bulk_write"):
        bookings_store.update_bookings(db, [(held, {"active": False}, [])])


def test_a_query_that_is_not_declared_is_refused(db, monkeypatch):
    store.find_last_changed_at(db)
    monkeypatch.setitem(READS, "events", {})
    with pytest.raises(UndeclaredQuery, match=r"events\.store: find_one of events"):
        store.find_last_changed_at(db)
