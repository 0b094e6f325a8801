"""Rate limits by tier."""

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


def sign_in_tier(view: View) -> View:
    """A route that makes or opens accounts: counted by address, few a window."""
    view.rate_tier = "sign-in"  # type: ignore[attr-defined]
    return view
