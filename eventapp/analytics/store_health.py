"""How the database does."""

import time

from pymongo.errors import PyMongoError

from eventapp.core.database import Db, Document, is_unavailable


def ping(db: Db) -> Document:
    """`{status: ok or unavailable, pingMs}`."""
    began = time.perf_counter()
    try:
        db.command("ping")
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        return {"status": "unavailable", "pingMs": None}
    return {"status": "ok", "pingMs": round((time.perf_counter() - began) * 1000, 2)}
