"""Aggregation on the embedded store: mongomock's stages, after an indexed, text-aware `$match`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eventapp.core.embedded_documents import TEXT_SCORE, Documents, aware
from eventapp.core.embedded_engine import Document
from eventapp.core.embedded_store import plain

# The score travels through mongomock's stages as a field, taken out of what comes back.
_SCORE = "__textScore"


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
    ready = [_stage(stage, scored=matches.scores is not None) for stage in stages]
    results = list(documents.engine.run(found, ready))
    if matches.scores is not None:
        results = [_without_score(result) for result in results]
    return [aware(result) for result in results]


def _stage(stage: Document, *, scored: bool) -> Document:
    """Return the stage as mongomock knows it."""
    ((name, options),) = stage.items()
    if name == "$facet":
        options = {
            title: [_stage(inner, scored=scored) for inner in inners]
            for title, inners in options.items()
        }
    elif name in _REWRITES:
        return _REWRITES[name](options)
    elif scored:
        options = _with_score(name, options)
    return {name: options}


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


_REWRITES: dict[str, Callable[[Any], Document]] = {
    "$unset": lambda paths: {
        "$project": dict.fromkeys([paths] if isinstance(paths, str) else paths, 0)
    },
    "$replaceWith": lambda root: {"$replaceRoot": {"newRoot": root}},
}
