"""Compute what only admins see: figures of all events, and accounts with their spending."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.analytics import rules, service, store_figures
from eventapp.analytics.rules import BookingTotals
from eventapp.analytics.service import RevenuePeriod
from eventapp.bookings.service import from_cents
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.core.roles import ROLES

ENGAGEMENT_SPAN = timedelta(days=30)
TOP_EVENTS = 5


def get_dashboard(db: Db, now: datetime, *, currency: str) -> JsonObject:
    """Return the overview, the last 30 days, the top events, the waitlists and engagement."""
    first = PageRequest(limit=TOP_EVENTS)
    by_revenue = service.list_events(db, None, first, sort_by="revenue").body
    by_utilization = service.list_events(db, None, first, sort_by="utilization").body
    return {
        "overview": service.get_overview(db, None, currency=currency),
        "trends": service.get_revenue(db, None, RevenuePeriod(), now=now, currency=currency),
        "topEvents": by_revenue["events"],
        "fullestEvents": by_utilization["events"],
        "waitlist": service.list_waitlists(db, None, first).body,
        "engagement": _get_engagement(db, now),
    }


def _get_engagement(db: Db, now: datetime) -> JsonObject:
    """Return the numbers of accounts, new accounts, users who booked lately, and favorites."""
    since = now - ENGAGEMENT_SPAN
    by_role = store_figures.count_users_by_role(db)
    return {
        "users": sum(by_role.values()),
        "usersByRole": {role: by_role.get(role, 0) for role in ROLES},
        "newUsers": store_figures.count_users_since(db, since),
        "activeBookers": store_figures.count_bookers_since(db, since),
        "favorites": store_figures.count_favorites(db),
    }


def list_users(
    db: Db,
    *,
    search: str = "",
    role: str | None = None,
    page: int = 1,
    limit: int = 20,
    older_than: ObjectId | None = None,
    image_base_url: str,
) -> tuple[JsonObject, ObjectId | None]:
    """Return a page of accounts, newest first, each with its number of bookings and its spending.

    Args:
        search: part of a name or an email, in any case; empty for all accounts.
        role: the role that the accounts have; None for any.
        page, older_than: as for `accounts.list_users`.
        image_base_url: the beginning of the URLs of uploaded photos, such as `https://host`.

    Returns:
        The body of the answer, and the `older_than` of the next page, which is None at the end.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach.
    """
    answer, next_older_than = accounts.list_users(
        db,
        search=search,
        role=role,
        page=page,
        limit=limit,
        older_than=older_than,
        image_base_url=image_base_url,
    )
    spending = _sum_spending(db, [user["_id"] for user in answer["users"]])
    answer["users"] = [{**user, **spending[user["_id"]]} for user in answer["users"]]
    return answer, next_older_than


def _sum_spending(db: Db, user_ids: Sequence[ObjectId]) -> dict[ObjectId, JsonObject]:
    totals: defaultdict[ObjectId, BookingTotals] = defaultdict(BookingTotals)
    for row in store_figures.sum_spending(db, user_ids) if user_ids else ():
        totals[row["user"]].add(row["status"], row["bookings"], 0, row["cents"])
    return {
        user_id: {
            "bookings": rules.count_by_status(totals[user_id]),
            "spent": from_cents(totals[user_id].revenue),
        }
        for user_id in user_ids
    }
