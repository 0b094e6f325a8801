"""The positional operators of an update: `$`, `$[]` and `$[name]` become array indexes."""

from collections.abc import Iterator, Mapping
from typing import Any

from pymongo.errors import WriteError

from eventapp.core.embedded.mongomock_engine import Document, fits, value_at

_BAD_VALUE = 2


def conditions(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the (path, condition) pairs that must all hold, `$and` opened."""
    for path, condition in spec.items():
        if path == "$and":
            for clause in condition:
                yield from conditions(clause)
        elif not path.startswith("$"):
            yield path, condition


def concrete(
    document: Document, path: str, spec: Document, filters: list[Document]
) -> Iterator[str]:
    """Yield `path` with each `$`, `$[]` and `$[name]` replaced by the indexes it stands for."""
    parts = path.split(".")
    wild = next((at for at, part in enumerate(parts) if part.startswith("$")), None)
    if wild is None:
        yield path
        return
    prefix, part = ".".join(parts[:wild]), parts[wild]
    for index in _indexes(_array(document, prefix), prefix, part, spec, filters):
        narrowed = ".".join([prefix, str(index), *parts[wild + 1 :]])
        yield from concrete(document, narrowed, spec, filters)


def _array(document: Document, path: str) -> list[Any]:
    value = value_at(path, document)
    if not isinstance(value, list):
        raise WriteError(f"The path '{path}' must exist and be an array", _BAD_VALUE)
    return value


def _indexes(
    array: list[Any], prefix: str, part: str, spec: Document, filters: list[Document]
) -> list[int]:
    if part == "$[]":
        return list(range(len(array)))
    if part == "$":
        return [_matched(array, prefix, spec)]
    name = part[2:-1]
    chosen = [one for one in filters if all(key.split(".")[0] == name for key in one)]
    if not chosen:
        raise WriteError(f"No array filter found for identifier '{name}'", _BAD_VALUE)
    return [at for at, item in enumerate(array) if fits(chosen[0], {name: item})]


def _matched(array: list[Any], prefix: str, spec: Document) -> int:
    """Return the index of the first item that the filter's conditions on this array fit."""
    wanted = [
        {"item" + path[len(prefix) :]: condition}
        for path, condition in conditions(spec)
        if path == prefix or path.startswith(prefix + ".")
    ]
    for at, item in enumerate(array):
        if wanted and all(fits(one, {"item": [item]}) for one in wanted):
            return at
    raise WriteError(
        "The positional operator did not find the match needed from the query", _BAD_VALUE
    )
