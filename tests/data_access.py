"""Declare which store may read and write which fields of which collection, and check every query.

`check_queries` checks the queries that stores make in this process during the tests, and refuses
those that the tables below do not allow. Queries that a test makes itself are not checked. It also
refuses a change of a booking's tickets or money that adds no entry for the ledger, and an edit of
an event that adds none for its log.
"""

import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pymongo import DeleteMany, DeleteOne
from pymongo.collection import Collection

from eventapp.core.embedded.collection import EmbeddedCollection
from tests.architecture import PACKAGE, ROOT

# ALL: every field is read. INSERT and DELETE: whole documents are written or removed.
ALL, INSERT, DELETE = "*", "<insert>", "<delete>"
# Fields whose names below them are ids or kinds: `inFlight.<bookingId>` is `inFlight.*` here.
MAPS = frozenset(
    {"cells", "queues", "inFlight", "promoCodes", "tell", "checkIns", "undoneCheckIns", "slots"}
    | {"answeredQuestions", "attendees"}
)
TESTS, FEATURES, CORE = f"{ROOT}/tests/", f"{PACKAGE}/", f"{PACKAGE}/core/"
Table = Mapping[str, Mapping[str, Iterable[str]]]

STOCK = ("availableTickets", "soldTickets", "heldTickets", "waiting")
# The copy that a booking has of its schedule entry.
BOOKED_ENTRY = ("scheduleId", "date", "location", "timezone", "startsAt", "endsAt", "copiedMoves")
# {collection: {store: what it writes}}; `name.*` is any element of an array or value of a map.
WRITES: Table = {
    "announcements": {
        "announcements.store": (
            *(INSERT, DELETE, "status", "claim", "dueAt", "position"),
            *("sentAt", "notified", "mailed"),
            *("logEntries", "logDue", "deleted"),
        ),
    },
    "apiTokens": {
        "accounts.store_api_tokens": (INSERT, DELETE, "role", "lastUsedAt"),
        "accounts.store_device_tokens": (
            *(INSERT, DELETE, "codeHash", "codeExpiresAt", "secretHash", "prefix", "pairedAt"),
        ),
    },
    "bookings": {
        "bookings.store_links": ("linkVersion",),
        "bookings.store_untold_holders": ("holderIsShown",),
        "bookings.store": (
            *(INSERT, "active", "status", "slot", "userId", "organizerId"),
            *("updatedAt", "cancelledAt", "expiresAt"),
            *BOOKED_ENTRY,
            *("items", "quantity", "totalPrice", "totalCents", "discountCents"),
            *("payment", "refund", "refundDueAt", "reconcileAt"),
            *("restock", "due", "idempotency", "tell", "tell.*", "tellAt", "cancellations"),
            *("entries", "ledgerDue", "attendees", "attendees.*", "holderIsShown"),
        ),
        "bookings.store_copies": BOOKED_ENTRY,
        "bookings.store_due": ("tell", "tellAt"),
        "bookings.store_migration": (
            *(*BOOKED_ENTRY, "bookedMoves"),
            *("payment", "reconcileAt", "refundDueAt", "entries", "ledgerDue"),
        ),
        "bookings.store_moves": ("restock",),
        "bookings.store_payments": (
            *("payment", "refund", "cancellations.*.refund", "refundDueAt", "reconcileAt"),
            *("status", "active", "expiresAt", "retakenBy", "retakeId", "slot"),
            *("updatedAt", "tell.*", "tellAt"),
            *("entries", "ledgerDue"),
        ),
        "bookings.ledger.store": ("ledgerDue",),
        "tickets.store": ("checkIns.*", "undoneCheckIns.*", "entries", "ledgerDue"),
    },
    "chats": {"messages.store": (INSERT, DELETE, "seq")},
    # `prepare_database` records the schema version.
    "counters": {"events.store": ("value",), "__init__": ("value",)},
    "dailySales": {"analytics.store_sums": (INSERT, DELETE, "run", "slots.*")},
    "erasures": {"accounts.store_erasures": (INSERT, DELETE, "startedAt")},
    "eventDays": {"analytics.store_sums": (INSERT, DELETE, "run", "parts")},
    "eventLog": {"events.store_log": (INSERT, DELETE, "userId", "tokenName", "untold")},
    "eventRanks": {
        "analytics.store_sums": (
            *(INSERT, "run", "organizerId", "status", "goneAt"),
            *("revenue", "sold", "utilization", "wanted", "entries"),
        ),
    },
    "eventSales": {"analytics.store_sums": (INSERT, DELETE, "run", "numbers")},
    "events": {
        # An edit replaces `ticketTypes` as a whole, guarded by the revision that it has read.
        "events.store": (
            *(INSERT, "title", "description", "category", "image", "photo", "organizer"),
            *("schedule", "nextScheduleId", "ticketTypes", "nextTypeId", "tags", "status"),
            *("quotas", "nextQuotaId", "waitSequence", "queues"),
            *("questions", "nextQuestionId", "formerQuestions", "answeredQuestions.*"),
            *("closing", "updatedAt"),
            *("available", "firstDate", "lastDate", "nextDate", "overAt", "listed", "public"),
            *("publicUntil", "minPrice"),
            *("places", "tagKeys", "titleKey", "searchTexts", "searchPrefixes"),
            *("popularity", "views"),
            *("tell", "tellAt", "rev", "__v", "terms", "changedAt"),
            *("logEntries", "logDue"),
        ),
        "events.store_log": ("logEntries", "logDue"),
        "events.store_alerts": ("tell", "tellAt", "lowToldAt"),
        "events.store_migration": (
            *("schedule", "nextScheduleId", "overAt", "rev", "__v", "terms", "changedAt"),
            *("titleKey", "places", "tagKeys", "searchTexts", "searchPrefixes"),
        ),
        "events.store_ownership": (
            *("organizerId", "updatedAt", "rev", "__v", "terms", "changedAt"),
        ),
        "events.store_timekeeping": ("nextDate", "listed", "rev", "changedAt"),
        "events.store_changes": ("changedAt",),
        "events.store_deletions": (DELETE, "rev"),
        "inventory.store": (
            *(f"ticketTypes.*.{counter}" for counter in STOCK),
            *("available", "cells.*", "inFlight.*", "marksSince", "struck", "hadWaitlist"),
            *("quotas.*.availableTickets", "quotas.*.waiting", "queues.*", "waitSequence"),
            *("promoCodes.*", "answeredQuestions.*", "rev", "changedAt"),
        ),
        # Repairs of `check_inventory` replace `ticketTypes`, too.
        "inventory.store_repairs": (
            *("ticketTypes", "available", "cells", "cellsCounted", "quotas", "promoCodes.*"),
            *("queues", "waitSequence"),
            *("closedUntil", "closedBy", "rev", "changedAt"),
        ),
        "promotions.store": (
            *("promoCodes.*", "nextCodeId", "rev", "terms"),
            *("logEntries", "logDue"),
        ),
    },
    "failedWork": {
        "due_work.store": (
            *(INSERT, DELETE, "attempts", "error", "lastFailedAt", "nextAttemptAt", "setAsideAt"),
        ),
    },
    "favorites": {"favorites.store": (INSERT, DELETE, "count", "events", "changedAt")},
    "goneEvents": {
        "events.store_deletions": (
            *(DELETE, "eventId", "gone", "rev", "wasPublic", "unfinished", "changedAt"),
        ),
    },
    "invitationCounts": {"organizers.store": (INSERT, "count")},
    "jobs": {
        "jobs.store": (INSERT, "durationMs", "lastError", "lastErrorAt", "lastOk", "lastRun"),
    },
    "keys": {"tickets.store": (INSERT, "createdAt", "seed")},
    "ledger": {"bookings.ledger.store": (INSERT,)},
    "loginMarks": {"accounts.store_attempts": (INSERT, "expiresAt", "failures", "lastAt")},
    "mailRequests": {"accounts.store_mail_tokens": (INSERT, DELETE)},
    "mailTokens": {"accounts.store_mail_tokens": (INSERT, DELETE, "digest", "unfinishedSince")},
    "mails": {
        "notifications.store": (INSERT,),
        "notifications.store_outbox": (
            *(DELETE, "attempts", "claim", "doneAt", "lastError", "nextTryAt", "status", "sealed"),
        ),
    },
    "memberships": {
        "organizers.store": (
            *(INSERT, DELETE, "userId", "role", "eventIds", "joinedAt", "updatedAt"),
            *("invitation", "invitation.mailDueAt", "invitation.sealed"),
        ),
    },
    "messages": {"messages.store": (INSERT, DELETE, "authorId", "authorName", "shown", "text")},
    "moneySums": {"analytics.store_money": (INSERT, "slots.*", "upTo")},
    "notifications": {"notifications.store": (INSERT, DELETE, "readAt", "unread")},
    "paymentEvents": {"payments.store_events": (INSERT,)},
    "photos.chunks": {"media.store": (INSERT, DELETE)},
    "photos.files": {"media.store": (INSERT, DELETE)},
    "receipts": {"receipts.store": (INSERT, "userId", "buyer")},
    "reportPeriods": {"bookings.store_reports": (INSERT, DELETE, "finishedAt")},
    "salesMarker": {"analytics.store_sums": (INSERT, "busyUntil", "run", "upTo", "upToNumber")},
    "sessions": {
        "accounts.store_sessions": (
            *(INSERT, DELETE, "expiresAt", "gen", "previousId", "refreshId", "role", "rotatedAt"),
            *("lastUsedAt", "pageSecretHash", "wroteAt", "hasJoinedTeam"),
        ),
    },
    "untoldHolders": {"bookings.store_untold_holders": (INSERT, DELETE, "dueAt")},
    "users": {
        "accounts.store": (
            *(INSERT, DELETE, "name", "nameKey", "loginName", "email", "emailKey", "passwordHash"),
            *("role", "about", "userImg", "photo", "updatedAt", "emailVerified", "language"),
            *("unfinishedChange", "claimedEmailKeys", "emailChanges", "organizerProfile"),
            *("credentialsVersion", "hasJoinedTeam"),
            *("mailPreferences.announcements", "mailPreferences.unsubscribedOrganizers"),
        ),
        "accounts.store_mail_preferences": (
            *("mailPreferences.announcements", "mailPreferences.unsubscribedOrganizers"),
            "updatedAt",
        ),
        "accounts.store_email_changes": (
            *("emailChanges.pending", "emailChanges.pending.mails", "emailChanges.revision"),
        ),
        "accounts.store_recovery": (
            *("passwordHash", "updatedAt", "unfinishedReset", "unfinishedChange"),
            "credentialsVersion",
            *("emailChanges.pending", "emailChanges.revision"),
        ),
    },
    "waitlist": {
        "waitlist.store": (
            *(INSERT, "active", "status", "quantity", "offering", "offers", "restock"),
            *("userId", "idempotency", "updatedAt", "forgotten", "tellAt", "closeReason"),
            *("attendees", "holderIsShown"),
        ),
        "waitlist.store_migration": ("scheduleId", "holderIsShown"),
    },
    "webhookDeliveries": {
        "webhooks.store_deliveries": (
            *(INSERT, DELETE, "status", "dueAt", "claim", "attempts", "pauses", "retriedSince"),
            *("lastAttempt", "lastAttempt.excerpt", "body", "erasedAt", "holderId"),
        ),
    },
    "webhookSequences": {"webhooks.store_deliveries": (INSERT, DELETE, "last")},
    "webhookState": {"webhooks.store_facts": (INSERT, "number")},
    "webhooks": {
        "webhooks.store": (
            *(INSERT, DELETE, "url", "events", "eventIds", "updatedAt", "sealedSecret"),
            *("oldSecrets", "enabled", "enabledAt", "disabledAt", "disabledBy", "failingSince"),
            *("ownerNoticeDue", "sendDueAt", "wakeCount", "claim", "claimedUntil"),
        ),
    },
}
# The same for reading, by top-level fields.
READS: Table = {
    "announcements": {"announcements.store": (ALL,)},
    "apiTokens": {
        "accounts.store_api_tokens": (ALL,),
        "accounts.store_device_tokens": (
            *("userId", "role", "name", "prefix", "createdAt"),
            *("deviceEventId", "pairedAt", "lastUsedAt"),
        ),
    },
    "bookings": {
        "analytics.store_figures": (ALL,),
        "analytics.store_money": ("eventId", "organizerId", "entries"),
        "analytics.store_payments": (
            *("bookingReference", "eventId", "eventTitle", "organizerId", "userId", "status"),
            *("currency", "createdAt", "updatedAt", "payment", "refund", "cancellations"),
        ),
        "analytics.store_sums": (ALL,),
        "bookings.ledger.store": ("eventId", "organizerId", "createdAt", "entries"),
        "bookings.store": (ALL,),
        "bookings.store_copies": ("active", "scheduleId", "copiedMoves"),
        "bookings.store_links": (ALL,),
        "bookings.store_due": (ALL,),
        "bookings.store_migration": (ALL,),
        "bookings.store_audits": (ALL,),
        "bookings.store_moves": (ALL,),
        "bookings.store_payments": (ALL,),
        "bookings.store_payment_health": ("refundDueAt",),
        "bookings.store_holders": (ALL,),
        "bookings.store_reports": (ALL,),
        "bookings.store_untold_holders": ("active", "holderIsShown", "userId", "date"),
        "tickets.store": (ALL,),
    },
    "chats": {"messages.store": (ALL,)},
    "counters": {"events.store": ("value",), "__init__": ("value",)},
    "dailySales": {"analytics.store_sums": (ALL,)},
    "eventDays": {"analytics.store_sums": (ALL,)},
    "eventLog": {"events.store_log": (ALL,)},
    "eventRanks": {"analytics.store_ranking": (ALL,), "analytics.store_sums": ("run",)},
    "eventSales": {"analytics.store_sums": (ALL,)},
    "events": {
        "analytics.store_figures": (ALL,),
        "analytics.store_ranking": ("eventId", "changedAt"),
        "events.store": (ALL,),
        "events.store_changes": (ALL,),
        "events.store_alerts": (ALL,),
        "events.store_listing": (ALL,),
        "events.store_log": ("eventId", "logEntries"),
        "events.store_migration": (
            *("eventId", "rev", "schedule", "nextScheduleId", "overAt"),
            *("title", "tags", "organizer", "description"),
            *("titleKey", "places", "tagKeys", "searchTexts", "searchPrefixes"),
        ),
        "events.store_ownership": ("eventId", "organizer", "organizerId", "status", "overAt"),
        "events.store_suggestions": (
            *("eventId", "listed", "title", "schedule", "organizer", "category", "tags"),
            *("titleKey", "places", "tagKeys", "popularity"),
        ),
        "events.store_timekeeping": ("eventId", "rev", "schedule"),
        "events.store_schedules": ("eventId", "schedule"),
        "inventory.store": (
            *("eventId", "title", "status", "lastDate", "schedule", "ticketTypes", "organizerId"),
            *("available", "hadWaitlist", "inFlight", "marksSince", "struck", "rev"),
            *("terms", "cellsCounted", "quotas", "queues", "waitSequence"),
            *("promoCodes", "closedUntil", "questions", "answeredQuestions"),
        ),
        "inventory.store_waitlists": ("eventId", "schedule", "queues"),
        "inventory.store_repairs": (
            *("eventId", "title", "status", "lastDate", "schedule", "ticketTypes", "organizerId"),
            *("available", "hadWaitlist", "inFlight", "marksSince", "struck", "rev"),
            *("terms", "cells", "cellsCounted", "quotas", "queues", "waitSequence"),
            *("promoCodes", "closedUntil", "questions", "answeredQuestions"),
        ),
        "inventory.store_promo_codes": (
            *("eventId", "title", "status", "lastDate", "schedule", "ticketTypes", "organizerId"),
            *("available", "hadWaitlist", "inFlight", "marksSince", "struck", "rev"),
            *("terms", "cellsCounted", "quotas", "queues", "waitSequence"),
            *("promoCodes", "closedUntil", "questions", "answeredQuestions"),
        ),
        "promotions.store": (
            *("eventId", "rev", "closedUntil", "ticketTypes", "promoCodes", "nextCodeId"),
        ),
    },
    "erasures": {"accounts.store_erasures": (ALL,)},
    "failedWork": {"due_work.store": (ALL,)},
    "favorites": {"analytics.store_figures": (ALL,), "favorites.store": (ALL,)},
    "goneEvents": {
        "analytics.store_ranking": ("eventId", "changedAt"),
        "events.store": (
            *("eventId", "gone", "rev", "terms", "changedAt", "ticketTypes", "quotas"),
        ),
        "events.store_changes": ("eventId", "changedAt"),
        "events.store_deletions": ("eventId",),
    },
    "jobs": {"jobs.store": (ALL,)},
    "keys": {"tickets.store": (ALL,)},
    "ledger": {
        "analytics.store_money": (
            *("_id", "number", "at", "kind", "eventId", "organizerId"),
            *("paid", "fee", "provider", "providerId"),
        ),
        "analytics.store_sums": ("number", "bookedAt", "eventId", "organizerId"),
        "bookings.ledger.store": (ALL,),
        "bookings.store_reports": (ALL,),
    },
    "loginMarks": {"accounts.store_attempts": (ALL,)},
    "mailRequests": {"accounts.store_mail_tokens": (ALL,)},
    "mailTokens": {"accounts.store_mail_tokens": (ALL,)},
    "mails": {"notifications.store": ("void",), "notifications.store_outbox": (ALL,)},
    "memberships": {"organizers.store": (ALL,)},
    "messages": {"messages.store": (ALL,)},
    "moneySums": {"analytics.store_money": (ALL,)},
    "notifications": {"notifications.store": (ALL,)},
    "paymentEvents": {"payments.store_events": ("_id",)},
    "photos.chunks": {"media.store": (ALL,)},
    "photos.files": {"media.store": (ALL,)},
    "receipts": {"receipts.store": (ALL,)},
    "reportPeriods": {"bookings.store_reports": (ALL,)},
    "salesMarker": {"analytics.store_sums": (ALL,)},
    "sessions": {"accounts.store_sessions": (ALL,)},
    "untoldHolders": {"bookings.store_untold_holders": (ALL,)},
    "users": {
        "accounts.store": (ALL,),
        "accounts.store_mail_preferences": ("_id",),
        "accounts.store_email_changes": (ALL,),
        "accounts.store_recovery": (ALL,),
        "analytics.store_figures": (ALL,),
    },
    "waitlist": {
        "analytics.store_figures": (ALL,),
        "waitlist.store": (ALL,),
        "waitlist.store_audits": (ALL,),
        "waitlist.store_migration": (
            *("eventId", "ticketTypeId", "userId", "active", "holderIsShown", "forgotten"),
        ),
    },
    "webhookDeliveries": {"webhooks.store_deliveries": (ALL,)},
    "webhookSequences": {"webhooks.store_deliveries": (ALL,)},
    "webhookState": {"webhooks.store_facts": (ALL,)},
    "webhooks": {"webhooks.store": (ALL,)},
}

# The fields of a booking that say which tickets it has and what was paid for them. Whoever writes
# one of them writes ENTRY_FIELDS, too (eventapp/bookings/ledger).
MONEY_FIELDS = frozenset(
    {"status", "active", "items", "quantity", "totalPrice", "totalCents", "discountCents"}
    | {"cancellations"}
)
ENTRY_FIELDS = frozenset({"entries", "ledgerDue"})


# Every edit of an event raises `terms` and pushes an entry for its log (see `events.event_log`).
# These stores change events for other reasons than an edit, and this status comes with the time.
UNLOGGED_STORES = frozenset({"events.store_migration", "events.store_ownership"})
UNLOGGED_STATUS = "completed"


class UndeclaredQuery(BaseException):
    """A store reads or writes what the tables do not give it.

    It is no Exception, because `eventapp.due_work` records those of the jobs and goes on.
    """


class MissingEntry(BaseException):
    """A store changes the tickets or the money of a booking without an entry for the ledger.

    Or it edits an event without an entry for the event's log.
    """


def list_fields_written(update: Any) -> set[str]:
    """Return the fields that an update or a pipeline writes; INSERT for a whole document.

    An update with `$setOnInsert` gives INSERT besides the other fields.
    """
    if isinstance(update, list):  # a pipeline
        return {name for stage in update for fields in stage.values() for name in fields}
    operators = [name for name in update if name.startswith("$")]
    if not operators:
        return {INSERT}
    inserts = {INSERT} if "$setOnInsert" in operators else set()
    updates = [update[name] for name in operators if name != "$setOnInsert"]
    return inserts | {_generalize(name) for fields in updates for name in fields}


def _generalize(name: str) -> str:
    """Return the name of a field as the tables write it.

    `ticketTypes.0.price` becomes `ticketTypes.*.price`, and `inFlight.<id>` becomes `inFlight.*`.
    """
    name = re.sub(r"\.(\d+|\$(\[\w*\])?)(?=\.|$)", ".*", name)
    first, dot, _ = name.partition(".")
    return f"{first}.*" if dot and first in MAPS else name


def list_fields_read(projection: Any) -> set[str]:
    """Return the top-level fields that a projection includes, ALL where it excludes or is None."""
    if not projection:
        return {ALL}
    if not isinstance(projection, Mapping):
        return {name.partition(".")[0] for name in projection}
    included = {name.partition(".")[0] for name, wanted in projection.items() if wanted}
    return included - {"_id"} or ({"_id"} if included else {ALL})


def _of_find(
    _filter: Any = None, projection: Any = None, *_arguments: Any, **_options: Any
) -> set[str]:
    return list_fields_read(projection)


def _of_update(_filter: Any, update: Any, *_arguments: Any, **_options: Any) -> set[str]:
    return list_fields_written(update)


def _of_bulk(requests: Iterable[Any], *_arguments: Any, **_options: Any) -> set[str]:
    found: set[str] = set()
    for request in requests:
        deletes = isinstance(request, DeleteOne | DeleteMany)
        found |= {DELETE} if deletes else list_fields_written(request._doc)
    return found


def _always(found: str) -> Callable[..., set[str]]:
    return lambda *_arguments, **_options: {found}


READING: dict[str, Callable[..., set[str]]] = {
    "find": _of_find,
    "find_one": _of_find,
    "aggregate": _always(ALL),
    "distinct": _always(ALL),
}
WRITING: dict[str, Callable[..., set[str]]] = {
    "insert_one": _always(INSERT),
    "insert_many": _always(INSERT),
    "replace_one": _always(INSERT),
    "delete_one": _always(DELETE),
    "delete_many": _always(DELETE),
    "find_one_and_delete": _always(DELETE),
    "update_one": _of_update,
    "update_many": _of_update,
    "find_one_and_update": _of_update,
    "bulk_write": _of_bulk,
}


def lacks_entry(write: Any) -> bool:
    """Return whether a change of a booking's tickets or money has no entry for the ledger.

    Args:
        write: an update, or a document to insert.
    """
    if isinstance(write, list) or any(name.startswith("$") for name in write):
        fields = list_fields_written(write)
    else:
        fields = set() if write.get("void") else set(write)
    return bool(fields & MONEY_FIELDS or _pays_refund(write)) and not fields >= ENTRY_FIELDS


def _pays_refund(write: Any) -> bool:
    """Return whether an update records that a refund of a booking is paid, or not paid any more."""
    fields = write.get("$set", {}) if isinstance(write, dict) else {}
    values = [value for value in fields.values() if isinstance(value, dict)]
    return any(name.endswith(".refundId") for name in fields) or any(
        "refundId" in each or "returned" in each.get("failure", {}).values() for each in values
    )


def lacks_log_entry(write: Any) -> bool:
    """Return whether an edit of an event has no entry for its log."""
    if not isinstance(write, dict) or "terms" not in write.get("$inc", {}):
        return False
    status = write.get("$set", {}).get("status")
    return status != UNLOGGED_STATUS and "logEntries" not in write.get("$push", {})


def _list_writes(name: str, arguments: tuple[Any, ...]) -> list[Any]:
    """Return the updates and documents of a call of one of WRITING that changes documents."""
    if name == "insert_one":
        return [arguments[0]]
    if name == "insert_many":
        return list(arguments[0])
    if name == "bulk_write":
        return [request._doc for request in arguments[0] if hasattr(request, "_doc")]
    return [] if "delete" in name else [arguments[1]]


def find_store(frame: FrameType | None) -> str | None:
    """Return the module of a feature that makes the query of a frame, such as `events.store`.

    Returns:
        The module; None for a query that a test or core makes itself.
    """
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(TESTS) and name != __file__:
            return None
        if name.startswith(FEATURES) and not name.startswith(CORE):
            return name.removeprefix(FEATURES).removesuffix(".py").replace("/", ".")
        frame = frame.f_back
    return None


def find_undeclared(table: Table, collection: str, store: str, fields: set[str]) -> set[str]:
    """Return the fields that the table does not give this store."""
    allowed = set(table.get(collection, {}).get(store, ()))
    if table is READS and DELETE in WRITES.get(collection, {}).get(store, ()):
        allowed.add("_id")  # `delete_document` looks for what it has not deleted.
    return set() if ALL in allowed else fields - allowed


@contextmanager
def check_queries() -> Iterator[None]:
    """Check every query of this process against the tables until the end.

    Raises:
        UndeclaredQuery: from the query itself.
    """
    replaced: list[tuple[type, str, Any]] = []
    for kind in (Collection, EmbeddedCollection):
        for table, methods in ((READS, READING), (WRITES, WRITING)):
            for name, fields_of in methods.items():
                original = getattr(kind, name)
                replaced.append((kind, name, original))
                setattr(kind, name, _wrap(original, table, fields_of))
    try:
        yield
    finally:
        for kind, name, original in replaced:
            setattr(kind, name, original)


def _wrap(
    original: Callable[..., Any], table: Table, fields_of: Callable[..., set[str]]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def query(collection: Any, *arguments: Any, **options: Any) -> Any:
        store = find_store(sys._getframe(1))
        if store is not None:
            fields = fields_of(*arguments, **options)
            if more := find_undeclared(table, collection.name, store, fields):
                raise UndeclaredQuery(
                    f"{store}: {original.__name__} of {collection.name}: {sorted(more)}; "
                    "declare it in tests/data_access.py, or leave it to the store that may"
                )
            if table is WRITES and collection.name == "bookings":
                name = original.__name__
                if any(map(lacks_entry, _list_writes(name, arguments))):
                    raise MissingEntry(f"{store}: {name} of bookings has no entry for the ledger")
            is_logged = collection.name == "events" and store not in UNLOGGED_STORES
            if table is WRITES and is_logged:
                name = original.__name__
                if any(map(lacks_log_entry, _list_writes(name, arguments))):
                    raise MissingEntry(f"{store}: {name} of events has no entry for its log")
        return original(collection, *arguments, **options)

    return query
