"""What the classes that stand in for those of PyMongo have in common: options, sorts and type."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias

from bson.codec_options import CodecOptions
from pymongo.write_concern import WriteConcern

from eventapp.core.embedded.mongomock_internals import Document

# (path, direction) pairs; a direction is 1 or -1.
Sort: TypeAlias = Sequence[tuple[str, Any]]

# Options that only matter to a server.
_IGNORED_OPTIONS = frozenset(
    {
        "allowDiskUse",
        "allow_disk_use",
        "allow_partial_results",
        "batchSize",
        "batch_size",
        "bypass_document_validation",
        "comment",
        "hint",
        "maxTimeMS",
        "max_time_ms",
        "no_cursor_timeout",
    }
)
_UNSUPPORTED_OPTIONS = frozenset(("session", "collation", "let"))


def refuse_sort(options: Mapping[str, Any]) -> None:
    """Raise TypeError if there is an option `sort`, which PyMongo's method does not have."""
    if "sort" in options:
        raise TypeError("unexpected option 'sort'")


def check_options(options: Mapping[str, Any]) -> None:
    """Check the options of a call, and ignore those that make no difference in memory.

    Raises:
        NotImplementedError: the store does not support an option that would change the result.
        TypeError: PyMongo has no such option.
    """
    for name, value in options.items():
        if name in _UNSUPPORTED_OPTIONS:
            if value is not None:
                raise NotImplementedError(f"the embedded store has no {name}")
        elif name not in _IGNORED_OPTIONS:
            raise TypeError(f"unexpected option {name!r}")


def parse_sort(key_or_list: Any, direction: Any = None) -> Sort:
    """Return a sort as (path, direction) pairs; PyMongo accepts it in several forms."""
    if isinstance(key_or_list, str):
        return [(key_or_list, 1 if direction is None else direction)]
    if isinstance(key_or_list, Mapping):
        return list(key_or_list.items())
    return [(item, 1) if isinstance(item, str) else (item[0], item[1]) for item in key_or_list]


class PyMongoStandIn:
    """Stands in for a class of PyMongo, even for `isinstance`.

    `gridfs` checks the class of a database, and copies it with other options.
    """

    stands_in_for: type  # the class of PyMongo that `isinstance` and `__class__` report
    codec_options: CodecOptions[Document] = CodecOptions(tz_aware=True)
    write_concern = WriteConcern()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.stands_in_for

    def with_options(self, *_: Any, **__: Any) -> Self:
        """Return the same object: concerns and preferences do not matter in one process."""
        return self
