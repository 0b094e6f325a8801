"""Wait for the last uses of a promo code, while it is not decided who gets them.

A take counts a use of the code before its booking is stored. If the booking is refused, the use is
free again. So a request that finds the code used up is refused only once every use is recorded.
"""

from bson import ObjectId

from eventapp.bookings import store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.sales.purchases import Purchase
from eventapp.core.waiting import BoundedWait
from eventapp.inventory.service import (
    EventBusy,
    PromoExhausted,
    PromoNotFound,
    fold_code,
    parse_document_id,
    parse_retake_key,
)

# How long one request waits, and the pause after each read.
MAX_WAIT_SECONDS, PAUSE_SECONDS = 2.0, 0.02


def await_use(context: BookingContext, purchase: Purchase) -> None:
    """Wait until a use of the code of a purchase is free.

    Raises:
        PromoExhausted: all uses of the code are recorded.
        PromoNotFound: the code was deleted.
        EventBusy: some uses were neither recorded nor given back within MAX_WAIT_SECONDS.
    """
    key = fold_code(purchase.promo_code or "")
    wait = BoundedWait(max_seconds=MAX_WAIT_SECONDS, pause_seconds=PAUSE_SECONDS, error=EventBusy)
    while key:
        uses = context.inventory.in_flight_entries.find_uses(purchase.event_id, key)
        if uses is None:
            break
        if not uses.is_exhausted:
            return
        # The bookings are read after the event: a take without a booking is not recorded yet, nor
        # is one for a late payment whose booking is not active again.
        sales = {ObjectId(key) for key in uses.takes if not parse_retake_key(key)}
        retakes = {ObjectId(parse_document_id(key)) for key in uses.takes if parse_retake_key(key)}
        if (
            store.find_existing_ids(context.db, sales) == sales
            and store.find_active_ids(context.db, list(retakes)) == retakes
        ):
            raise PromoExhausted
        wait.pause()
    raise PromoNotFound
