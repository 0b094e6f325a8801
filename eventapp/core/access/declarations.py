"""Check at the start that every route has declared which callers it accepts."""

from flask import Flask

from eventapp.core.access.actions import PERMISSION_TABLE
from eventapp.core.access.permissions import PERMISSION_DECORATORS


def require_declared_permissions(app: Flask) -> None:
    """Check that every route declares which callers it accepts, as its row in the table says.

    Raises:
        RuntimeError: a route has no such decorator or no row, a row has no route, or a row and the
            decorator of its route differ.
    """
    table, views = PERMISSION_TABLE.get(app), app.view_functions
    decorated = {name: getattr(view, "permission", None) for name, view in views.items()}
    undeclared = sorted(name for name, permission in decorated.items() if permission is None)
    if undeclared:
        decorators = ", ".join(PERMISSION_DECORATORS)
        raise RuntimeError(f"decorate with one of {decorators}: {undeclared}")
    if missing := sorted(set(decorated) - set(table)):
        raise RuntimeError(f"add a row to eventapp/permission_table.py for {missing}")
    if unknown := sorted(set(table) - set(decorated)):
        raise RuntimeError(f"eventapp/permission_table.py has rows without a route: {unknown}")
    for name, permission in decorated.items():
        if permission != table[name].callers:
            expected = table[name].callers
            raise RuntimeError(f"{name} is for {permission}, but by its row for {expected}")
