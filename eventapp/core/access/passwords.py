"""Check, hash and verify passwords. Hashing and verifying are slow on purpose: call them last.

Passwords are hashed in the form of RFC 8265 (OpaqueString): in NFC, because a Mac sends an accent
as a character of its own and a phone does not, and with every space as an ASCII space. Hashes of
earlier versions are of passwords as they were typed.
"""

import unicodedata

import bcrypt

# bcrypt ignores what follows the first 72 bytes, so longer passwords are refused.
MAX_PASSWORD_BYTES = 72
# A salt and a digest that belong to no password. Verifying against them takes as long as against a
# real hash, so that response times do not reveal which accounts exist.
_UNKNOWN_USER_DIGEST = "NoPasswordHasThisHash." + "." * 31


def normalize_password(password: str) -> str:
    """Return a password in the form in which it is measured and hashed."""
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in password)
    return unicodedata.normalize("NFC", spaced)


def find_password_error(password: str, min_length: int) -> str | None:
    """Return what is wrong with a new password, or None if it is valid.

    Args:
        min_length: the least number of characters.
    """
    password = normalize_password(password)
    if len(password) < min_length:
        return f"Must have at least {min_length} characters."
    # The categories of control characters, and of surrogates, which UTF-8 cannot encode.
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in password):
        return "Must not hold control characters."
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return f"Must have at most {MAX_PASSWORD_BYTES} bytes."
    return None


def hash_password(password: str, rounds: int) -> str:
    """Return the hash of a password without an error. Its cost is 2**rounds."""
    return bcrypt.hashpw(normalize_password(password).encode(), bcrypt.gensalt(rounds)).decode()


def verify_password(password: str, hashed: str | None, rounds: int) -> bool:
    """Return True if `hashed` is the hash of `password`, in its normalized or an older form.

    Args:
        hashed: None if there is no such user. The result is then False, after the same time.
        rounds: the cost of the comparison if `hashed` is None: 2**rounds, as in `hash_password`.
    """
    stored = hashed or f"$2b${rounds:02d}${_UNKNOWN_USER_DIGEST}"
    # Every form is tried for an unknown user, too. Passwords of ASCII have a single form.
    is_same = any(_is_same(form, stored) for form in _list_forms(password))
    return is_same and hashed is not None


def needs_rehash(password: str, hashed: str, rounds: int) -> bool:
    """Return True if the hash of a right password is of another cost or form than new ones.

    Args:
        rounds: the cost of new hashes.
    """
    if not hashed.startswith(f"$2b${rounds:02d}$"):
        return True
    normalized, *older_forms = _list_forms(password)
    return bool(older_forms) and not _is_same(normalized, hashed)


def _list_forms(password: str) -> list[str]:
    """Return the forms in which a password may have been hashed, the normalized one first."""
    decomposed = unicodedata.normalize("NFD", password)
    return list(dict.fromkeys((normalize_password(password), password, decomposed)))


def _is_same(password: str, hashed: str) -> bool:
    # No stored password contains a lone surrogate, so these bytes match none.
    encoded = password.encode(errors="surrogatepass")
    is_short_enough = len(encoded) <= MAX_PASSWORD_BYTES
    is_same = bcrypt.checkpw(encoded[:MAX_PASSWORD_BYTES], hashed.encode())
    return is_same and is_short_enough
