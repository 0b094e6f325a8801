"""Write CSV tables (RFC 4180) in UTF-8 that spreadsheets open correctly.

A table begins with a byte order mark. Without it, Excel reads UTF-8 in the machine's legacy code
page. A text that a spreadsheet would evaluate as a formula is prefixed with an apostrophe, because
texts come from users and must not run on the machine of the person who opens the table.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

BOM = b"\xef\xbb\xbf"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
ROWS_PER_CHUNK = 200


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Yield a table in chunks: a header row, and these rows of cells."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    yield BOM + _drain(buffer)
    for number, row in enumerate(rows, start=1):
        writer.writerow(row)
        if number % ROWS_PER_CHUNK == 0:
            yield _drain(buffer)
    if rest := _drain(buffer):
        yield rest


def prepend(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the first chunk and then the rest. Closing this generator closes the rest."""
    yield first
    yield from rest


def _drain(buffer: io.StringIO) -> bytes:
    """Return the content of the buffer and empty it."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def format_time(value: datetime) -> str:
    """Return a UTC time in the form of the API."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def format_number(value: float) -> str:
    """Return a whole number without decimals, and any other with two."""
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def escape_formula(text: str) -> str:
    """Return the text in a form that no spreadsheet evaluates."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
