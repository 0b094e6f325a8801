"""The database: client, indexes, and one error for a server that does not answer."""

from eventapp.core.database.connection import (
    CLIENT_OPTIONS,
    DEFAULT_DATABASE,
    PATIENCE_SECONDS,
    Db,
    Document,
    Indexes,
    Query,
    Store,
    connect,
    ensure_indexes,
    get_db,
    get_store,
    init_app,
    is_unavailable,
    open_store,
    unhindered,
)

__all__ = [
    "CLIENT_OPTIONS",
    "DEFAULT_DATABASE",
    "PATIENCE_SECONDS",
    "Db",
    "Document",
    "Indexes",
    "Query",
    "Store",
    "connect",
    "ensure_indexes",
    "get_db",
    "get_store",
    "init_app",
    "is_unavailable",
    "open_store",
    "unhindered",
]
