"""Hash and verify passwords with bcrypt. Both are slow on purpose, so call them last."""

import bcrypt

MAX_BYTES = 72  # bcrypt reads no more of a password.
# A salt and a digest that belong to no password. Verifying against them takes as long as against a
# real hash, so that response times do not tell which accounts exist.
_UNKNOWN_USER_DIGEST = "NoPasswordHasThisHash." + "." * 31


def hash_password(password: str, rounds: int) -> str:
    """Return the hash of a password of at most MAX_BYTES bytes. Its cost is 2**rounds."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds)).decode()


def verify_password(password: str, hashed: str | None, rounds: int) -> bool:
    """Return True if `hashed` is the hash of `password`.

    Args:
        hashed: None if there is no such user, which is False after the same time.
        rounds: the cost in that case.
    """
    stored = hashed or f"$2b${rounds:02d}${_UNKNOWN_USER_DIGEST}"
    encoded = password.encode()
    is_short_enough = len(encoded) <= MAX_BYTES
    is_same = bcrypt.checkpw(encoded[:MAX_BYTES], stored.encode())
    return is_same and is_short_enough and hashed is not None


def needs_rehash(hashed: str, rounds: int) -> bool:
    """Return True if a hash was made with another cost than the settings ask for now."""
    return not hashed.startswith(f"$2b${rounds:02d}$")
