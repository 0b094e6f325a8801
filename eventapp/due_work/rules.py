"""Decide when an item that failed is tried again."""

import re
from datetime import datetime, timedelta

# The pause after the first failed attempt. It doubles with every further one.
FIRST_PAUSE = timedelta(seconds=5)
# About 20 minutes after the first failure.
MAX_ATTEMPTS = 8
# How often an item is tried that was set aside. It is also the longest pause.
SET_ASIDE_PAUSE = timedelta(hours=1)
MAX_ERROR_LENGTH = 500
ADDRESS = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")


def schedule_next_attempt(attempts: int, now: datetime) -> datetime:
    """Return the time of the next attempt after this number of failed ones."""
    if is_set_aside(attempts):
        return now + SET_ASIDE_PAUSE
    pause: timedelta = FIRST_PAUSE * 2 ** (attempts - 1)
    return now + min(pause, SET_ASIDE_PAUSE)


def is_set_aside(attempts: int) -> bool:
    """Return whether an item with this number of failed attempts is set aside."""
    return attempts >= MAX_ATTEMPTS


def describe_error(error: BaseException) -> str:
    """Return the class and the text of an error in one line of at most MAX_ERROR_LENGTH.

    Mail addresses are left out: an error may quote a document, and the text is stored and shown.
    """
    text = ADDRESS.sub("[address]", f"{type(error).__name__}: {error}")
    return " ".join(text.split())[:MAX_ERROR_LENGTH]
