"""Four server processes sell a promo code to as many buyers as may use it, and no more."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crash.conftest import FULL
from tests.crash.test_concurrent_users import CLIENTS, PROCESSES, IdleUsers
from tests.crash.user_load import PROMO_CODE, CrashServer, make_event
from tests.race import kit

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("mongo_server")]

BUYERS, CAP = (2000, 100) if FULL else (300, 40)
PRICE, DISCOUNTED_PRICE = 20, 18
CONTROL_ATTEMPTS = 20


def count_recorded(server, event):
    """Return the stored bookings that use the code."""
    where = {"eventId": event["eventId"], "promoCode": {"$exists": True}}
    return server.context.db.bookings.count_documents(where)


def sell(server, event, buyers):
    """Let distinct buyers book a ticket with the code.

    Returns:
        How often each price and each code of a refusal was answered, and the recorded uses right
        after each refusal.
    """
    load = IdleUsers(server, event, buyers, threads=CLIENTS)
    body = {"eventId": event["eventId"], "ticketTypeId": 1, "quantity": 1}
    body["promoCode"] = PROMO_CODE["code"]
    recorded = Counter()

    def book(user):
        data = load.request("book", user, "POST", "/api/bookings", body).json()
        if "code" in data:
            recorded[count_recorded(server, event)] += 1
        return data.get("code") or data["data"]["booking"]["totalPrice"]

    with load, ThreadPoolExecutor(CLIENTS) as pool:
        results = Counter(pool.map(book, load.users))
    load.check()
    return results, recorded


def test_a_code_is_sold_as_often_as_it_may_be_used(tmp_path, report):
    with CrashServer(tmp_path, WEB_CONCURRENCY=str(PROCESSES)) as server:
        event = make_event(server, BUYERS, max_uses=CAP)
        results, recorded = sell(server, event, BUYERS)
        report(f"{dict(results)}, uses recorded at refusals: {dict(recorded)}")
        assert results == {DISCOUNTED_PRICE: CAP, "promo_exhausted": BUYERS - CAP}
        assert recorded == {CAP: BUYERS - CAP}
        kit.assert_consistent(server.context)


def test_control_without_the_guard_a_code_is_used_too_often(tmp_path):
    with CrashServer(tmp_path, WEB_CONCURRENCY=str(PROCESSES), UNGUARDED="1") as server:
        assert any(is_used_too_often(server, uses=3) for _attempt in range(CONTROL_ATTEMPTS))


def is_used_too_often(server, uses):
    """Sell the code of a new event to many buyers; return whether too many got it."""
    event = make_event(server, 200, max_uses=uses)
    sell(server, event, 4 * CLIENTS)
    return count_recorded(server, event) > uses
