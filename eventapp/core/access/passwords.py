"""Check, hash and verify passwords. Hashing and verifying are slow on purpose: call them last."""

import unicodedata

import bcrypt

# bcrypt ignores what follows the first 72 bytes, so longer passwords are refused.
MAX_PASSWORD_BYTES = 72
# A salt and a digest that belong to no password. Verifying against them takes as long as against a
# real hash, so that response times do not reveal which accounts exist.
_UNKNOWN_USER_DIGEST = "NoPasswordHasThisHash." + "." * 31


def find_password_error(password: str, min_length: int) -> str | None:
    """Return what is wrong with a new password, or None if it is valid.

    Args:
        min_length: the least number of characters.
    """
    if len(password) < min_length:
        return f"Must have at least {min_length} characters."
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return f"Must have at most {MAX_PASSWORD_BYTES} bytes."
    # The categories of control characters, and of surrogates, which UTF-8 cannot encode.
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in password):
        return "Must not hold control characters."
    return None


def hash_password(password: str, rounds: int) -> str:
    """Return the hash of a password of at most MAX_PASSWORD_BYTES bytes. Its cost is 2**rounds."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds)).decode()


def verify_password(password: str, hashed: str | None, rounds: int) -> bool:
    """Return True if `hashed` is the hash of `password`.

    Args:
        hashed: None if there is no such user. The result is then False, after the same time.
        rounds: the cost of the comparison if `hashed` is None: 2**rounds, as in `hash_password`.
    """
    stored = hashed or f"$2b${rounds:02d}${_UNKNOWN_USER_DIGEST}"
    encoded = password.encode()
    is_short_enough = len(encoded) <= MAX_PASSWORD_BYTES
    is_same = bcrypt.checkpw(encoded[:MAX_PASSWORD_BYTES], stored.encode())
    return is_same and is_short_enough and hashed is not None


def needs_rehash(hashed: str, rounds: int) -> bool:
    """Return True if a hash was made at another cost than the settings name now."""
    return not hashed.startswith(f"$2b${rounds:02d}$")
