"""Configure logging: one format for this application and its libraries, with secrets removed."""

import json
import logging
import re
import sys
from functools import lru_cache
from typing import Any, TextIO, cast

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from eventapp.config import Config
from eventapp.core.log_writer import LogWriter

REDACTED = "[hidden]"
_SECRET_NAME = re.compile(r"passw|token|secret|authorization|cookie|hash", re.IGNORECASE)
# A JSON web token, an API token or a pairing code, the secret of a page session, the key of a link
# to unsubscribe, the key and the token of the link of a booking, a bcrypt hash, a bearer token, the
# user and password of a URI, and the keys of a payment provider. The first part of a JSON web token
# is matched without the others too. A search for the others from each "eyJ" of a long text would
# need quadratic time.
_SECRET_TEXT = re.compile(
    r"eyJ[\w-]+(?P<lacks_parts>(?!\.[\w-]+\.))?(?:\.[\w-]+\.[\w-]*)?"
    r"|ev[tp]_[A-Za-z0-9]{40}"
    r"|\b(?:uns|lnk|lnt|evs)_[\w.-]{20,}"
    r"|\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}"
    r"|(?<=Bearer )\S+"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|\b(?:[sr]k_(?:test|live)_|whsec_)[\w+/=-]+|(?<=_secret_)\w{10,}"
)
# Each secret contains or follows one of these. The search for them takes a tenth of the time that
# the pattern takes.
_HINTS = (
    *("eyJ", "evt_", "evp_", "uns_", "lnk_", "lnt_", "evs_", "$2", "Bearer ", "://"),
    *("k_test_", "k_live_", "whsec_", "_secret_"),
)
# What the renderer of structlog puts beside or below the values of a line.
_SPECIAL_NAMES = frozenset({"exception", "exc_info", "stack", "logger", "logger_name"})
_is_shown_bare = re.compile(r"[^ \t=\r\n\"']*").fullmatch
_encode_json = json.JSONEncoder(default=str).encode


@lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """Return a text with what has the form of a secret replaced."""
    for hint in _HINTS:
        if hint in text:
            return _SECRET_TEXT.sub(
                lambda match: REDACTED if match["lacks_parts"] is None else match[0], text
            )
    return text


def redact_secrets(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replace the values of a log line whose name or form shows that they are secret."""
    for name, value in line.items():
        if value is not None and _is_secret_name(name):
            line[name] = REDACTED
        elif isinstance(value, str):
            line[name] = redact_text(value)
        elif isinstance(value, dict | list | tuple):
            line[name] = redact_text(str(value))
    return line


class PlainRenderer:
    """Renders lines as `ConsoleRenderer` does without colors, but most of them ten times as fast.

    A server writes a line for each request, and its other work takes not much longer.
    """

    def __init__(self) -> None:
        self._render_special = structlog.dev.ConsoleRenderer(colors=False)

    def __call__(self, logger: WrappedLogger, method: str, line: EventDict) -> str:
        """Return the text of a line."""
        if not _SPECIAL_NAMES.isdisjoint(line):
            return self._render_special(logger, method, line)
        start = f"{line.pop('timestamp')} [{line.pop('level'):<9}] {line.pop('event')!s:<30}"
        values = [f"{name}={_show_value(line[name])}" for name in sorted(line)]
        return " ".join((start, *values)).rstrip(" ")


def _show_value(value: object) -> str:
    return value if isinstance(value, str) and _is_shown_bare(value) else repr(value)


def configure_logging(config: Config) -> LogWriter:
    """Log to standard error, as LOG_LEVEL and LOG_FORMAT say.

    Libraries log only warnings and errors, in the same format.

    Returns:
        The writer of all lines. It queues none before it is started.
    """
    level = getattr(logging, config.log_level.upper())
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_secrets,
    ]
    renderer, writer = _make_renderer(config), LogWriter(sys.stderr)
    file = cast(TextIO, writer)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
    _configure_library_logging(processors, renderer, file)
    return writer


def _make_renderer(config: Config) -> Processor:
    if config.log_format == "text":
        return structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else PlainRenderer()
    return structlog.processors.JSONRenderer(lambda line, **_options: _encode_json(line))


def _configure_library_logging(
    processors: list[Processor], renderer: Processor, file: TextIO
) -> None:
    root = logging.getLogger()
    for handler in tuple(root.handlers):
        if isinstance(handler.formatter, ProcessorFormatter):
            root.removeHandler(handler)
    library_handler: logging.StreamHandler[Any] = logging.StreamHandler(file)
    library_handler.setLevel(logging.WARNING)
    library_handler.setFormatter(
        ProcessorFormatter(
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=processors,
        )
    )
    root.addHandler(library_handler)
