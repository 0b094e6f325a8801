"""Passwords to hashes and back again to yes or no. Slow on purpose: call it last."""

import bcrypt

MAX_BYTES = 72
# A salt and a digest that no password has; with its rounds it costs what a real hash costs.
_NOBODY = "NoPasswordHasThisHash." + "." * 31


def hash_password(password: str, rounds: int) -> str:
    """The bcrypt hash of a password of at most 72 bytes; `rounds` is the power of two."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds)).decode()


def verify_password(password: str, hashed: str | None, rounds: int) -> bool:
    """True where `hashed` is the hash of `password`; as slow where there is none (None)."""
    stored = hashed or f"$2b${rounds:02d}${_NOBODY}"
    given = password.encode()
    fits = len(given) <= MAX_BYTES
    same = bcrypt.checkpw(given[:MAX_BYTES], stored.encode())
    return same and fits and hashed is not None


def needs_rehash(hashed: str, rounds: int) -> bool:
    """True where the hash was made with another number of rounds than is now asked for."""
    return not hashed.startswith(f"$2b${rounds:02d}$")
