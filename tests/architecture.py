"""The layers and directions of docs/architecture.md, as tables, and the code that checks imports.

Each fault says how to mend it. `tests/test_architecture.py` runs the checks.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "eventapp"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py"))

# Features, top to bottom: each may call the services of those after it, never of those before it.
FEATURE_ORDER = (
    "android",
    "webhooks",
    "messages",
    "webhooks",
    "devices",
    "tickets",
    "receipts",
    "announcements",
    "bookings",
    "payments",
    "waitlist",
    "promotions",
    "inventory",
    "organizers",
    "events",
    "favorites",
    "accounts",
    "notifications",
    "media",
    "due_work",
)
# The only modules that may catch every error: one records what fails, and the other lets Flask
# answer what it could not.
CATCH_EVERYTHING = ("eventapp/due_work/service.py", "eventapp/core/http/early_answers.py")
# These may call the services of every feature. No feature may call them, except that `jobs` runs a
# job of `analytics`.
OBSERVERS = ("analytics", "jobs", "health", "pages")

# Core, bottom to top. A module may import its own package or module, and those of its own group and
# of the groups above it in this list.
CORE_ORDER = (
    ("errors", "clock", "waiting", "json", "roles", "languages", "failpoints"),
    ("permits", "slots"),
    ("metrics", "translations", "textsearch", "geography", "lru_cache"),
    ("calendar_rendering", "calendar_files"),
    ("paging", "app_key"),
    ("log_writer",),
    ("logging",),
    ("embedded",),
    ("database",),
    ("batching", "batched_reads", "shared_cache"),
    ("access",),
    ("http",),
    ("streams",),
    ("server",),
)

# The layer of every module whose file name is not itself the name of a layer. The layer of a folder
# holds for all files in it that are not named with the folder.
LAYERS: dict[str, dict[str, str]] = {
    "accounts": {
        "checks": "service",
        "editing": "service",
        "email_change_mails": "service",
        "email_changes": "service",
        "email_rules": "rules",
        "email_voids": "service",
        "store_email_changes": "store",
        "api_token_schemas": "schemas",
        "api_token_types": "types",
        "api_tokens": "service",
        "device_tokens": "service",
        "store_api_tokens": "store",
        "store_device_tokens": "store",
        "erasures": "service",
        "mail_preferences": "service",
        "mail_requests": "service",
        "store_mail_preferences": "store",
        "mail_tokens": "service",
        "recovery": "service",
        "verification": "service",
        "organizers": "service",
        "page_sessions": "service",
        "photos": "service",
        "session_lists": "service",
        "sessions": "service",
        "login_attempts": "service",
        "login_back_off": "rules",
        "store_attempts": "store",
        "store_erasures": "store",
        "store_mail_tokens": "store",
        "store_recovery": "store",
        "store_sessions": "store",
    },
    "analytics": {
        "admin": "service",
        "attendee_tables": "service",
        "attendees_csv": "rules",
        "bookings_csv": "rules",
        "csv_tables": "rules",
        "event_figures": "service",
        "event_sums": "service",
        "money": "rules",
        "money_csv": "rules",
        "money_sums": "service",
        "money_tables": "service",
        "payments": "service",
        "ranking": "service",
        "sales_sums": "service",
        "segments": "rules",
        "server_health": "service",
        "store_figures": "store",
        "schemas_payments": "schemas",
        "store_money": "store",
        "store_payments": "store",
        "store_ranking": "store",
        "store_sums": "store",
    },
    "announcements": {"log_notes": "service", "sending": "service"},
    "bookings": {
        "attendee_schemas": "schemas",
        "attendees": "service",
        "bodies": "types",
        "holders": "service",
        "quote_schemas": "schemas",
        "request_digests": "service",
        "store_holders": "store",
        "auditing": "service",
        "booked_entries": "service",
        "cell_counts": "service",
        "context": "service",
        "event_closing": "service",
        "event_transfer": "service",
        "event_waitlists": "service",
        "shown_holders": "service",
        "migration": "service",
        "ledger": "service",
        "ledger.entries": "rules",
        "ledger.store": "store",
        "ledger.types": "types",
        "links": "service",
        "link_schemas": "schemas",
        "store_links": "store",
        "notifications": "service",
        "recovery": "service",
        "payments": "service",
        "sales": "service",
        "offer_answers": "service",
        "payment_health": "service",
        "offer_lists": "service",
        "partial_cancellations": "service",
        "store_due": "store",
        "stock_audit": "service",
        "store_audits": "store",
        "store_copies": "store",
        "store_migration": "store",
        "store_moves": "store",
        "store_payments": "store",
        "store_payment_health": "store",
        "store_reports": "store",
        "ticket_places": "rules",
        "transitions": "service",
        "store_untold_holders": "store",
        "untold_holders": "service",
        "views": "rules",
        "waitlist_offers": "service",
    },
    "events": {
        "alerts": "service",
        "attendees": "service",
        "availability": "service",
        "bodies": "types",
        "cache": "cache",
        "calendar_feeds": "service",
        "changes": "types",
        "closures": "service",
        "current_schedules": "service",
        "deletions": "service",
        "duplicates": "service",
        "editing": "service",
        "event_log": "service",
        "organizer_pages": "service",
        "ownership": "service",
        "entry_filters": "filters",
        "entry_types": "types",
        "filter_types": "filters",
        "filters": "filters",
        "place_filters": "filters",
        "distance_search": "service",
        "index": "index",
        "list_pages": "service",
        "list_requests": "filters",
        "sales_rules": "types",
        "live_states": "service",
        "offer_conditions": "filters",
        "listing": "service",
        "log_entries": "rules",
        "log_lists": "service",
        "log_types": "types",
        "migration": "service",
        "photos": "service",
        "popularity": "service",
        "promo_codes": "types",
        "question_editing": "service",
        "question_types": "types",
        "questions": "rules",
        "public_changes": "service",
        "public_events": "service",
        "public_lists": "service",
        "schedule_times": "rules",
        "schedules": "service",
        "ticket_types": "rules",
        "quota_editing": "service",
        "quota_management": "service",
        "queues": "rules",
        "quotas": "rules",
        "stock_types": "types",
        "store_alerts": "store",
        "store_changes": "store",
        "store_deletions": "store",
        "store_ownership": "store",
        "store_schedules": "store",
        "store_listing": "store",
        "store_log": "store",
        "search_types": "types",
        "relevance": "rules",
        "corrections": "service",
        "store_migration": "store",
        "store_timekeeping": "store",
        "store_suggestions": "store",
        "suggesting": "service",
        "facet_counts": "service",
        "timekeeping": "service",
    },
    "favorites": {"batched_changes": "service"},
    "inventory": {
        "allocation": "service",
        "promo_codes": "rules",
        "entry_choice": "service",
        "entry_keys": "rules",
        "guards": "store",
        "in_flight": "service",
        "moves": "service",
        "nameable_types": "service",
        "quantity_limits": "service",
        "queues": "service",
        "quotas": "service",
        "repairs": "service",
        "sale_states": "service",
        "sale_windows": "rules",
        "store_promo_codes": "store",
        "store_repairs": "store",
        "store_waitlists": "store",
        "takes": "service",
    },
    "media": {"encoding": "service"},
    "messages": {"event_stream": "service"},
    "notifications": {
        "account_mails": "service",
        "account_texts": "rules",
        "live": "service",
        "mail_templates": "service",
        "mailed_bookings": "service",
        "notification_texts": "rules",
        "texts": "rules",
        "outbox": "service",
        "smtp": "service",
        "store_outbox": "store",
        "unsubscribing": "service",
    },
    "organizers": {"invitations": "service", "profiles": "service"},
    "pages": {
        "door_files": "service",
        "account_schemas": "schemas",
        "account_views": "service",
        "failures": "routes",
        "booking_cookie": "routes",
        "booking_page": "service",
        "page_language": "routes",
        "page_session": "routes",
        "payment": "service",
        "rendering": "routes",
        "sign_in": "service",
        "event_views": "service",
        "list_views": "service",
        "plain_text": "service",
        "sitemap": "service",
        "structured_data": "service",
        "static_files": "service",
        "console_access": "service",
        "console_pages": "routes",
    },
    "payments": {
        "bounded_calls": "service",
        "mock": "service",
        "provider": "service",
        "providers": "service",
        "states": "service",
        "store_events": "store",
        "stripe": "service",
        "stripe_settings": "rules",
        "webhooks": "service",
    },
    "receipts": {"pages": "service", "pdf": "service"},
    "tickets": {
        "attendee_lists": "service",
        "calendar_entry": "service",
        "check_ins": "service",
        "signing_key": "service",
    },
    "webhooks": {
        "addresses": "service",
        "deliveries": "service",
        "delivery_lists": "service",
        "documents": "routes",
        "facts": "service",
        "lookups": "service",
        "notices": "service",
        "payloads": "service",
        "personal_data": "service",
        "sending": "service",
        "signatures": "service",
        "store_deliveries": "store",
        "store_facts": "store",
        "transport": "service",
    },
    "waitlist": {
        "auditing": "service",
        "joining": "service",
        "listing": "service",
        "migration": "service",
        "notifications": "service",
        "store_audits": "store",
        "store_migration": "store",
    },
}

ALL: Literal[True] = True
Allowed = frozenset[str] | Literal[True]


class Layer:
    """What the modules of one layer may import.

    Attributes:
        own: the layers of the same feature.
        core: the modules and packages of `eventapp.core`; ALL for every one except `not_core`.
        libraries: the libraries besides the standard library; ALL for every one except
            `not_libraries`.
        services_of_others: True if it may import the services and caches of other features.
    """

    def __init__(
        self,
        *own: str,
        core: Allowed = frozenset(),
        not_core: frozenset[str] = frozenset(),
        libraries: Allowed = frozenset(),
        not_libraries: frozenset[str] = frozenset(),
        services_of_others: bool = False,
    ) -> None:
        self.own = frozenset(own)
        self.core, self.not_core = core, not_core
        self.libraries, self.not_libraries = libraries, not_libraries
        self.services_of_others = services_of_others

    def allows_core(self, name: str) -> bool:
        """Return True if the layer may import this module or package of core."""
        return _is_allowed(name, self.core, self.not_core)

    def allows_library(self, name: str) -> bool:
        """Return True if the layer may import this library, which is not the standard library."""
        return _is_allowed(name, self.libraries, self.not_libraries)


def _is_allowed(name: str, allowed: Allowed, refused: frozenset[str]) -> bool:
    return name not in refused and (allowed is ALL or name in allowed)


NOT_IN_SERVICES = frozenset({"pymongo", "flask", "werkzeug", "flask_smorest", "marshmallow"})
SERVICE = Layer(
    *("service", "rules", "types", "store", "errors", "filters", "index", "cache"),
    core=ALL,
    not_core=frozenset({"http"}),
    libraries=ALL,
    not_libraries=NOT_IN_SERVICES,
    services_of_others=True,
)
LAYER_RULES = {
    "routes": Layer(
        *("routes", "service", "cache", "schemas", "filters", "types"),
        core=ALL,
        libraries=ALL,
        not_libraries=frozenset({"pymongo"}),
    ),
    "schemas": Layer(
        *("schemas", "filters", "rules", "types"),
        core=frozenset({"http", "json", "roles", "languages"}),
        libraries=frozenset({"marshmallow"}),
    ),
    "service": SERVICE,
    # A filter of the list is declared in one place, which needs a part of every layer: its query
    # field (marshmallow), its database condition and its lookup in the index. `list_requests` holds
    # the filters of one request. Neither calls the database.
    "filters": Layer(
        *("filters", "rules", "types", "index"),
        core=frozenset({"http", "json", "database", "paging", "textsearch", "geography"}),
        libraries=frozenset({"marshmallow", "bson"}),
    ),
    # The event cache and the index are data structures behind an interface of their own.
    "cache": SERVICE,
    "index": SERVICE,
    "store": Layer(
        "store",
        "types",
        core=frozenset({"database"}),
        libraries=frozenset({"pymongo", "bson", "gridfs"}),
    ),
    "rules": Layer(
        *("rules", "types"),
        core=frozenset({"roles", "languages", "textsearch", "translations"}),
    ),
    "types": Layer("types", libraries=frozenset({"bson"})),
    "errors": Layer("errors", core=frozenset({"errors"})),
}
# The route for readiness asks the database itself, which belongs to no feature and has no store.
EXCEPTIONS = {("eventapp/health/routes.py", "pymongo.errors")}


def iter_imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that a source imports, `from package import module` as package.module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (_find_module(base, alias.name) for alias in node.names)


def _find_module(base: str, name: str) -> str:
    folder = ROOT / base.replace(".", "/")
    is_module = (folder / name).is_dir() or (folder / f"{name}.py").is_file()
    return f"{base}.{name}" if is_module else base


def find_feature(name: str) -> str | None:
    """Return the feature that a file belongs to; None for files of core and of the top level.

    Args:
        name: the path of the file, such as `eventapp/events/rules.py`.
    """
    parts = name.split("/")
    return parts[1] if len(parts) > 2 and parts[1] != "core" else None


def find_layer(module: str) -> str | None:
    """Return the layer of a module; None if none is declared.

    Args:
        module: the full name of the module, such as `eventapp.events.cache.loader`.
    """
    _, feature, *names = module.split(".")
    table = LAYERS.get(feature, {})
    first = names[0] if names else ""
    layer = table.get(".".join(names[:2])) or table.get(first)
    return layer or (first if first in LAYER_RULES else None)


def find_import_faults(name: str, source: str) -> list[str]:
    """Return what a feature's file imports that it may not, each with its remedy."""
    feature, module = find_feature(name), name.removesuffix(".py").replace("/", ".")
    assert feature, name
    if module == f"eventapp.{feature}.__init__":
        return [] if not list(iter_imports(ast.parse(source))) else ["move the code into a module"]
    layer = find_layer(module)
    if layer is None:
        return ["has no layer: declare it in LAYERS"]
    found = sorted(set(iter_imports(ast.parse(source))))
    faults = ((each, _find_fault(feature, layer, each)) for each in found)
    return [
        f"imports {each}: {fault}"
        for each, fault in faults
        if fault and (name, each) not in EXCEPTIONS
    ]


def _find_fault(feature: str, layer: str, module: str) -> str | None:
    rule, parts = LAYER_RULES[layer], module.split(".")
    if parts[0] != "eventapp":
        return _find_library_fault(layer, parts[0])
    if module == "eventapp.config":
        return None if layer == "routes" else "take the settings as arguments"
    if len(parts) < 3:
        return "only create_app sees every feature; take what you need as an argument"
    if parts[1] == "core":
        fits = rule.allows_core(parts[2])
        return None if fits else f"the {layer} layer may not use this part of core"
    imported = find_layer(module) or parts[2]
    if parts[1] == feature:
        fits = imported in rule.own
        return None if fits else f"the {layer} layer may use only {sorted(rule.own)} of its own"
    return _find_direction_fault(feature, layer, parts[1], imported)


def _find_library_fault(layer: str, library: str) -> str | None:
    if library in sys.stdlib_module_names or LAYER_RULES[layer].allows_library(library):
        return None
    return f"not in {layer}: database calls belong in a store, HTTP in routes and schemas"


def _find_direction_fault(feature: str, layer: str, other: str, imported: str) -> str | None:
    if imported == "types":
        fits = layer in ("service", "cache", "index", "types", "rules", "store")
        return None if fits else "routes and schemas do not name the types of other features"
    if not LAYER_RULES[layer].services_of_others or imported not in ("service", "cache"):
        return f"call {other}'s service from this feature's service"
    if other in OBSERVERS and (feature, other) != ("jobs", "analytics"):
        return f"nothing may call {other}; move what is needed into a feature that may be called"
    if feature not in OBSERVERS and FEATURE_ORDER.index(other) <= FEATURE_ORDER.index(feature):
        order = " -> ".join(FEATURE_ORDER)
        return f"features call in one direction, {order}: pass a function in, or move the code"
    return None


def find_core_rank(module: str) -> int:
    """Return the index in CORE_ORDER of the group that a module of core belongs to."""
    name = module.split(".")[2]
    for rank, group in enumerate(CORE_ORDER):
        if name in group:
            return rank
    raise LookupError(f"{module} has no place: declare it in CORE_ORDER")


def find_core_faults(name: str, source: str) -> list[str]:
    """Return what a file of core imports that it may not, each with its remedy."""
    module, faults = name.removesuffix(".py").replace("/", "."), []
    for each in set(iter_imports(ast.parse(source))):
        parts = each.split(".")
        if parts[0] != "eventapp" or each == "eventapp.config":
            continue
        if parts[1] != "core":
            faults.append(f"imports {each}: core knows no feature; take it as an argument")
        elif len(parts) > 2 and parts[2] != module.split(".")[2]:
            own, other = find_core_rank(module), find_core_rank(each)
            if other > own:
                faults.append(f"imports {each}, which stands above it in CORE_ORDER")
    return faults


def find_feature_calls() -> dict[str, set[str]]:
    """Return the features that each feature imports, by its name."""
    found: dict[str, set[str]] = {}
    for name in FILES:
        feature = find_feature(name)
        if feature:
            tree = ast.parse((ROOT / name).read_text())
            parts = (module.split(".") for module in iter_imports(tree))
            others = {p[1] for p in parts if p[0] == "eventapp" and len(p) > 2}
            found.setdefault(feature, set()).update(others - {feature, "core"})
    return found


def find_direct_calls(calls: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return the calls that no path of several calls implies: the arrows of docs/architecture.md.

    Args:
        calls: the features that each feature calls.
    """

    def find_called_indirectly(feature: str) -> set[str]:
        return {
            further
            for other in calls[feature]
            for further in calls[other] | find_called_indirectly(other)
        }

    return {(one, other) for one in calls for other in calls[one] - find_called_indirectly(one)}


def read_drawn_calls(page: str) -> set[tuple[str, str]]:
    """Return the arrows between features of a page's diagram."""
    features = page.partition("subgraph features")[2].partition("\n    end")[0]
    return set(re.findall(r"(\w+) --> (\w+)", features))


def read_drawn_layout(page: str) -> set[str]:
    """Return the paths of the tree under the heading Layout, folders without their slash."""
    tree = page.partition("## Layout")[2].split("```")[1]
    folders: list[str] = []
    paths: set[str] = set()
    for line in filter(str.strip, tree.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 4
        # Only a line at the top may name several folders. Three spaces separate its description.
        drawn = line.partition("   ")[0] if depth == 0 else line
        names = re.findall(r"\S+/(?=\s|$)|\S+\.py", drawn)
        for name in names if depth == 0 else names[:1]:
            path = "/".join([*folders[:depth], name.rstrip("/")])
            paths.add(path)
            folders[depth:] = [name.rstrip("/")]
    return paths


def find_packages() -> set[str]:
    """Return the folders of the package that hold modules."""
    return {path.parent.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("__init__.py")}


def find_untyped_access_faults(name: str, source: str) -> list[str]:
    """Return the places where a file reaches a service without a type, each with its remedy."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            returns_any = isinstance(node.returns, ast.Name) and node.returns.id == "Any"
            if returns_any and find_feature(name):
                faults.append(f"line {node.lineno}: {node.name} returns Any: name the type")
        if isinstance(node, ast.Attribute) and node.attr == "extensions":
            faults.append(f"line {node.lineno}: use an AppKey instead of a name in extensions")
    return faults if name != "eventapp/core/app_key.py" else []


# These modules import packages of 3 to 8 MB, and are imported where they are needed first.
LATE_IMPORTS = {
    "eventapp.core.calendar_rendering",
    "eventapp.core.embedded.client",
    "eventapp.media.encoding",
    "eventapp.payments.stripe",
    "eventapp.receipts.pdf",
}


# A server may delete nothing by these, and report no conflict, if a document changes meanwhile.
UNSURE_DELETES = {"delete_one", "find_one_and_delete"}


def find_style_faults(
    source: str, *, may_catch_everything: bool = False, may_delete: bool = False
) -> list[str]:
    """Return imports inside functions, relative imports, and handlers that catch everything.

    Also return deletions that may miss a document.
    """
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            faults += [
                f"line {n.lineno}: import at the top of the file"
                for n in inner
                if not (isinstance(n, ast.ImportFrom) and n.module in LATE_IMPORTS)
            ]
        if isinstance(node, ast.Attribute) and node.attr in UNSURE_DELETES and not may_delete:
            faults.append(f"line {node.lineno}: call core.database.delete_document")
        if isinstance(node, ast.ImportFrom) and node.level:
            faults.append(f"line {node.lineno}: name the whole module, eventapp.feature.module")
        is_handler = isinstance(node, ast.ExceptHandler) and not may_catch_everything
        if is_handler and _is_broad(node.type):
            faults.append(f"line {node.lineno}: catch the errors you expect, by name")
    return faults


def _is_broad(caught: ast.expr | None) -> bool:
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    names = {node.id for node in each if isinstance(node, ast.Name)}
    return caught is None or bool(names & {"Exception", "BaseException"})
