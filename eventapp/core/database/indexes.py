"""Creation of the indexes that the features declare."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from pymongo import IndexModel

from eventapp.core.database.client import Db

# The indexes of one feature, by the name of their collection.
Indexes: TypeAlias = Mapping[str, Iterable[IndexModel]]


def ensure_indexes(db: Db, indexes: Iterable[Indexes]) -> None:
    """Create the indexes whose names do not exist yet. An existing index is never changed."""
    for feature in indexes:
        for collection, models in feature.items():
            existing = db[collection].index_information()
            missing = [model for model in models if model.document["name"] not in existing]
            if missing:
                db[collection].create_indexes(missing)
