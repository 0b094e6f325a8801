"""Check the syntax of email addresses, and compare and encode them.

Only sending a mail shows whether an address exists. A domain with letters that are not in ASCII has
two forms, such as `münchen.de` and `xn--mnchen-3ya.de` (IDNA, RFC 5890), which are the same domain.
"""

import re

import idna

from eventapp.core.textsearch import fold_account_name

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


def encode_email_domain(email: str) -> str:
    """Return an address with its domain in ASCII, unchanged if the domain is not valid."""
    local_part, at, domain = email.rpartition("@")
    if domain.isascii():
        return email
    try:
        return local_part + at + idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return email


def make_email_key(email: str) -> str:
    """Return an address in the form that is the same for all its spellings.

    Case and Unicode form are folded, and the domain is in letters, not in ASCII.
    """
    local_part, at, domain = fold_account_name(email).rpartition("@")
    return local_part + at + fold_account_name(_decode_domain(domain))


def list_email_keys(email: str) -> list[str]:
    """Return the keys under which the account of an address may be stored, as typed first.

    Earlier versions stored the key with the domain as it was typed.
    """
    present = make_email_key(email)
    return list(dict.fromkeys((fold_account_name(email), present, encode_email_domain(present))))


def _decode_domain(domain: str) -> str:
    if "xn--" not in domain:
        return domain
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain
