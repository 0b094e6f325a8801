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
    get_database_time,
    get_db,
    init_app,
    open_database,
    purge_deleted,
)
from eventapp.core.database.request_limit import DatabaseDoubt, limit_request, note_no_answer
from eventapp.core.database.schema_version import (
    SCHEMA_VERSION,
    SchemaTooNew,
    check_schema_version,
    record_schema_version,
)
from eventapp.core.database.server_clock import ServerClock, read_server_time
from eventapp.core.database.writes import (
    DUPLICATE_KEY_CODE,
    has_only_duplicates,
    insert_in_order,
    insert_unordered,
    make_unknown_outcome_error,
    retry_on_write_conflict,
    try_insert_unordered,
)

__all__ = [
    "CLIENT_OPTIONS",
    "DEFAULT_DATABASE",
    "DUPLICATE_KEY_CODE",
    "OPEN_DATABASE",
    "PREPARE_TIMEOUT_SECONDS",
    "SCHEMA_VERSION",
    "DatabaseDoubt",
    "Db",
    "Document",
    "Indexes",
    "OpenDatabase",
    "Query",
    "SchemaTooNew",
    "ServerClock",
    "check_schema_version",
    "connect",
    "ensure_indexes",
    "exclude_ids",
    "get_database_time",
    "get_db",
    "has_only_duplicates",
    "init_app",
    "insert_in_order",
    "insert_unordered",
    "is_unavailable",
    "limit_request",
    "make_unknown_outcome_error",
    "note_no_answer",
    "open_database",
    "purge_deleted",
    "read_server_time",
    "record_schema_version",
    "retry_on_write_conflict",
    "try_insert_unordered",
]
