"""Read the settings of the file `.env`, and refuse what is probably a mistake in it."""

from collections.abc import Collection
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

# How similar a name must be to that of a setting to be taken for a misspelt one: `JWT_SECRE` is,
# and the names that other programs read from the same file are not.
SIMILARITY = 0.8


class DotenvError(Exception):
    """The file cannot be read, or has a mistake. The text is one line and names the place."""


def read_dotenv(path: Path, known_names: Collection[str]) -> dict[str, str]:
    """Return the values in the file by their names; nothing if there is no file.

    Args:
        known_names: the names of all settings.

    Raises:
        DotenvError: the file cannot be read, a line is no assignment, or a name is nearly that of a
            setting. Values are not part of the text, because they may be secrets.
    """
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DotenvError(f"{path} cannot be read: {reason}") from error
    for binding in parse_stream(StringIO(text)):
        # The text of a binding begins with the blank lines before it.
        blank = binding.original.string[: -len(binding.original.string.lstrip()) or None]
        line = binding.original.line + blank.count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            raise DotenvError(f"line {line} of {path} cannot be read; it must look like NAME=value")
        if binding.key is not None:
            _refuse_misspelt(binding.key, known_names, f"line {line} of {path}")
    values = dotenv_values(stream=StringIO(text))
    return {name: value for name, value in values.items() if value is not None}


def _refuse_misspelt(name: str, known_names: Collection[str], place: str) -> None:
    if name in known_names:
        return
    similar = get_close_matches(name.upper(), known_names, n=1, cutoff=SIMILARITY)
    if similar:
        raise DotenvError(f"{name} in {place} is no setting; did you mean {similar[0]}?")
