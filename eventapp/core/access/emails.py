"""What an email address looks like. Whose it is, is only known once it is written to."""

import re

MAX_EMAIL = 254
# In what JSON Schema's regular expressions and Python's have in common, for the API's document.
_APART = r"""@\s\ufeff\x00-\x1f\x7f-\x9f<>()\[\],;:"\\"""
# Of ASCII only letters, digits and hyphens; of other scripts what people have names in.
_LABEL = r"[^\s\ufeff\x00-\x2c./\x3a-\x40\x5b-\x60\x7b-\x9f]+"
PATTERN = rf"[^{_APART}]+@{_LABEL}(?:\.{_LABEL})+"


def find_email_error(email: str) -> str | None:
    """What is wrong with an email address, None when it is plausible."""
    if len(email) > MAX_EMAIL:
        return f"Must have at most {MAX_EMAIL} characters."
    if not re.fullmatch(PATTERN, email) or any("\ud800" <= char <= "\udfff" for char in email):
        return "Not a valid email address."
    return None
