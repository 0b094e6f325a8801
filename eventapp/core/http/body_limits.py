"""Refuse bodies that are too large for their schema before marshmallow validates their content.

marshmallow loads every element of a list before it checks the length, and the time for unknown
fields grows with the square of their number. So a body of 1 MB could take many seconds. After the
check of this module, the work on a body is bounded by the greatest lengths that its schema accepts.
"""

from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from eventapp.core.http.fields import ListBody

MAX_FAULTS = 20  # the most faults that one answer names

# A field whose value is a list or an object.
PartField: TypeAlias = fields.List[Any] | fields.Nested


class _Shape(NamedTuple):
    """What is checked of the objects that a schema loads.

    Attributes:
        names: the declared fields, by their names in a body; None if others are accepted.
        parts: the fields that are lists or objects, by their names in a body.
    """

    names: frozenset[str] | None
    parts: tuple[tuple[str, PartField], ...]


@lru_cache(maxsize=256)
def _get_shape(schema: Schema) -> _Shape:
    declared = {field.data_key or name: field for name, field in schema.load_fields.items()}
    parts = tuple(
        (name, field)
        for name, field in declared.items()
        if isinstance(field, fields.List | fields.Nested)
    )
    return _Shape(frozenset(declared) if schema.unknown == RAISE else None, parts)


class _Faults(NamedTuple):
    """The messages by the dotted paths of the fields: of lists, and of unknown fields."""

    lengths: dict[str, list[str]]
    unknown: dict[str, list[str]]

    @property
    def are_enough(self) -> bool:
        """Whether the answer needs no further fault."""
        return len(self.lengths) + len(self.unknown) > MAX_FAULTS


def find_excess(schema: Schema, body: object) -> dict[str, list[str]]:
    """Return the messages for lists that are too long and for many unknown fields.

    A body with at most MAX_FAULTS unknown fields is left to marshmallow.

    Returns:
        The messages of at least the first MAX_FAULTS faults, by their dotted paths; empty without
        a fault.
    """
    if isinstance(schema, ListBody) and isinstance(body, list):
        body = schema.wrap_list(body)
    faults = _Faults({}, {})
    _check_object(schema, body, "", faults)
    if faults.lengths or faults.are_enough:
        return {**faults.lengths, **faults.unknown}
    return {}


def _check_object(schema: Schema, value: object, path: str, faults: _Faults) -> None:
    if not isinstance(value, dict):
        return
    names, parts = _get_shape(schema)
    if names is not None and len(value) > len(names):
        unknown = islice((name for name in value if name not in names), MAX_FAULTS + 1)
        message = schema.error_messages["unknown"]
        faults.unknown.update({f"{path}{name}": [message] for name in unknown})
    for name, field in parts:
        if name in value and not faults.are_enough:
            _check_part(field, value[name], f"{path}{name}", faults)


def _check_part(field: PartField, value: object, path: str, faults: _Faults) -> None:
    if isinstance(field, fields.Nested) and not field.many:
        _check_object(field.schema, value, f"{path}.", faults)
    elif isinstance(value, list):
        if messages := _find_length_errors(field, value):
            faults.lengths[path] = messages
        elif isinstance(field, fields.Nested):
            for index, each in enumerate(value):
                _check_object(field.schema, each, f"{path}.{index}.", faults)
        elif isinstance(field.inner, fields.Nested | fields.List):
            for index, each in enumerate(value):
                _check_part(field.inner, each, f"{path}.{index}", faults)


def _find_length_errors(field: fields.Field[Any], value: list[object]) -> list[str]:
    """Return the messages of the validators by which the list is too long."""
    messages: list[str] = []
    for validator in field.validators:
        if isinstance(validator, validate.Length) and len(value) > get_max_length(validator):
            try:
                validator(value)
            except ValidationError as error:
                messages += [str(message) for message in error.messages]
    return messages


def get_max_length(validator: validate.Length) -> float:
    """Return the greatest length that the validator accepts; infinity without one."""
    limits = [limit for limit in (validator.max, validator.equal) if limit is not None]
    return min(limits, default=float("inf"))
