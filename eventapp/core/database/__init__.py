"""The database: the client, its readiness, indexes, and one error for a server that is away."""

from eventapp.core.database.client import (
    CLIENT_OPTIONS,
    DEFAULT_DATABASE,
    Db,
    Document,
    Query,
    connect,
)
from eventapp.core.database.errors import is_unavailable, retry_on_write_conflict
from eventapp.core.database.indexes import Indexes, ensure_indexes
from eventapp.core.database.open_database import (
    OPEN_DATABASE,
    PREPARE_TIMEOUT_SECONDS,
    OpenDatabase,
    get_db,
    init_app,
    open_database,
)

__all__ = [
    "CLIENT_OPTIONS",
    "DEFAULT_DATABASE",
    "OPEN_DATABASE",
    "PREPARE_TIMEOUT_SECONDS",
    "Db",
    "Document",
    "Indexes",
    "OpenDatabase",
    "Query",
    "connect",
    "ensure_indexes",
    "get_db",
    "init_app",
    "is_unavailable",
    "open_database",
    "retry_on_write_conflict",
]
