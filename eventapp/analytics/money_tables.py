"""Stream the money that moved as tables: of one event, of an organizer's events, or of all."""

import time
from collections.abc import Callable, Iterator

from bson import ObjectId

from eventapp.analytics import money_csv, store_money, store_payments
from eventapp.analytics.csv_tables import prepend
from eventapp.analytics.money import NO_MONEY, split_entry
from eventapp.analytics.store_sums import build_organizer_filter
from eventapp.analytics.types import MoneyBooking, MoneyRow
from eventapp.bookings.ledger import service as ledger
from eventapp.core.access.actor import Actor, ActorLoader
from eventapp.core.database import Db, Query
from eventapp.core.errors import Forbidden, Unauthorized
from eventapp.events import service as events

ROWS_PER_QUERY = 500
# How long a caller may go on reading who is not allowed to any more.
RECHECK_SECONDS = 1.0


def stream_event_money(
    db: Db, event_id: int, actor: Actor, load_actor: ActorLoader
) -> Iterator[bytes]:
    """Return the money of an event as CSV, in chunks, while the caller may manage the event.

    Args:
        load_actor: loads the caller again, as they may act at that moment.

    Raises:
        EventNotFound: there is no such event.
        Forbidden: the caller may not manage the event.
    """
    events.get_managed(db, event_id, actor)
    chunks = money_csv.write_csv(_iterate_rows(db, {"eventId": event_id}))
    # The first chunk is read here, so that an unavailable database is an error answer and not a
    # truncated table.
    first = next(chunks)
    return prepend(first, events.iterate_while_managed(db, event_id, load_actor, chunks))


def stream_money(db: Db, organizer_id: ObjectId | None, load_actor: ActorLoader) -> Iterator[bytes]:
    """Return the money of an organizer's events, or of all events if None, as CSV in chunks.

    The rows of an organizer are those that were stored while the event was theirs, as in their
    figures. The answer breaks off if the caller loses the role that allows them to read it.

    Args:
        load_actor: loads the caller again, as they may act at that moment.
    """
    chunks = money_csv.write_csv(_iterate_rows(db, build_organizer_filter(organizer_id)))
    first = next(chunks)

    def may_read(actor: Actor) -> bool:
        return actor.may_organize if organizer_id else actor.is_admin

    return prepend(first, _iterate_while_allowed(load_actor, may_read, chunks))


def _iterate_rows(db: Db, where: Query) -> Iterator[tuple[MoneyRow, MoneyBooking | None]]:
    """Yield the rows of the ledger that move money, with their bookings, in their order.

    At most ROWS_PER_QUERY are in memory at a time. Rows that are stored later are left out.
    """
    last, number = 0, ledger.find_highest_number(db)
    while rows := store_money.find_first_rows(db, last, number, where, ROWS_PER_QUERY):
        last = rows[-1]["number"]
        moved = [each for each in rows if _has_money(each)]
        ids = {each["_id"]: ObjectId(each["_id"].partition("-")[0]) for each in moved}
        found = store_payments.find_money_bookings(db, set(ids.values())) if ids else {}
        for row in moved:
            yield row, found.get(ids[row["_id"]])


def _has_money(row: MoneyRow) -> bool:
    return split_entry(row["kind"], row["paid"], row.get("fee", 0)) != NO_MONEY


def _iterate_while_allowed(
    load_actor: ActorLoader, may_read: Callable[[Actor], bool], chunks: Iterator[bytes]
) -> Iterator[bytes]:
    """Yield chunks as long as the caller may read them.

    The caller is checked before a chunk is yielded, if the last check is RECHECK_SECONDS old. The
    error breaks the answer off, so that what was sent does not look complete.

    Raises:
        Unauthorized: the session has ended.
        Forbidden: the caller may not read them any more.
    """
    checked_at = time.monotonic()
    for chunk in chunks:
        if time.monotonic() - checked_at >= RECHECK_SECONDS:
            actor = load_actor()
            if actor is None:
                raise Unauthorized
            if not may_read(actor):
                raise Forbidden
            checked_at = time.monotonic()
        yield chunk
