"""The environment, checked once, as one frozen Config. `.env.example` explains each setting."""

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import timedelta
from email.utils import getaddresses
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from marshmallow import EXCLUDE, Schema, ValidationError, validate
from marshmallow import fields as ma

ROOT = Path(__file__).resolve().parent.parent
SECRET_BYTES = 32
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class ConfigError(Exception):
    """A setting that cannot be served with; its one line names the setting."""


class Duration(ma.Field[timedelta]):
    """`90s`, `15m`, `12h` or `30d`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> timedelta:
        match = re.fullmatch(r"([1-9]\d{0,8})([smhd])", str(value))
        if not match:
            raise ValidationError("must be a number and s, m, h or d, as in 15m")
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Words(ma.Field[tuple[str, ...]]):
    """A comma-separated list."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> tuple[str, ...]:
        return tuple(word.strip() for word in str(value).split(",") if word.strip())


class Sender(ma.String):
    """One mail address, with a name before it or not: a bad one would spoil every mail."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        found = getaddresses([text])
        user, _, domain = found[0][1].rpartition("@") if len(found) == 1 else ("", "", "")
        if not (user and domain and text.isprintable()):
            raise ValidationError("must be as Events <events@example.org>")
        return text


class ServerUrl(ma.String):
    """One of these schemes, a host, a port or not; `like` is one that would do."""

    def __init__(self, *schemes: str, like: str) -> None:
        super().__init__(load_default=None)
        self._schemes, self._like = schemes, like

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        try:
            parts = urlsplit(text)
            sound = parts.scheme in self._schemes and parts.hostname and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise ValidationError(f"must be as {self._like}")
        return text


def _whole(default: int | None, low: int, high: int) -> ma.Integer:
    return ma.Integer(load_default=default, validate=validate.Range(low, high))


def _positive(default: float) -> ma.Float:
    return ma.Float(
        load_default=default, validate=validate.Range(0, 1e6, min_inclusive=default == 0)
    )


def _one_of(default: str | None, *choices: str) -> ma.String:
    return ma.String(load_default=default, validate=validate.OneOf(choices))


def _matching(pattern: str, words: str) -> ma.String:
    return ma.String(load_default=None, validate=validate.Regexp(pattern, error=words))


class SettingsSchema(Schema):
    """Every setting, its default and what it may be, in the order of settings.md."""

    class Meta:
        unknown = EXCLUDE

    MONGO_URI = _matching(r"mongodb(\+srv)?://.+", "must start with mongodb:// or mongodb+srv://")
    INSTANCE_DIR = ma.String(load_default="instance")
    APP_ENV = _one_of("development", "development", "production")
    HOST = ma.String(load_default="127.0.0.1")
    PORT = _whole(10000, 1, 65535)
    WEB_CONCURRENCY = _whole(None, 1, 256)
    PUBLIC_BASE_URL = _matching(r"https?://[^\s]+", "must be an http or https URL")
    JWT_SECRET = ma.String(load_default=None)
    JWT_EXPIRES_IN = Duration(load_default=timedelta(minutes=15))
    JWT_REFRESH_EXPIRES_IN = Duration(load_default=timedelta(days=30))
    BCRYPT_ROUNDS = _whole(12, 4, 16)
    CORS_ORIGINS = Words(load_default=None)
    TRUSTED_PROXIES = _whole(0, 0, 10)
    RATE_LIMIT_ENABLED = ma.Boolean(load_default=True)
    RATE_LIMIT_WINDOW_MS = _whole(900_000, 1000, 86_400_000)
    RATE_LIMIT_MAX_REQUESTS = _whole(1000, 1, 10**9)
    RATE_LIMIT_STORAGE_URI = _matching(
        r"(memory|mongodb(\+srv)?|rediss?)://.*", "must be a memory, mongodb or redis URI"
    )
    MAX_TICKETS_PER_BOOKING = _whole(10, 1, 10_000)
    MAX_TICKETS_PER_USER = _whole(10, 1, 10_000)
    CANCELLATION_CUTOFF_HOURS = _positive(24)
    HOLD_MINUTES = _positive(10)
    WAITLIST_OFFER_MINUTES = _positive(30)
    CURRENCY = ma.String(
        load_default="EUR", validate=validate.Regexp(r"[A-Z]{3}$", error="must be a code as EUR")
    )
    SMTP_URL = ServerUrl("smtp", "smtps", like="smtp://user:pass@host:port")
    MAIL_FROM = Sender(load_default=None)
    CACHE_URL = ServerUrl("redis", "rediss", like="redis://user:pass@host:port/0")
    DEMO_OPEN = ma.Boolean(load_default=False)
    LOG_LEVEL = _one_of("info", "debug", "info", "warning", "error")
    LOG_FORMAT = _one_of(None, "text", "json")


@dataclass(frozen=True)
class Config:
    """One setting a field, named as in the environment but in lower case.

    `mongo_uri` None means the embedded store; `cors_origins` None means unsaid.
    """

    mongo_uri: str | None
    instance_dir: Path
    app_env: str
    host: str
    port: int
    web_concurrency: int
    public_base_url: str | None
    jwt_secret: str
    jwt_expires_in: timedelta
    jwt_refresh_expires_in: timedelta
    bcrypt_rounds: int
    cors_origins: tuple[str, ...] | None
    trusted_proxies: int
    rate_limit_enabled: bool
    rate_limit_window_ms: int
    rate_limit_max_requests: int
    rate_limit_storage_uri: str | None
    max_tickets_per_booking: int
    max_tickets_per_user: int
    cancellation_cutoff_hours: float
    hold_minutes: float
    waitlist_offer_minutes: float
    currency: str
    smtp_url: str | None
    mail_from: str | None
    cache_url: str | None
    demo_open: bool
    log_level: str
    log_format: str

    @property
    def production(self) -> bool:
        return self.app_env == "production"


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """The settings of `.env` and the environment (which wins), or of `environ` alone.

    Raises:
        ConfigError: a value is missing, malformed or too weak; its text names the setting.
    """
    if environ is None:
        environ = {**_dotenv(ROOT / ".env"), **os.environ}
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    try:
        settings = SettingsSchema().load(given)
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from None
    values = {name.lower(): value for name, value in settings.items()}
    values["instance_dir"] = (ROOT / values["instance_dir"]).resolve()
    _settle_workers(values)
    _settle_environment(values)
    values["log_format"] = values["log_format"] or _by_env(values, "json", "text")
    return Config(**{field.name: values[field.name] for field in fields(Config)})


def _dotenv(path: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def _one_line(error: ValidationError) -> str:
    messages = error.messages_dict
    return "; ".join(f"{name}: {' '.join(map(str, said))}" for name, said in messages.items())


def _by_env(values: dict[str, Any], production: Any, development: Any) -> Any:
    return production if values["app_env"] == "production" else development


def _settle_workers(values: dict[str, Any]) -> None:
    embedded = values["mongo_uri"] is None
    if embedded and (values["web_concurrency"] or 1) > 1:
        raise ConfigError(
            "WEB_CONCURRENCY: the embedded store serves one process; set MONGO_URI for more"
        )
    if values["web_concurrency"] is None:
        values["web_concurrency"] = 1 if embedded else (os.cpu_count() or 1)


def _settle_environment(values: dict[str, Any]) -> None:
    production = values["app_env"] == "production"
    if production and values["demo_open"]:
        raise ConfigError("DEMO_OPEN: is refused when APP_ENV is production")
    secret = values["jwt_secret"]
    if secret is None and production:
        raise ConfigError("JWT_SECRET: must be set when APP_ENV is production")
    if secret is None:
        values["jwt_secret"] = _kept_secret(values["instance_dir"] / "jwt_secret")
    elif len(secret.encode()) < SECRET_BYTES or (production and len(set(secret)) < 8):
        raise ConfigError(f"JWT_SECRET: must be random and at least {SECRET_BYTES} bytes long")


def _kept_secret(path: Path) -> str:
    """The development secret of `path`, made on first use; two starts at once agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".jwt_secret.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()
