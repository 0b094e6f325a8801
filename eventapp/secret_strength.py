"""Decide whether a secret for signing tokens can be guessed."""

import re

MIN_BYTES = 32
# A random text of 32 hexadecimal digits has about 14 different ones, and 29 pairs of neighbours.
MIN_DISTINCT_CHARACTERS, MIN_DISTINCT_PAIRS = 8, 20
# What examples consist of, such as `your-secret-key-change-in-production`. The longest come first.
_EXAMPLE_WORDS = (
    *("cryptographically", "development", "placeholder", "characters", "production", "generated"),
    *("eventapp", "insecure", "jsonwebtoken", "password", "required", "supersecret", "tickest"),
    *("change", "django", "example", "minimum", "private", "replace", "signing", "refresh"),
    *("access", "before", "change", "default", "deploy", "random", "please", "secret", "secure"),
    *("should", "string", "sample", "server", "strong", "unique", "value", "about", "bytes"),
    *("chars", "event", "flask", "least", "local", "super", "token", "using", "very", "this"),
    *("your", "with", "here", "long", "must", "auth", "bits", "dev", "env", "for", "jwt", "key"),
    *("and", "app", "not", "only", "prod", "test", "that", "the", "use", "you", "min", "at", "be"),
    *("do", "in", "is", "it", "me", "my", "of", "or", "to", "a", "i", "so"),
)
_WORD = re.compile(rf"(?<![a-z])(?:{'|'.join(_EXAMPLE_WORDS)})+(?![a-z])", re.IGNORECASE)
# Random secrets that documentation prints: of Flask, of FastAPI, and of tutorials on Spring and
# Node.js. They are known to everybody.
_PUBLISHED = frozenset(
    (
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",
        "a3f$k9#mp2@nq8!xz5&wr7*vt1^yu6%sl4jd0bc",
    )
)


def find_length_fault(secret: str) -> str | None:
    """Return why a secret is too short, or None if it is long enough."""
    if len(secret.encode()) < MIN_BYTES:
        return f"must be random and at least {MIN_BYTES} bytes long"
    return None


def find_secret_fault(secret: str) -> str | None:
    """Return why a secret can be guessed, or None if it seems to be random.

    It can be guessed if it is printed in documentation, if it consists of the words of examples, or
    if it repeats a few characters.
    """
    if fault := find_length_fault(secret):
        return fault
    if secret.lower() in _PUBLISHED or len(re.findall(r"[^\W_]", _WORD.sub("", secret))) < 16:
        return "is an example; make a random one of your own"
    pairs = set(zip(secret, secret[1:], strict=False))
    if len(set(secret)) < MIN_DISTINCT_CHARACTERS or len(pairs) < MIN_DISTINCT_PAIRS:
        return "repeats a few characters; it must be random"
    return None
