"""The database: its client, its preparation, retried writes, and errors of unavailability."""

from eventapp.core.database.client import (
    CLIENT_OPTIONS,
    DEFAULT_DATABASE,
    Db,
    Document,
    Query,
    connect,
    exclude_ids,
    is_unavailable,
)
from eventapp.core.database.lifecycle import (
    OPEN_DATABASE,
    PREPARE_TIMEOUT_SECONDS,
    Indexes,
    OpenDatabase,
    ensure_indexes,
    get_db,
    init_app,
    open_database,
)
from eventapp.core.database.writes import (
    DUPLICATE_KEY_CODE,
    insert_in_order,
    insert_unordered,
    retry_on_write_conflict,
)

__all__ = [
    "CLIENT_OPTIONS",
    "DEFAULT_DATABASE",
    "DUPLICATE_KEY_CODE",
    "OPEN_DATABASE",
    "PREPARE_TIMEOUT_SECONDS",
    "Db",
    "Document",
    "Indexes",
    "OpenDatabase",
    "Query",
    "connect",
    "ensure_indexes",
    "exclude_ids",
    "get_db",
    "init_app",
    "insert_in_order",
    "insert_unordered",
    "is_unavailable",
    "open_database",
    "retry_on_write_conflict",
]
