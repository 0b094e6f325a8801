"""Log lines: the same for ours and the libraries', and no secret in any of them."""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from eventapp.config import Config

HIDDEN = "[hidden]"
_SECRET_NAME = re.compile(r"passw|token|secret|authorization|cookie|hash", re.IGNORECASE)
# A JSON web token, a bcrypt hash, a bearer header, the user and password of a URI.
_SECRET_TEXT = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}"
    r"|(?<=Bearer )\S+"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)


def hide_secrets(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Take out what is secret by its name, or by how it looks."""
    for name, value in line.items():
        if _SECRET_NAME.search(name) and value is not None:
            line[name] = HIDDEN
        elif isinstance(value, str):
            line[name] = _SECRET_TEXT.sub(HIDDEN, value)
        elif isinstance(value, dict | list | tuple):
            line[name] = _SECRET_TEXT.sub(HIDDEN, str(value))
    return line


def configure_logging(config: Config) -> None:
    """Lines to standard error, as text or JSON, from `LOG_LEVEL` up; libraries' warnings too."""
    level = getattr(logging, config.log_level.upper())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    renderer = _renderer(config)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _adopt_libraries(shared, renderer)


def _renderer(config: Config) -> Processor:
    if config.log_format == "text":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(default=str)


def _adopt_libraries(shared: list[Processor], renderer: Processor) -> None:
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler.formatter, ProcessorFormatter):
            root.removeHandler(handler)
    adopted: logging.StreamHandler[Any] = logging.StreamHandler(sys.stderr)
    adopted.setLevel(logging.WARNING)
    adopted.setFormatter(
        ProcessorFormatter(
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    root.addHandler(adopted)
