"""Split plain text that a person has typed into paragraphs, lines and links.

Templates write each piece, and escape it. Only addresses that begin with `https://` or `http://`
become links.
"""

import re
from typing import NamedTuple

_PARAGRAPH_END = re.compile(r"\n\s*\n")
_ADDRESS = re.compile(r"https?://[^\s<>\"'\\^`{|}]{1,500}", re.IGNORECASE)
# What ends a sentence or closes a bracket is rarely the end of an address.
_TRAILING = ".,;:!?)]…»"


class Piece(NamedTuple):
    """A part of a line; `url` is None unless it is a link."""

    text: str
    url: str | None = None


def split_text(text: str) -> list[list[list[Piece]]]:
    """Return the paragraphs of a text, each as its lines, each as its pieces."""
    paragraphs = _PARAGRAPH_END.split(text.replace("\r\n", "\n").strip())
    return [[_split_line(line) for line in each.split("\n")] for each in paragraphs if each]


def _split_line(line: str) -> list[Piece]:
    pieces, end = [], 0
    for match in _ADDRESS.finditer(line):
        url = match[0].rstrip(_TRAILING)
        pieces += [Piece(line[end : match.start()]), Piece(url, url)]
        end = match.start() + len(url)
    return [piece for piece in (*pieces, Piece(line[end:])) if piece.text]


def shorten(text: str, max_length: int) -> str:
    """Return a text on one line, cut at a word and ended by `…` if it is longer than allowed.

    Args:
        max_length: in characters.
    """
    line = " ".join(text.split())
    if len(line) <= max_length:
        return line
    cut = line[: max_length - 1]
    return cut.rpartition(" ")[0].rstrip(_TRAILING) + "…" if " " in cut else cut + "…"
