"""What an admin sees of all: the dashboard, people, and what the server itself does."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.analytics import rules, service, store_events
from eventapp.analytics.service import Period
from eventapp.bookings.service import from_cents
from eventapp.core.database import Db

ENGAGEMENT_SPAN = timedelta(days=30)
BEST = 5


def dashboard(db: Db, now: datetime, *, currency: str) -> dict[str, Any]:
    """The overview, the last 30 days, the best events, and what people do."""
    best = {
        name: service.events(db, None, sort_by=name, limit=BEST)["events"]
        for name in ("revenue", "utilization")
    }
    return {
        "overview": service.overview(db, None, currency=currency),
        "trends": service.revenue(db, None, Period(), now=now, currency=currency),
        "topEvents": best["revenue"],
        "fullestEvents": best["utilization"],
        "waitlist": service.waitlist(db, None, limit=BEST),
        "engagement": engagement(db, now),
    }


def engagement(db: Db, now: datetime) -> dict[str, Any]:
    """Accounts by role, new ones and who booked in the last 30 days, favorites."""
    since = now - ENGAGEMENT_SPAN
    roles = store_events.roles(db)
    return {
        "users": sum(roles.values()),
        "usersByRole": {role: roles.get(role, 0) for role in ("attendee", "organizer", "admin")},
        "newUsers": store_events.signed_up_since(db, since),
        "activeBookers": store_events.bookers_since(db, since),
        "favorites": store_events.favorites(db),
    }


def users(db: Db, query: Mapping[str, Any]) -> dict[str, Any]:
    """A page of accounts with what each has booked. ValidationFailed."""
    answer, _ = accounts.list_users(db, **query)
    spent = _spent(db, [user["_id"] for user in answer["users"]])
    answer["users"] = [{**user, **spent[user["_id"]]} for user in answer["users"]]
    return answer


def _spent(db: Db, user_ids: list[ObjectId]) -> dict[ObjectId, dict[str, Any]]:
    tallies: defaultdict[ObjectId, rules.Tally] = defaultdict(rules.Tally)
    for row in store_events.spending(db, user_ids) if user_ids else ():
        tallies[row["user"]].add(row["status"], row["bookings"], 0, row["cents"])
    return {
        id_: {"bookings": rules.counts(tallies[id_]), "spent": from_cents(tallies[id_].revenue)}
        for id_ in user_ids
    }
