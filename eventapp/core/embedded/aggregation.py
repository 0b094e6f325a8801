"""Aggregation on the embedded store: mongomock's stages, after an indexed, text-aware `$match`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymongo.errors import WriteError

from eventapp.core.embedded.documents import Documents, aware
from eventapp.core.embedded.matches import TEXT_SCORE, Matches, sort_matches
from eventapp.core.embedded.mongomock_engine import Document, Engine
from eventapp.core.embedded.storage import plain
from eventapp.core.embedded.updates import same_id

# The score travels through mongomock's stages as a field, taken out of what comes back.
_SCORE = "__textScore"
_UPDATING = frozenset(("$set", "$addFields", "$unset", "$project", "$replaceRoot", "$replaceWith"))
_BAD_VALUE = 2


def aggregate(documents: Documents, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Run a pipeline; `$text` may stand in its first `$match`.

    Raises:
        NotImplementedError: a stage or operator that mongomock lacks.
    """
    stages = plain({"stages": list(pipeline)})["stages"]
    spec = stages.pop(0)["$match"] if stages and "$match" in stages[0] else {}
    matches = documents.match(spec)
    found = [plain(document) for document in matches.documents]
    if matches.scores is not None:
        for document in found:
            document[_SCORE] = matches.score(document)
    results = _run(documents, found, _known(stages, scored=matches.scores is not None))
    if matches.scores is not None:
        results = [_without_score(result) for result in results]
    return [aware(result) for result in results]


def piped(engine: Engine, document: Document, pipeline: Sequence[Mapping[str, Any]]) -> Document:
    """What an update by a pipeline makes of a document, which stays as it is.

    Raises:
        WriteError: a stage that no update has, or another `_id`.
    """
    stages = plain({"stages": list(pipeline)})["stages"]
    if unfit := [name for stage in stages for name in stage if name not in _UPDATING]:
        raise WriteError(f"{unfit[0]} is not allowed to be used within an update", _BAD_VALUE)
    (result,) = engine.run([plain(document)], _known(stages, scored=False))
    return same_id(document, result)


def _run(documents: Documents, found: list[Document], stages: list[Document]) -> list[Document]:
    """Run the stages one by one; mongomock would group and count even what is not there."""
    for stage in stages:
        ((name, options),) = stage.items()
        if name == "$facet":
            found = [{title: _run(documents, found, run) for title, run in options.items()}]
        elif name == "$sort":
            matches = Matches(list(found))
            sort_matches(matches, list(options.items()))
            found = matches.documents
        elif found or name not in ("$group", "$count"):
            found = list(documents.engine.run(found, [stage]))
    return found


def _known(stages: list[Document], *, scored: bool) -> list[Document]:
    """Return the stages as mongomock knows them."""
    ready: list[Document] = []
    for stage in stages:
        ((name, options),) = stage.items()
        if name == "$facet":
            parts = {title: _known(run, scored=scored) for title, run in options.items()}
            ready.append({name: parts})
        elif name in _REWRITES:
            ready.extend(_REWRITES[name](options))
        else:
            ready.append({name: _with_score(name, options) if scored else options})
    return ready


def _with_score(name: str, options: Any) -> Any:
    if name == "$sort":
        return dict(
            (_SCORE, -1) if to == TEXT_SCORE else (path, to) for path, to in options.items()
        )
    options = _replace_meta(options)
    if name == "$project" and any(value for path, value in options.items() if path != "_id"):
        return {**options, _SCORE: 1}
    return options


def _replace_meta(value: Any) -> Any:
    if value == TEXT_SCORE:
        return "$" + _SCORE
    if isinstance(value, dict):
        return {name: _replace_meta(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_replace_meta(item) for item in value]
    return value


def _without_score(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_score(item) for name, item in value.items() if name != _SCORE}
    if isinstance(value, list):
        return [_without_score(item) for item in value]
    return value


def _unset(paths: Any) -> list[Document]:
    return [{"$project": dict.fromkeys([paths] if isinstance(paths, str) else paths, 0)}]


def _replace_with(root: Any) -> list[Document]:
    return [{"$replaceRoot": {"newRoot": root}}]


def _sort_by_count(expression: Any) -> list[Document]:
    return [{"$group": {"_id": expression, "count": {"$sum": 1}}}, {"$sort": {"count": -1}}]


_REWRITES: dict[str, Callable[[Any], list[Document]]] = {
    "$unset": _unset,
    "$replaceWith": _replace_with,
    "$sortByCount": _sort_by_count,
}
