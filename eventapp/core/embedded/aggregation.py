"""Aggregation: an initial `$match` that uses indexes and text search, then mongomock's stages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymongo.errors import WriteError

from eventapp.core.embedded.mongomock_internals import Document, MongomockOperators
from eventapp.core.embedded.operations import CollectionOperations, MatchedDocuments
from eventapp.core.embedded.updates import require_same_id
from eventapp.core.embedded.values import copy_as_stored, copy_for_caller

_UPDATE_STAGES = frozenset(
    ("$set", "$addFields", "$unset", "$project", "$replaceRoot", "$replaceWith")
)
_BAD_VALUE = 2


def run_pipeline(
    operations: CollectionOperations, pipeline: Sequence[Mapping[str, Any]]
) -> list[Document]:
    """Run a pipeline, in which `$text` may occur only in an initial `$match`.

    Raises:
        NotImplementedError: mongomock does not support a stage or an operator.
    """
    stages = copy_as_stored({"stages": list(pipeline)})["stages"]
    query = stages.pop(0)["$match"] if stages and "$match" in stages[0] else {}
    matches = operations.match(query)
    documents = [copy_as_stored(document) for document in matches.documents]
    results = _run_stages(operations.mongomock_operators, documents, _rewrite_stages(stages))
    return [copy_for_caller(result) for result in results]


def apply_pipeline(
    mongomock: MongomockOperators, document: Document, pipeline: Sequence[Mapping[str, Any]]
) -> Document:
    """Return the document that results from an update by a pipeline, as it is stored.

    Raises:
        WriteError: a stage is not allowed in an update, or the `_id` would change.
    """
    stages = copy_as_stored({"stages": list(pipeline)})["stages"]
    if refused := [name for stage in stages for name in stage if name not in _UPDATE_STAGES]:
        raise WriteError(f"{refused[0]} is not allowed to be used within an update", _BAD_VALUE)
    rewritten = _rewrite_stages(stages)
    (result,) = mongomock.run_stages([copy_as_stored(document)], rewritten)
    return require_same_id(document, copy_as_stored(result))


def _run_stages(
    mongomock: MongomockOperators, documents: list[Document], stages: list[Document]
) -> list[Document]:
    """Run the stages one by one.

    Without documents, `$group` and `$count` are skipped: mongomock would return a result for them.
    """
    for stage in stages:
        ((name, options),) = stage.items()
        if name == "$facet":
            facets = {
                title: _run_stages(mongomock, documents, inner) for title, inner in options.items()
            }
            documents = [facets]
        elif name == "$sort":
            matches = MatchedDocuments(list(documents))
            matches.sort(list(options.items()))
            documents = matches.documents
        elif documents or name not in ("$group", "$count"):
            documents = list(mongomock.run_stages(documents, [stage]))
    return documents


def _rewrite_stages(stages: list[Document]) -> list[Document]:
    """Replace the stages that mongomock does not support by stages that it supports."""
    rewritten: list[Document] = []
    for stage in stages:
        ((name, options),) = stage.items()
        if name == "$facet":
            facets = {title: _rewrite_stages(inner) for title, inner in options.items()}
            rewritten.append({name: facets})
        elif name in _REWRITES:
            rewritten.extend(_REWRITES[name](options))
        else:
            rewritten.append({name: options})
    return rewritten


def _rewrite_unset(paths: Any) -> list[Document]:
    return [{"$project": dict.fromkeys([paths] if isinstance(paths, str) else paths, 0)}]


def _rewrite_replace_with(root: Any) -> list[Document]:
    return [{"$replaceRoot": {"newRoot": root}}]


def _rewrite_sort_by_count(expression: Any) -> list[Document]:
    return [{"$group": {"_id": expression, "count": {"$sum": 1}}}, {"$sort": {"count": -1}}]


_REWRITES: dict[str, Callable[[Any], list[Document]]] = {
    "$unset": _rewrite_unset,
    "$replaceWith": _rewrite_replace_with,
    "$sortByCount": _rewrite_sort_by_count,
}
