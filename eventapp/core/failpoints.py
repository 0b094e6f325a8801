"""Named points in the crash-safe protocols at which a test can stop or delay a process."""

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Call the hook, if a test has set one. Call this after each write of a protocol."""
    if _hook is not None:
        _hook(name)


def set_failpoint_hook(hook: Callable[[str], None] | None) -> None:
    """Set the function that receives the name of every failpoint passed; None removes it.

    Only tests use this.
    """
    global _hook
    _hook = hook
