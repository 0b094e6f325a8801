"""Refuse bodies that are too large for their schema before marshmallow validates their content.

marshmallow loads every element of a list before it checks the length, and the time for unknown
fields grows with the square of their number. So a body of 1 MB could take many seconds. After the
check of this module, the work on a body is bounded by the greatest lengths that its schema accepts.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from eventapp.core.http.fields import ListBody

MAX_FAULTS = 20  # the most faults that one answer names


def find_excess(schema: Schema, body: object) -> dict[str, list[str]]:
    """Return the messages for lists that are too long and for objects with many unknown fields.

    An object with at most MAX_FAULTS unknown fields is left to marshmallow.

    Returns:
        The messages of the first MAX_FAULTS faults, by their dotted paths; empty without a fault.
    """
    return dict(islice(_iter_excess(schema, body, ""), MAX_FAULTS))


def _iter_excess(schema: Schema, value: object, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(schema, ListBody) and isinstance(value, list):
        value = schema.wrap_list(value)
    if not isinstance(value, Mapping):
        return
    declared = {field.data_key or name: field for name, field in schema.load_fields.items()}
    if schema.unknown == RAISE and len(value) > len(declared) + MAX_FAULTS:
        message = schema.error_messages["unknown"]
        yield from ((f"{path}{name}", [message]) for name in value if name not in declared)
    for name, field in declared.items():
        if name in value and isinstance(field, fields.List | fields.Nested):
            yield from _iter_field_excess(field, value[name], f"{path}{name}")


def _iter_field_excess(
    field: fields.List[Any] | fields.Nested, value: object, path: str
) -> Iterator[tuple[str, list[str]]]:
    if isinstance(field, fields.Nested) and not field.many:
        yield from _iter_excess(field.schema, value, f"{path}.")
    elif isinstance(value, list):
        if messages := _find_length_errors(field, value):
            yield path, messages
            return
        for index, element in enumerate(value):
            if isinstance(field, fields.Nested):
                yield from _iter_excess(field.schema, element, f"{path}.{index}.")
            elif isinstance(field.inner, fields.List | fields.Nested):
                yield from _iter_field_excess(field.inner, element, f"{path}.{index}")


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
