"""Named points in the crash-safe protocols at which a test can stop or delay a process."""

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Mark a point that follows one write of a protocol. Without a hook, do nothing."""
    if _hook is not None:
        _hook(name)


def set_failpoint_hook(hook: Callable[[str], None] | None) -> None:
    """Call `hook` with the name of every failpoint that is passed; None removes the hook.

    Only tests use this.
    """
    global _hook
    _hook = hook
