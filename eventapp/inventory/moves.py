"""Undo takes and joins, and apply the stock moves of bookings and waitlist entries, each once."""

from collections.abc import Callable, Container, Sequence
from datetime import datetime

from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.events.closures import ClosureWait
from eventapp.events.service import EventBusy
from eventapp.events.types import InFlightState, SaleState
from eventapp.inventory import queues, rules, store
from eventapp.inventory.in_flight import MAX_CLEARED_KEYS, ClearableEntries, InFlightEntries
from eventapp.inventory.promo_codes import count_uses
from eventapp.inventory.quotas import compute_quota_changes, get_quotas
from eventapp.inventory.rules import StockMove
from eventapp.inventory.sale_states import SaleStates

# On a popular event, sales may come between a read and its write many times in a row.
UPDATE_ATTEMPTS = 100


class MoveWriter:
    """Changes the stock after bookings and waitlist entries; `Inventory` says what is done."""

    def __init__(
        self,
        db: Db,
        states: SaleStates,
        in_flight_entries: InFlightEntries,
        clearable: ClearableEntries,
    ) -> None:
        self._db, self._states = db, states
        self._in_flight_entries, self._clearable = in_flight_entries, clearable

    def undo(self, event_id: int, key: str) -> None:
        """Undo the take or join of an in-flight entry as `Inventory.undo` does."""
        wait = ClosureWait(utc_now())
        for _attempt in range(UPDATE_ATTEMPTS):
            event = self._in_flight_entries.find_event(event_id)
            entry = event["inFlight"].get(key) if event else None
            if not event or not entry:
                return
            code = rules.find_promo_code(entry)
            wait.pause_if_closed(event)
            reversal = rules.compute_reversal(entry)
            changed = [(rules.get_schedule_id(entry), reversal)]
            cells = rules.sum_cell_changes(changed)
            after = store.update_stock(
                self._db,
                event,
                rules.sum_changes_by_index(event, reversal),
                cells=cells,
                quotas=compute_quota_changes(get_quotas(event), cells),
                queues=queues.build_update(event, queues.sum_changes(event, changed)),
                guards=store.build_exists_guard(key),
                now=wait.clock(),
                cleared_keys=[key],
                promo_uses={code: -1} if code else None,
            )
            if after:
                failpoint("undo")
                self._states.publish(after)
                return
        raise EventBusy

    def apply_moves(
        self,
        event_id: int,
        moves: Sequence[StockMove],
        now: datetime,
        *,
        find_pending: Callable[[], Container[str]],
    ) -> None:
        """Apply the moves that are not applied yet as `Inventory.apply_moves` does."""
        wait = ClosureWait(now)
        for _attempt in range(UPDATE_ATTEMPTS):
            event = self._in_flight_entries.find_event(event_id)
            without_entry = [m for m in moves if event and m.key not in event["inFlight"]]
            if not event or not without_entry:
                return
            wait.pause_if_closed(event)
            pending = find_pending()
            unapplied = [move for move in without_entry if move.key in pending]
            if not unapplied or self._write_moves(event, unapplied, wait.clock()):
                return
        raise EventBusy

    def move_queues(self, state: SaleState, now: datetime, moment: datetime) -> None:
        """Count queues where they lack tickets as `Inventory.move_queues` does.

        Args:
            moment: `now` by the database's clock.
        """
        move = queues.find_moves(state, moment)
        if not move.changes:
            return
        after = store.update_stock(
            self._db,
            state,
            {},
            cells={},
            quotas={},
            queues=queues.build_update(state, move.changes),
            guards=move.guards,
            now=now,
        )
        if after:
            failpoint("queue-move")
            self._states.publish(after)

    def _write_moves(self, event: InFlightState, moves: Sequence[StockMove], now: datetime) -> bool:
        """Write moves in one update. Return False, with nothing written, if a guard failed."""
        event_id = event["eventId"]
        # Clearing entries makes concurrent moves fail and repeat, so it is done for many together.
        keys_to_clear = self._clearable.pop(event_id, at_least=MAX_CLEARED_KEYS)
        changed = [(move.schedule_id, move.changes) for move in moves]
        cells = rules.sum_cell_changes(changed)
        uses = count_uses(move.promo_code for move in moves)
        after = store.update_stock(
            self._db,
            event,
            rules.sum_changes_by_index(event, *(move.changes for move in moves)),
            cells=cells,
            quotas=compute_quota_changes(get_quotas(event), cells),
            queues=queues.build_update(event, queues.sum_changes(event, changed)),
            guards=store.build_never_existed_guard(event, [move.key for move in moves]),
            new_entries={move.key: move.to_entry(now) for move in moves},
            now=now,
            cleared_keys=keys_to_clear,
            promo_uses={code: -number for code, number in uses.items()},
        )
        if not after:
            self._clearable.add(event_id, keys_to_clear)
            return False
        failpoint("move")
        self._states.publish(after)
        return True
