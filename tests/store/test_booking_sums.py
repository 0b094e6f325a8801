"""What audits and reports read of bookings: sums beside other bookings, and the last period."""

from datetime import timedelta

from bson import ObjectId

from eventapp.bookings import store, store_audits, store_reports
from eventapp.core.clock import utc_now

NOW = utc_now()


def add(db, **changes):
    """Store a confirmed booking of two tickets for event 1 with a promo code."""
    id_ = ObjectId()
    booking = {
        "_id": id_,
        "bookingReference": f"EVT-{id_}",
        "userId": ObjectId(),
        "eventId": 1,
        "slot": "direct",
        "items": [{"ticketTypeId": 1, "quantity": 2}],
        "promoCode": "Spring",
        "active": True,
        "status": "confirmed",
        **changes,
    }
    db.bookings.insert_one(booking)
    return booking


def make_move(key):
    return {"restock": "due", "due": {"key": key, "changes": [], "reason": "cancelled"}}


def test_the_tickets_of_an_event_are_summed_by_schedule_entry(db):
    add(db, eventId=2)
    add(db)
    add(db)
    add(db, scheduleId=3)
    sums = store_audits.sum_tickets(db, [1, 9], [])
    assert sorted((each["event"], each["schedule"], each["quantity"]) for each in sums) == [
        (1, 0, 4),
        (1, 3, 2),
    ]


def test_the_uses_of_a_code_are_bookings_that_are_active_or_have_a_pending_move(db):
    left_out = add(db)
    add(db, eventId=2)
    without_code = add(db)
    db.bookings.update_one({"_id": without_code["_id"]}, {"$unset": {"promoCode": ""}})
    add(db)
    add(db, restock="done", due=make_move("confirm-1")["due"])
    add(db, promoCode="Autumn")
    for code in ("Spring", "Winter"):
        add(db, promoCode=code, active=False, restock="done")
    ended, confirmed = make_move("give-1"), make_move("confirm-2")
    add(db, active=False, status="cancelled", **ended)
    add(db, **confirmed)
    sums = store_audits.sum_code_uses(db, [1, 9], [left_out["_id"]])
    spring = {"event": 1, "code": "Spring", "bookings": 1}
    assert sorted(sums, key=str) == sorted(
        [
            {**spring, "bookings": 2, "move": None},
            {**spring, "code": "Autumn", "move": None},
            {**spring, "bookings": 0, "move": ended["due"]},
            {**spring, "move": confirmed["due"]},
        ],
        key=str,
    )


def test_an_audit_reads_the_given_bookings_without_tombstones(db):
    add(db)
    booking, tombstone_id = add(db), ObjectId()
    assert store.insert_tombstone(db, tombstone_id)
    assert store_audits.find_bookings(db, [booking["_id"], tombstone_id]) == [booking]
    assert store_audits.find_bookings(db, []) == []


def test_the_last_period_is_the_latest_of_its_length_or_the_one_before_another(db):
    for key in ("daily:2026-05-19", "daily:2026-05-20", "daily:2026-05-21", "weekly:2026-21"):
        store_reports.begin_period(db, {"_id": key, "upTo": 5})
    assert store_reports.find_last_period(db, "daily")["_id"] == "daily:2026-05-21"
    assert store_reports.find_last_period(db, "weekly")["_id"] == "weekly:2026-21"
    before = store_reports.find_last_period(db, "daily", "daily:2026-05-20")
    assert before["_id"] == "daily:2026-05-19"
    assert store_reports.find_last_period(db, "daily", "daily:2026-05-19") is None
    assert store_reports.find_last_period(db, "weekly", "weekly:2026-21") is None


def test_a_period_is_begun_once_and_finished_alone(db):
    first = {"_id": "daily:2026-05-20", "upTo": 5}
    assert store_reports.begin_period(db, first) == first
    assert store_reports.begin_period(db, {**first, "upTo": 6}) == first
    other = store_reports.begin_period(db, {"_id": "daily:2026-05-21", "upTo": 6})
    store_reports.finish_period(db, other["_id"], NOW)
    assert db.reportPeriods.find_one({"_id": other["_id"]}) == {**other, "finishedAt": NOW}
    assert db.reportPeriods.find_one({"_id": first["_id"]}) == first


def test_periods_before_one_are_deleted_and_those_of_another_length_stay(db):
    keys = ["daily:2026-05-19", "daily:2026-05-20", "weekly:2026-01"]
    for key in keys:
        store_reports.begin_period(db, {"_id": key, "upTo": 5})
    store_reports.delete_periods_before(db, "daily", "daily:2026-05-20")
    store_reports.delete_periods_before(db, "weekly", "weekly:2026-01")
    assert sorted(each["_id"] for each in db.reportPeriods.find()) == keys[1:]


def test_an_event_has_the_title_of_one_of_its_bookings(db):
    add(db, eventId=2, eventTitle="Other")
    assert store_reports.find_booked_title(db, 1) == "Event 1"
    add(db, eventTitle="Show")
    assert store_reports.find_booked_title(db, 1) == "Show"


def test_bookings_of_older_versions_are_summed_by_the_time_in_which_they_were_made(db):
    day = timedelta(days=1)
    made = {"organizerId": None, "quantity": 2, "totalCents": 300, "discountCents": 20}
    for others in ({"status": "held"}, {"entries": []}, {"createdAt": NOW + day}):
        add(db, **{**made, "createdAt": NOW, **others})
    add(db, **made, createdAt=NOW - timedelta(seconds=1))
    for status in ("confirmed", "confirmed", "cancelled", "expired"):
        add(db, **made, createdAt=NOW, status=status)
    sums = store_reports.sum_bookings_without_entries(db, NOW, NOW + day)
    one = {"event": 1, "organizer": None, "bookings": 1, "tickets": 2, "cents": 300}
    one = {**one, "discount": 20}
    two = {**one, "bookings": 2, "tickets": 4, "cents": 600, "discount": 40}
    assert sorted(sums, key=lambda each: each["status"]) == [
        {**one, "status": "cancelled"},
        {**two, "status": "confirmed"},
        {**one, "status": "expired"},
    ]
