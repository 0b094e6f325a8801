"""Make the answers of two stores comparable, and remember the objects that they name.

Ids, references and tokens are random. Each store's are replaced by symbols in the order in which
they first appear, so that two answers that name different objects still differ.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from werkzeug.test import TestResponse

# ObjectIds, references of bookings, JSON web tokens and cursors, other tokens with their prefixes.
RANDOM = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{24}(?![0-9a-f])|EVT-[0-9A-Z]{6}\b|eyJ[\w.=-]{16,}"
    r"|\b(?:ev[a-z]|lnk|whsec|msg)_[\w-]{6,}",
    re.ASCII,
)
# The fields that hold other random values, if these are long. Short codes are of errors and of
# promotions.
RANDOM_FIELDS = frozenset({"token", "secret", "code", "key", "publicKey", "qr"})
MIN_RANDOM_LENGTH = 30
# Headers that differ from request to request. Whether there is one is compared.
VARYING_HEADERS = frozenset({"Date", "Content-Length", "ETag", "X-Request-Id", "Last-Modified"})
COMPARED_TEXTS = ("text/", "application/json", "application/problem+json")


class Symbols:
    """Replaces the random values of one store by symbols."""

    def __init__(self) -> None:
        self._symbols: dict[str, str] = {}

    def replace(self, text: str) -> str:
        """Return a text with symbols in place of its random parts."""
        return RANDOM.sub(lambda match: self.name(match[0]), text)

    def name(self, value: str) -> str:
        """Return the symbol of a random value."""
        return self._symbols.setdefault(value, f"<{len(self._symbols) + 1}>")

    def normalize(self, value: Any, field: str = "") -> Any:
        """Return a JSON value with symbols in place of the random values in it."""
        if isinstance(value, dict):
            return {self.replace(name): self.normalize(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.normalize(each, field) for each in value]
        if not isinstance(value, str):
            return value
        if field in RANDOM_FIELDS and len(value) >= MIN_RANDOM_LENGTH:
            return self.name(value)
        return self.replace(value)


def describe(response: TestResponse, symbols: Symbols, *, has_timed_cursor: bool) -> dict[str, Any]:
    """Return what must be equal in the answers of both stores.

    Args:
        has_timed_cursor: a cursor in the answer depends on the true time. Whether it equals an
            earlier one says nothing, so only its presence is compared.
    """
    body = read_body(response)
    if has_timed_cursor and isinstance(body, dict) and body.get("nextCursor"):
        body = {**body, "nextCursor": ""}
    headers = {
        name: "" if name in VARYING_HEADERS else symbols.replace(value)
        for name, value in sorted(response.headers.items())
    }
    return {
        "status": response.status_code,
        "headers": headers,
        "body": symbols.normalize(body),
    }


def read_body(response: TestResponse) -> Any:
    """Return the JSON value or the text of an answer; None for pictures and other files."""
    if response.is_json:
        return response.get_json()
    is_text = response.mimetype.startswith(COMPARED_TEXTS)
    return response.get_data(as_text=True) if is_text else None


class KnownObjects:
    """What the answers so far have named, as pairs of both stores' values, by kinds.

    The kind of a value is the name of its field, and that of an `_id` the field of its object:
    `{"bookings": [{"_id": ..., "reference": ...}]}` names a `booking` and a `reference`.
    """

    def __init__(self) -> None:
        self._pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)

    def add(self, kind: str, values: tuple[str, str]) -> None:
        """Remember a value of both stores, unless it is known."""
        if values not in self._pairs[kind]:
            self._pairs[kind].append(values)

    def add_answers(self, bodies: tuple[Any, Any]) -> None:
        """Remember the values of two answers, which are equal but for random values."""
        for kind, values in _walk(*bodies, ""):
            self.add(kind, values)

    def find(self, kind: str, number: int) -> tuple[str, str]:
        """Return the value with this number, from the newest; one that nothing has if none."""
        known = self._pairs[kind]
        return known[-1 - number % len(known)] if known else ("0" * 24, "0" * 24)


def _walk(first: Any, second: Any, kind: str, field: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(first, dict):
        parent = field.removesuffix("s") or kind
        for (name, value), other in zip(first.items(), second.values(), strict=True):
            yield from _walk(value, other, parent, name)
    elif isinstance(first, list):
        for one, other in zip(first, second, strict=True):
            yield from _walk(one, other, kind, field)
    elif isinstance(first, str) and first != second:
        yield (kind if field in ("_id", "id") else field), (first, second)
