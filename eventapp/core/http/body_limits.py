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


def find_excess(schema: Schema, body: object) -> dict[str, list[str]]:
    """Return the messages for lists that are too long and for objects with many unknown fields.

    An object with at most MAX_FAULTS unknown fields is left to marshmallow.

    Returns:
        The messages of at least the first MAX_FAULTS faults, by their dotted paths; empty without
        a fault.
    """
    if isinstance(schema, ListBody) and isinstance(body, list):
        body = schema.wrap_list(body)
    errors: dict[str, list[str]] = {}
    _check_object(schema, body, "", errors)
    return errors


def _check_object(schema: Schema, value: object, path: str, errors: dict[str, list[str]]) -> None:
    if not isinstance(value, dict):
        return
    names, parts = _get_shape(schema)
    if names is not None and len(value) > len(names) + MAX_FAULTS:
        unknown = islice((name for name in value if name not in names), MAX_FAULTS)
        errors.update({f"{path}{name}": [schema.error_messages["unknown"]] for name in unknown})
    for name, field in parts:
        if name in value and len(errors) < MAX_FAULTS:
            _check_part(field, value[name], f"{path}{name}", errors)


def _check_part(field: PartField, value: object, path: str, errors: dict[str, list[str]]) -> None:
    if isinstance(field, fields.Nested) and not field.many:
        _check_object(field.schema, value, f"{path}.", errors)
    elif isinstance(value, list):
        if messages := _find_length_errors(field, value):
            errors[path] = messages
        elif isinstance(field, fields.Nested):
            for index, each in enumerate(value):
                _check_object(field.schema, each, f"{path}.{index}.", errors)
        elif isinstance(field.inner, fields.Nested | fields.List):
            for index, each in enumerate(value):
                _check_part(field.inner, each, f"{path}.{index}", errors)


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
