"""Tell the holders of older versions that organizers see their names, and show the names then.

Bookings and waitlist entries of schema version 4 have no `holderIsShown`: those who made them did
not know that organizers see names and emails. The migration to version 5 records the users with a
booking for today or later, or an active entry, in `untoldHolders`. A job mails each of them once,
waits until the mail was sent, marks what they have booked, and removes the record. If the mail
cannot be sent, they are not shown. Each step may be repeated.

A user without such a booking or entry gets no mail, and their old bookings stay without a name.
"""

from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import store_untold_holders as store
from eventapp.bookings.context import BookingContext
from eventapp.core.database import Db
from eventapp.due_work.service import process_due
from eventapp.inventory.service import start_of_day
from eventapp.notifications import account_mails
from eventapp.notifications.account_mails import AccountMail
from eventapp.waitlist import migration as waitlist

BATCH_SIZE = 1_000
MAX_PER_RUN = 500
# How long it takes until a mail is looked at again that is not sent yet.
PAUSE = timedelta(minutes=2)


def record_untold(db: Db, now: datetime) -> bool:
    """Record the holders of schema version 4 who are to be told; return True.

    It reads in batches, and may be interrupted and repeated.
    """
    today = start_of_day(now)
    last_id = None
    while batch := store.find_unshown(db, today, last_id, BATCH_SIZE):
        last_id = batch[-1]["_id"]
        store.record(db, {booking["userId"] for booking in batch}, now)
    last_id = None
    while entries := waitlist.find_unshown(db, last_id, BATCH_SIZE):
        last_id = entries[-1]["_id"]
        store.record(db, {entry["userId"] for entry in entries}, now)
    return True


def tell_holders(context: BookingContext, now: datetime) -> int:
    """Mail holders who are to be told, and show those whose mail was sent; return how many were.

    Several workers may run this at once.
    """

    def handle(user_id: ObjectId) -> int:
        return _tell(context, user_id, now)

    return process_due(
        context.db,
        "untold holder",
        now,
        find=lambda limit, without: store.find_due(context.db, now, limit, without),
        limit=MAX_PER_RUN,
        get_key=lambda user_id: user_id,
        handle=handle,
    )


def _tell(context: BookingContext, user_id: ObjectId, now: datetime) -> int:
    """Take the next step for a holder.

    Returns:
        1 if the holder is shown from now on, else 0.
    """
    db, key = context.db, f"names-shown:{user_id}"
    status = account_mails.find_status(db, key)
    if status is None:
        user = accounts.find_recipients(db, [user_id]).get(user_id)
        if user is None or user.email is None:
            store.remove(db, user_id)
            return 0
        mail = AccountMail(
            key, account_mails.NAMES_SHOWN, user_id, user.email, language=user.language
        )
        account_mails.queue(db, mail, context.outbox.require_sealer(), now)
    elif account_mails.was_sent(status):
        store.show_holder(db, user_id)
        waitlist.show_user(db, user_id)
        store.remove(db, user_id)
        return 1
    elif account_mails.was_given_up(status):
        store.remove(db, user_id)
        return 0
    store.postpone(db, user_id, now + PAUSE)
    return 0
