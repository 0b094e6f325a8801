"""What was stored in the same millisecond has one order, whichever store answers."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId

from eventapp.bookings import store as bookings
from eventapp.bookings.ledger import service as ledger
from eventapp.messages import store as messages
from eventapp.receipts import store as receipts
from eventapp.tickets import store as tickets
from eventapp.waitlist import store as waitlist

AT = datetime(2030, 6, 1, 10, tzinfo=UTC)
USER = ObjectId()
# The collection, fields that its unique indexes require to differ, the other fields, the function
# that reads a user's documents, and whether the newest comes first.
LISTS = {
    "bookings": (
        "bookings",
        "bookingReference",
        {"userId": USER},
        bookings.find_bookings_of_user,
        True,
    ),
    "offers": (
        "bookings",
        "bookingReference",
        {"userId": USER, "waitlistEntryId": ObjectId(), "eventId": 1},
        lambda db, user: bookings.find_offers(db, user, 1, 10),
        True,
    ),
    "check-ins": (
        "bookings",
        "bookingReference",
        {"userId": USER, "checkIns": {}},
        tickets.find_checked_in,
        True,
    ),
    "waitlist": ("waitlist", "eventId", {"userId": USER}, waitlist.find_all_of_user, True),
    "messages": ("messages", "seq", {"authorId": USER}, messages.find_by_author, False),
    "receipts": ("receipts", "number", {"userId": USER}, receipts.find_receipts_of_user, False),
}


@pytest.mark.parametrize("name", LISTS)
def test_documents_of_the_same_time_are_ordered_by_their_ids(db, name):
    collection, unique, fields, find, is_newest_first = LISTS[name]
    ids = [ObjectId() for _ in range(4)]
    for number in (2, 0, 3, 1):
        times = {"createdAt": AT, "joinedAt": AT}
        own = {"_id": ids[number], unique: number, **fields}
        db[collection].insert_one({**own, **times})
    expected = ids[::-1] if is_newest_first else ids
    assert [each["_id"] for each in find(db, USER)] == expected


def test_the_ledger_numbers_bookings_that_are_copied_together_by_their_ids(db):
    ids = [ObjectId() for _ in range(4)]
    for number in (2, 0, 3, 1):
        booking = {"_id": ids[number], "bookingReference": number, "eventId": 1, "userId": USER}
        entries = [{"at": AT, "kind": "sold"}]
        due = {"ledgerDue": True, "entries": entries, "organizerId": USER, "createdAt": AT}
        db.bookings.insert_one({**booking, **due})
    assert ledger.copy_entries(db, AT) == 4
    rows = db.ledger.find().sort("number", 1)
    assert [row["_id"] for row in rows] == [f"{each}-1" for each in ids]
