"""The house rules of architecture.md, read off the source; each fault says its remedy."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "eventapp"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in HOUSE.rglob("*.py"))
FEATURE_FILES = [
    name for name in FILES if name.count("/") > 1 and not name.startswith("eventapp/core/")
]

# Each feature may call the services of those after it, never of those before it.
ORDER = (
    "android",
    "messages",
    "tickets",
    "bookings",
    "waitlist",
    "inventory",
    "events",
    "favorites",
    "accounts",
    "notifications",
    "media",
)
# They may call any feature's service, and no feature may call them.
ONLOOKERS = ("analytics", "jobs", "health")

# What each room may enter: rooms of its own feature, modules of core, libraries. True: all.
Allowed = frozenset[str] | bool
ROOMS: dict[str, tuple[frozenset[str], Allowed, Allowed]] = {
    "routes": (frozenset({"routes", "service", "schemas"}), True, True),
    "service": (frozenset({"service", "rules", "store", "errors"}), True, True),
    "store": (frozenset({"store"}), frozenset({"mongo"}), frozenset({"pymongo", "bson", "gridfs"})),
    "schemas": (frozenset({"schemas", "rules"}), frozenset({"fields"}), frozenset({"marshmallow"})),
    "errors": (frozenset({"errors"}), frozenset({"errors"}), frozenset()),
    "rules": (frozenset({"rules"}), frozenset(), frozenset()),
}
# What a room that may use most libraries may not: the database is the store's, HTTP the routes'.
REFUSED_LIBRARIES = {
    "routes": {"pymongo"},
    "service": {"pymongo", "flask", "werkzeug", "flask_smorest", "marshmallow"},
}
REFUSED_CORE = {"service": {"http"}}
# Readiness is asked of the database itself, which has no feature and so no store.
EXCEPTIONS = {("eventapp/health/routes.py", "pymongo.errors")}


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules a source imports, `from package import module` as package.module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (_module(base, alias.name) for alias in node.names)


def _module(base: str, name: str) -> str:
    return f"{base}.{name}" if (ROOT / base.replace(".", "/")).is_dir() else base


def place(name: str) -> tuple[str, str]:
    """Feature and room of a file: eventapp/events/routes_parts.py is events, routes."""
    parts = name.removesuffix(".py").split("/")
    return parts[1], parts[2].split("_")[0]


def import_faults(name: str, source: str) -> list[str]:
    """What a feature's file imports that it may not, each with its remedy."""
    feature, room = place(name)
    if room == "":  # __init__.py
        return [] if not list(imports(ast.parse(source))) else ["move the code into a room"]
    if room not in ROOMS:
        return [f"no such room; rename the file to {', '.join(ROOMS)} or one of them and _more"]
    found = sorted(set(imports(ast.parse(source))))
    faults = ((module, _fault(feature, room, module)) for module in found)
    return [
        f"imports {module}: {fault}"
        for module, fault in faults
        if fault and (name, module) not in EXCEPTIONS
    ]


def _fault(feature: str, room: str, module: str) -> str | None:
    own, core, libraries = ROOMS[room]
    parts = module.split(".")
    if parts[0] != "eventapp":
        return _library_fault(room, parts[0], libraries)
    if len(parts) < 3:
        allowed = module == "eventapp.config" and room == "routes"
        return None if allowed else "only create_app sees all; take it as an argument"
    if parts[1] == "core":
        allowed = core is True or (core is not False and parts[2] in core)
        refused = parts[2] in REFUSED_CORE.get(room, ())
        return None if allowed and not refused else f"a {room} file may not use this part of core"
    entered = parts[2].split("_")[0]
    if parts[1] == feature:
        return None if entered in own else f"a {room} file may enter only {sorted(own)} of its own"
    return _crossing_fault(feature, room, parts[1], entered)


def _library_fault(room: str, library: str, allowed: Allowed) -> str | None:
    if library in sys.stdlib_module_names:
        return None
    if library in REFUSED_LIBRARIES.get(room, ()) or not (allowed is True or library in allowed):
        return f"not for a {room} file; database calls go to store, HTTP to routes and schemas"
    return None


def _crossing_fault(feature: str, room: str, other: str, entered: str) -> str | None:
    if room != "service" or entered != "service":
        return f"go from service to service: let this feature's service call {other}'s service"
    if other in ONLOOKERS:
        return f"nobody may call {other}; move what is needed into a feature that may be called"
    if feature not in ONLOOKERS and ORDER.index(other) <= ORDER.index(feature):
        return f"features call one way, {' -> '.join(ORDER)}: pass a function in, or move the code"
    return None


def core_faults(source: str) -> list[str]:
    """What core imports of the features."""
    return [
        f"imports {module}: core knows no feature; take it as an argument"
        for module in imports(ast.parse(source))
        if module.split(".")[0] == "eventapp"
        and not module.startswith(("eventapp.core.", "eventapp.config"))
    ]


def calls() -> dict[str, set[str]]:
    """Which features each feature imports."""
    found: dict[str, set[str]] = {}
    for name in FEATURE_FILES:
        feature = place(name)[0]
        modules = imports(ast.parse((ROOT / name).read_text()))
        parts = (module.split(".") for module in modules)
        others = {p[1] for p in parts if p[0] == "eventapp" and len(p) > 2}
        found.setdefault(feature, set()).update(others - {feature, "core"})
    return found


def nearest(calls: dict[str, set[str]]) -> set[tuple[str, str]]:
    """The calls that no longer way implies: the arrows of the picture in docs/architecture.md."""

    def beyond(feature: str) -> set[str]:
        return {further for other in calls[feature] for further in calls[other] | beyond(other)}

    return {(one, other) for one in calls for other in calls[one] - beyond(one)}


def drawn(page: str) -> set[tuple[str, str]]:
    """The arrows between features of a page's picture."""
    features = page.partition("subgraph features")[2].partition("\n    end")[0]
    return set(re.findall(r"(\w+) --> (\w+)", features))


def style_faults(source: str) -> list[str]:
    """Imports in functions, and nets that catch everything."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            faults += [f"line {n.lineno}: import at the top of the file" for n in inner]
        if isinstance(node, ast.ImportFrom) and node.level:
            faults.append(f"line {node.lineno}: name the whole module, eventapp.feature.room")
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
            faults.append(f"line {node.lineno}: catch the errors you expect, by name")
    return faults


def _is_broad(caught: ast.expr | None) -> bool:
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    names = {node.id for node in each if isinstance(node, ast.Name)}
    return caught is None or bool(names & {"Exception", "BaseException"})
