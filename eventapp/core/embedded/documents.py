"""Reading and writing one embedded collection; the caller holds the client's lock.

Filters, projections and update operators are mongomock's; text search, indexes, sorting and the
order of events (check first, then put the new document) are this project's.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions

from eventapp.core.embedded.indexes import duplicate_key, frozen
from eventapp.core.embedded.matches import TEXT_SCORE, Matches, Sort, sort_matches
from eventapp.core.embedded.mongomock_engine import MISSING, Document, Engine, fits, found_at
from eventapp.core.embedded.storage import CollectionStore, plain
from eventapp.core.embedded.updates import seed, with_id

Change = Callable[[Document, bool], Document]
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


def aware(document: Mapping[str, Any]) -> Document:
    """Return a copy for the caller, as PyMongo returns it with `tz_aware=True`."""
    return bson.decode(bson.encode(document), _AWARE)


@dataclass
class Written:
    """What a write did: documents found, changed and inserted, and the first before and after."""

    matched: int = 0
    modified: int = 0
    upserted_id: Any = None
    before: Document | None = None
    after: Document | None = None


class Documents:
    """The operations of one collection, over its store."""

    def __init__(self, engine: Engine, store: CollectionStore) -> None:
        self.engine = engine
        self.store = store

    def match(self, spec: Mapping[str, Any], sort: Sort | None = None) -> Matches:
        """Return what fits `spec`, sorted."""
        rest, text = _split_text(plain(spec))
        if self.store.is_empty:
            fits(rest, {})  # a bad filter is refused even where nothing is stored
        if text is None:
            matches = Matches(list(self.store.candidates(rest)))
        else:
            scores = self.store.text_scores(text)
            matches = Matches(self.store.existing(scores), scores)
        matches.documents = [one for one in matches.documents if fits(rest, one)]
        sort_matches(matches, sort or ())
        return matches

    def project(self, matches: Matches, document: Document, projection: Any) -> Document:
        """Return the projected copy of one match, for the caller."""
        if projection is None or projection == {}:
            return aware(document)
        if not isinstance(projection, Mapping):
            projection = dict.fromkeys(projection, 1) or {"_id": 1}
        fields = {name: value for name, value in projection.items() if value != TEXT_SCORE}
        result = self.engine.project(document, fields or None)
        for name in projection.keys() - fields.keys():
            result[name] = matches.score(document)
        return aware(result)

    def find(
        self, spec: Mapping[str, Any], projection: Any, sort: Sort | None, skip: int, limit: int
    ) -> list[Document]:
        """Return the copies a cursor yields; a limit of 0 is none."""
        matches = self.match(spec, sort)
        stop = skip + abs(limit) if limit else None
        return [self.project(matches, one, projection) for one in matches.documents[skip:stop]]

    def distinct(self, path: str, spec: Mapping[str, Any]) -> list[Any]:
        """Return each value at `path` once, arrays opened, in order of first appearance."""
        found: dict[Hashable, Any] = {}
        for document in self.match(spec).documents:
            for value in found_at(path, document):
                for item in value if isinstance(value, list) else [value]:
                    if item is not MISSING:
                        found.setdefault(frozen(item), item)
        values: list[Any] = aware({"values": list(found.values())})["values"]
        return values

    def insert(self, document: Mapping[str, Any]) -> None:
        """Insert one that has its `_id`; DuplicateKeyError leaves all as it was."""
        key = frozen(plain({"_id": document["_id"]})["_id"])
        if key in self.store:
            namespace = self.store.namespace
            raise duplicate_key(namespace, "_id_", {"_id": 1}, {"_id": document["_id"]})
        self.store[key] = document

    def rewrite(
        self,
        spec: Mapping[str, Any],
        change: Change,
        *,
        start: Document | None = None,
        sort: Sort | None = None,
        many: bool = False,
    ) -> Written:
        """Put `change(document, False)` for the first match, or for all of `many`.

        Args:
            start: where nothing matches, insert `change(start, True)`; None inserts nothing.
        """
        found = self.match(spec, sort).documents
        if not found and start is not None:
            return self._upsert(change(start, True))
        done = Written()
        for document in found if many else found[:1]:
            self._put(document, change(document, False), done)
        return done

    def _put(self, old: Document, new: Document, done: Written) -> None:
        key = frozen(old["_id"])
        done.matched += 1
        if bson.encode(new) != bson.encode(old):
            self.store[key] = new
            done.modified += 1
        if done.before is None:
            done.before, done.after = old, self.store[key]

    def _upsert(self, document: Document) -> Written:
        document = with_id(document)
        self.insert(document)
        after = self.store[frozen(plain({"_id": document["_id"]})["_id"])]
        return Written(upserted_id=document["_id"], after=after)

    def start(self, spec: Mapping[str, Any]) -> Document:
        """Return what an upsert through `spec` begins with."""
        return seed(self.engine, _split_text(plain(spec))[0])

    def delete(
        self, spec: Mapping[str, Any], sort: Sort | None = None, *, many: bool = False
    ) -> Matches:
        """Delete the first match, or all of `many`; return what is gone."""
        matches = self.match(spec, sort)
        if not many:
            matches.documents = matches.documents[:1]
        for document in matches.documents:
            del self.store[frozen(document["_id"])]
        return matches


def _split_text(spec: Document) -> tuple[Document, Document | None]:
    """Take the `$text` out of a filter, from its top level or that of its `$and`."""
    rest = dict(spec)
    text = rest.pop("$text", None)
    clauses = [_split_text(clause) for clause in rest.get("$and", [])]
    if any(found for _, found in clauses):
        rest["$and"] = [clause for clause, _ in clauses]
        text = text or next(found for _, found in clauses if found)
    return rest, text
