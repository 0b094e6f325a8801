"""Check the syntax of email addresses. Only sending a mail shows whether an address exists."""

import re

MAX_EMAIL = 254
# These patterns are also part of the OpenAPI document, so they use only syntax that Python and the
# regular expressions of JSON Schema share.
_NOT_IN_LOCAL_PART = r"""@\s\ufeff\x00-\x1f\x7f-\x9f<>()\[\],;:"\\"""
# ASCII letters, digits and hyphens, and letters of other scripts.
_LABEL = r"[^\s\ufeff\x00-\x2c./\x3a-\x40\x5b-\x60\x7b-\x9f]+"
EMAIL_PATTERN = rf"[^{_NOT_IN_LOCAL_PART}]+@{_LABEL}(?:\.{_LABEL})+"


def find_email_error(email: str) -> str | None:
    """Return what is wrong with the syntax of an email address, or None if it is correct."""
    if len(email) > MAX_EMAIL:
        return f"Must have at most {MAX_EMAIL} characters."
    if not re.fullmatch(EMAIL_PATTERN, email) or any(
        "\ud800" <= char <= "\udfff" for char in email
    ):
        return "Not a valid email address."
    return None
