"""Remove what deliveries say of a person, delete the webhooks of a person, and export them."""

from datetime import datetime
from typing import cast

from bson import ObjectId

from eventapp.core import json
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.webhooks import rules, service, store, store_deliveries

BATCH_SIZE = 200


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the webhooks of a deleted user, and the user's data in deliveries of others."""
    for webhook in store.find_of_owner(db, user_id, None):
        service.delete_with_deliveries(db, webhook["_id"])
    forget_holder(db, user_id, utc_now())


def forget_holder(db: Db, holder_id: ObjectId, now: datetime) -> None:
    """Remove the personal data of a holder of bookings from all deliveries.

    Those that are pending are sent without it. None of them can be replayed. An attempt that is
    under way may still send it.
    """
    while found := store_deliveries.find_of_holder(db, holder_id, BATCH_SIZE):
        for delivery in found:
            payload = rules.remove_personal_data(json.loads(bytes(delivery["body"])))
            store_deliveries.erase(db, delivery, json.dumps(payload), now)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the webhooks of a user without their secrets, as `webhooks`."""
    found = store.find_of_owner(db, user_id, None)
    now = utc_now()
    return {"webhooks": [cast(JsonObject, rules.render_webhook(each, now)) for each in found]}
