"""Replace functions of a library in the eyes of one module alone.

`monkeypatch.setattr(module.socket, "getaddrinfo", ...)` replaces the function for the whole
process, so threads that other tests left behind call it, too.
"""

from types import ModuleType, SimpleNamespace

import pytest


def replace_seen(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, library: str, **replacements
) -> None:
    """Let `module` see these functions in a library that it imports; the rest stays as it is."""
    original = vars(getattr(module, library))
    monkeypatch.setattr(module, library, SimpleNamespace(**{**original, **replacements}))
