"""Configure logging: one format for this application and its libraries, with secrets removed."""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from eventapp.config import Config

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


def _hide_secrets(text: str) -> str:
    return _SECRET_TEXT.sub(
        lambda match: REDACTED if match["lacks_parts"] is None else match[0], text
    )


def redact_secrets(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replace the values of a log line whose name or form shows that they are secret."""
    for name, value in line.items():
        if _SECRET_NAME.search(name) and value is not None:
            line[name] = REDACTED
        elif isinstance(value, str):
            line[name] = _hide_secrets(value)
        elif isinstance(value, dict | list | tuple):
            line[name] = _hide_secrets(str(value))
    return line


def configure_logging(config: Config) -> None:
    """Log to standard error, as LOG_LEVEL and LOG_FORMAT say.

    Libraries log only warnings and errors, in the same format.
    """
    level = getattr(logging, config.log_level.upper())
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_secrets,
    ]
    renderer = _make_renderer(config)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _configure_library_logging(processors, renderer)


def _make_renderer(config: Config) -> Processor:
    if config.log_format == "text":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(default=str)


def _configure_library_logging(processors: list[Processor], renderer: Processor) -> None:
    root = logging.getLogger()
    for handler in tuple(root.handlers):
        if isinstance(handler.formatter, ProcessorFormatter):
            root.removeHandler(handler)
    library_handler: logging.StreamHandler[Any] = logging.StreamHandler(sys.stderr)
    library_handler.setLevel(logging.WARNING)
    library_handler.setFormatter(
        ProcessorFormatter(
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=processors,
        )
    )
    root.addHandler(library_handler)
