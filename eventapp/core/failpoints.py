"""Names the steps of the crash-safe protocols, so that a test can stop a process at each."""

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def reached(step: str) -> None:
    """Called after each write of a protocol. Nothing listens but a test."""
    if _hook is not None:
        _hook(step)


def listen(hook: Callable[[str], None] | None) -> None:
    """Tests only: call `hook` with the name of each step, None to stop."""
    global _hook
    _hook = hook
