"""List, create, change and delete the promo codes of an event, for its organizer and admins.

A change reads the codes and writes them only if the event is unchanged since. Otherwise it begins
again, so that it never overwrites a use of a code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.events import event_log
from eventapp.events.closures import ClosureWait
from eventapp.events.editing import EDIT_ATTEMPTS, EditConflict
from eventapp.events.promo_codes import StoredPromoCode
from eventapp.events.service import EventNotFound, get_managed
from eventapp.inventory.service import fold_code
from eventapp.promotions import rules, store
from eventapp.promotions.errors import BelowUsed, CodeInUse, PromoCodeNotFound
from eventapp.promotions.types import EventPromoCodes, PromoCodePatch, PromoCodeView


@dataclass(frozen=True)
class _Change:
    """A change of one promo code.

    Attributes:
        code: the code after it.
        key: the folded code to store it under; None to remove it.
        old_key: the folded code that it was stored under; None for a new code.
    """

    code: StoredPromoCode
    key: str | None
    old_key: str | None


def list_promo_codes(db: Db, event_id: int, actor: Actor) -> list[PromoCodeView]:
    """Return the promo codes of an event, the oldest first.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
    """
    get_managed(db, event_id, actor)
    event = _find(db, event_id)
    codes = sorted(event.get("promoCodes", {}).values(), key=lambda code: code["codeId"])
    type_ids = rules.list_type_ids(event)
    return [rules.present_promo_code(code, type_ids) for code in codes]


def create_promo_code(
    db: Db, event_id: int, actor: Actor, body: PromoCodePatch, now: datetime
) -> PromoCodeView:
    """Add a promo code to an event.

    Args:
        body: with `code`, `kind` and `value`.

    Raises:
        ValidationFailed: the code is not valid, its spelling is in use in any case, or the event
            has as many codes as are allowed.
        EventNotFound, Forbidden, EditConflict, EventClosed: as for `events.editing.edit_event`.
    """

    def add(event: EventPromoCodes) -> _Change:
        if len(event.get("promoCodes", {})) >= rules.MAX_CODES:
            message = f"At most {rules.MAX_CODES} promo codes"
            raise ValidationFailed(message, errors={"code": [message]})
        code = rules.make_promo_code(event.get("nextCodeId", 1), body)
        return _Change(code, _check(event, code, body, old_key=None), None)

    return _change(db, event_id, actor, add, now)


def patch_promo_code(
    db: Db, event_id: int, code_id: int, actor: Actor, patch: PromoCodePatch, now: datetime
) -> PromoCodeView:
    """Change a promo code.

    Raises:
        PromoCodeNotFound: the event has no code with this id.
        CodeInUse: the code was used and would be spelled otherwise.
        BelowUsed: `maxUses` would be below the uses of the code.
        ValidationFailed, EventNotFound, Forbidden, EditConflict, EventClosed: as for
            `create_promo_code`.
    """

    def change(event: EventPromoCodes) -> _Change:
        old_key, old = _get_code(event, code_id)
        code = rules.patch_promo_code(old, patch)
        if old["taken"] and code["code"] != old["code"]:
            raise CodeInUse
        if code.get("maxUses", code["used"]) < code["used"]:
            raise BelowUsed(used=code["used"])
        return _Change(code, _check(event, code, patch, old_key=old_key), old_key)

    return _change(db, event_id, actor, change, now)


def delete_promo_code(db: Db, event_id: int, code_id: int, actor: Actor, now: datetime) -> None:
    """Delete a promo code that nobody ever used.

    Raises:
        CodeInUse: it was used, perhaps by a booking that has ended.
        PromoCodeNotFound, EventNotFound, Forbidden, EditConflict, EventClosed: as for
            `patch_promo_code`.
    """

    def remove(event: EventPromoCodes) -> _Change:
        key, code = _get_code(event, code_id)
        if code["taken"]:
            raise CodeInUse
        return _Change(code, None, key)

    _change(db, event_id, actor, remove, now)


def _change(
    db: Db,
    event_id: int,
    actor: Actor,
    decide: Callable[[EventPromoCodes], _Change],
    now: datetime,
) -> PromoCodeView:
    """Write the change that `decide` returns for the codes as they were read."""
    wait = ClosureWait(now)
    for _attempt in range(EDIT_ATTEMPTS):
        get_managed(db, event_id, actor)
        event = _find(db, event_id)
        wait.pause_if_closed(event)
        change = decide(event)
        before = event["promoCodes"][change.old_key] if change.old_key else None
        is_moved = change.old_key is not None and change.old_key != change.key
        if store.write_if_unchanged(
            db,
            event,
            {change.key: change.code} if change.key else {},
            removed=[change.old_key] if change.old_key and is_moved else [],
            next_code_id=None if change.old_key else change.code["codeId"] + 1,
            note=event_log.note_edit(
                actor,
                {"promoCodes": [before] if before else []},
                {"promoCodes": [change.code] if change.key else []},
                now,
            ),
            now=wait.clock(),
        ):
            event_log.move_now(db, event_id)
            return rules.present_promo_code(change.code, rules.list_type_ids(event))
        event_log.make_room(db, event_id)
    raise EditConflict


def _find(db: Db, event_id: int) -> EventPromoCodes:
    event = store.find_promo_codes(db, event_id)
    if event is None:
        raise EventNotFound
    return event


def _get_code(event: EventPromoCodes, code_id: int) -> tuple[str, StoredPromoCode]:
    key = rules.find_key(event, code_id)
    if key is None:
        raise PromoCodeNotFound
    return key, event["promoCodes"][key]


def _check(
    event: EventPromoCodes, code: StoredPromoCode, body: PromoCodePatch, *, old_key: str | None
) -> str:
    """Return the key of a code after a change.

    Raises:
        ValidationFailed: the code is not valid, or another one has the same key.
    """
    old = event["promoCodes"][old_key] if old_key else None
    faults = rules.find_code_faults(code, body, event, old)
    key = fold_code(code["code"])
    if key is None:
        faults["code"] = ["Must have 3 to 40 of A-Z a-z 0-9 - _."]
    elif key != old_key and key in event.get("promoCodes", {}):
        faults["code"] = ["Another promo code of the event is spelled like this."]
    if key is None or faults:
        raise ValidationFailed("Invalid promo code", errors=faults)
    return key
