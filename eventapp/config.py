"""Read the settings from the environment into one frozen `Config`.

Each setting is declared once, as a field of `Config`: its name, type, default, validators and help.
`scripts/settings_docs.py` writes `.env.example` and the table in README.md from these declarations,
and a test compares them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from marshmallow.validate import OneOf, Range, Regexp

from eventapp.core.clock import load_zone
from eventapp.dotenv_file import DotenvError, read_dotenv
from eventapp.instance_directory import UnsafeDirectory, load_or_create_secret, make_private
from eventapp.payment_keys import find_payment_fault
from eventapp.secret_strength import find_length_fault, find_secret_fault
from eventapp.setting_parser import InvalidSettings, parse_fields
from eventapp.setting_values import (
    Validator,
    is_loopback,
    make_url_validator,
    normalize_origin,
    validate_api_base,
    validate_base_url,
    validate_networks,
    validate_origins,
    validate_sender,
    validate_zone,
)

ROOT = Path(__file__).resolve().parent.parent


class ConfigError(Exception):
    """A setting has a value that the server cannot run with. The text is one line and names it."""


@dataclass(frozen=True)
class Setting:
    """The declaration of one setting.

    Attributes:
        default: the text that is read if the setting is unset, also shown in `.env.example`;
            None if an unset setting has no value.
        validators: called with the parsed value; each raises ValidationError if it refuses it.
        help: the meaning and unit of the setting, and of leaving it unset.
    """

    default: str | None
    validators: tuple[Validator, ...]
    help: str


def setting(
    default: str | None,
    *validators: Validator,
    help: str,  # noqa: A002
    is_secret: bool = False,
) -> Any:
    """Declare a setting, as a field of `Config` that has its name and type.

    Args:
        is_secret: True to leave it out of the `repr` of the settings.
    """
    return field(metadata={"setting": Setting(default, validators, help)}, repr=not is_secret)


@dataclass(frozen=True)
class Config:
    """The settings. Each field has the name of its environment variable in lower case.

    `load_config` computes an unset field that has no default and may not be None.
    """

    mongo_uri: str | None = setting(
        None,
        Regexp(r"mongodb(\+srv)?://.+", error="must start with mongodb:// or mongodb+srv://"),
        is_secret=True,
        help="The MongoDB database, such as mongodb://host:port/name. "
        "Unset: the embedded store, which serves one process.",
    )
    instance_dir: Path = setting(
        "instance",
        help="The directory of the embedded store and of generated secrets, "
        "relative to the project. It is closed to other users of the machine.",
    )
    app_env: str = setting(
        "development",
        OneOf(("development", "production")),
        help="development or production. Production refuses weak secrets and DEMO_OPEN.",
    )
    host: str = setting(
        "127.0.0.1",
        help="The address that `python wsgi.py` listens on. 0.0.0.0 accepts requests from other "
        "machines, such as a phone.",
    )
    port: int = setting("10000", Range(1, 65535), help="The port that `python wsgi.py` listens on.")
    web_concurrency: int = setting(
        None,
        Range(1, 256),
        help="Number of server processes. Unset: one for each CPU core, or 1 with the embedded "
        "store.",
    )
    public_base_url: str | None = setting(
        None,
        validate_base_url,
        help="What links to images and links in mails begin with, such as "
        "https://tickets.example.org. Production requires it. "
        "Unset: images use the host of the request, and mails use HOST and PORT.",
    )
    jwt_secret: str = setting(
        None,
        is_secret=True,
        help="The key that signs access and refresh tokens: at least 32 random bytes. Unset in "
        "development: a random key is made once and kept in INSTANCE_DIR.",
    )
    jwt_expires_in: timedelta = setting(
        "15m", help="Lifetime of access tokens: a number followed by s, m, h or d."
    )
    jwt_refresh_expires_in: timedelta = setting(
        "30d", help="Lifetime of refresh tokens and sessions, in the form of JWT_EXPIRES_IN."
    )
    bcrypt_rounds: int = setting(
        "12", Range(4, 16), help="Cost of a password hash, as a power of two."
    )
    cors_origins: tuple[str, ...] | None = setting(
        None,
        validate_origins,
        help="Origins whose pages may use the API in a browser, such as https://app.example.org, "
        "separated by commas; * allows all. Unset: all in development, none in production.",
    )
    trusted_proxies: int = setting(
        "0",
        Range(0, 10),
        help="Number of reverse proxies in front of the server whose X-Forwarded headers are "
        "trusted.",
    )
    proxy_addresses: tuple[str, ...] = setting(
        "",
        validate_networks,
        help="Addresses or networks of those proxies, separated by commas, such as 127.0.0.1 or "
        "10.0.0.0/8. MAX_IDLE_CONNECTIONS_PER_ADDRESS and MAX_STREAMS_PER_ADDRESS do not apply to "
        "them.",
    )
    max_idle_connections_per_address: int = setting(
        "64",
        Range(1, 100_000),
        help="Connections without a request in work that an address, or an IPv6 /64 network, may "
        "have to each server process. An open stream is in work.",
    )
    max_streams_per_address: int = setting(
        "100",
        Range(1, 100_000),
        help="Streams that an address, or an IPv6 /64 network, may have open at a time, to all "
        "server processes of a machine.",
    )
    rate_limit_enabled: bool = setting(
        "true", help="true or false. Tests and benchmarks set it to false."
    )
    rate_limit_window_ms: int = setting(
        "900000", Range(1000, 86_400_000), help="Length of the rate limit window, in milliseconds."
    )
    rate_limit_max_requests: int = setting(
        "1000",
        Range(1, 10**9),
        help="Reads that a user, or an address without a logged-in user, may make in a window. "
        "The limit of writes is a fifth of it, but at least 30. The limit of logins is a "
        "twentieth, but at least 10. Neither exceeds the limit of reads. Streams may be opened "
        "twice as often.",
    )
    rate_limit_storage_uri: str | None = setting(
        None,
        Regexp(
            r"(memory|mongodb(\+srv)?|rediss?)://.*", error="must be a memory, mongodb or redis URI"
        ),
        is_secret=True,
        help="Where requests are counted: memory://, mongodb://... or redis://... Unset: in the "
        "memory of each process.",
    )
    max_tickets_per_booking: int = setting(
        "10", Range(1, 10_000), help="Tickets that one booking may hold."
    )
    max_tickets_per_user: int = setting(
        "10", Range(1, 10_000), help="Tickets that one user may hold for one event."
    )
    cancellation_cutoff_hours: float = setting(
        "24",
        Range(0, 1e6),
        help="A confirmed booking can be cancelled until this many hours before the booked date "
        "begins: at its start, else at the first instant of the day in its time zone. May be a "
        "fraction.",
    )
    hold_minutes: float = setting(
        "10",
        Range(0, 1e6, min_inclusive=False),
        help="Minutes after which a hold that is not confirmed expires. May be a fraction.",
    )
    waitlist_offer_minutes: float = setting(
        "30",
        Range(0, 1e6, min_inclusive=False),
        help="Minutes for which an offer to the waitlist can be accepted. May be a fraction.",
    )
    currency: str = setting(
        "EUR",
        Regexp(r"[A-Z]{3}$", error="must be a code such as EUR"),
        help="ISO 4217 code of the currency of all prices.",
    )
    default_timezone: str = setting(
        "UTC",
        validate_zone,
        help="IANA name of the time zone of dates that name none, such as Europe/Athens. Lists of "
        "upcoming events also go by the date in this zone.",
    )
    payment_provider: str = setting(
        "mock",
        help="The payment provider of new charges: `mock`, which accepts every charge and moves no "
        "money, or `stripe`. docs/payments.md says how to set up Stripe.",
    )
    stripe_secret_key: str | None = setting(
        None,
        Regexp(r"[sr]k_(test|live)_\w+$", error="must begin with sk_test_, sk_live_ or rk_"),
        is_secret=True,
        help="The secret key of the Stripe account, or a restricted one. PAYMENT_PROVIDER=stripe "
        "requires it. Keep it while there are payments by Stripe: refunds need it, too.",
    )
    stripe_publishable_key: str | None = setting(
        None,
        Regexp(r"pk_(test|live)_\w+$", error="must begin with pk_test_ or pk_live_"),
        help="The publishable key of the Stripe account, which pages send to browsers. Without it, "
        "buyers can pay in apps but not on the pages. It needs the mode of STRIPE_SECRET_KEY.",
    )
    stripe_webhook_secret: str | None = setting(
        None,
        Regexp(r"whsec_[\w+/=-]+$", error="must begin with whsec_"),
        is_secret=True,
        help="The signing secret of the webhook endpoint at Stripe. STRIPE_SECRET_KEY requires it.",
    )
    stripe_api_base: str = setting(
        "https://api.stripe.com",
        validate_api_base,
        help="Where the API of Stripe is. Tests name an imitation on this machine.",
    )
    webhook_allow_private: bool = setting(
        "false",
        help="true lets webhooks be sent to private addresses, such as a receiver on this machine. "
        "Production refuses it.",
    )
    smtp_url: str | None = setting(
        None,
        make_url_validator("smtp", "smtps", example="smtp://user:pass@host:port"),
        is_secret=True,
        help="The mail server, such as smtp://user:pass@host:port. smtps:// uses TLS from the "
        "start; smtp:// uses STARTTLS if the server offers it. Certificates are verified. Unset: "
        "mails are logged instead of sent.",
    )
    mail_from: str | None = setting(
        None,
        validate_sender,
        help="The sender of mails, such as Events <events@example.org>. Links in mails begin with "
        "PUBLIC_BASE_URL, so set that too.",
    )
    require_verified_email: bool = setting(
        "false",
        help="true lets only accounts with a verified email address book and wait for tickets. In "
        "production it needs SMTP_URL.",
    )
    cache_mb: int = setting(
        "36",
        Range(10, 100_000),
        help="Memory that the caches of a server process may take, in MB (docs/caching.md).",
    )
    cache_url: str | None = setting(
        None,
        make_url_validator("redis", "rediss", example="redis://user:pass@host:port/0"),
        is_secret=True,
        help="A Redis cache that several machines share, such as redis://host:port/0. A request "
        "waits for it at most 0.05 s; ?socket_timeout=0.1 raises this limit. Unset: each process "
        "has only its own cache.",
    )
    demo_open: bool = setting(
        "false",
        help="true lets callers without a token use every endpoint of the Tickest client, for work "
        "on a frontend on this machine: HOST must be 127.0.0.1, ::1 or localhost. Production "
        "refuses it.",
    )
    log_level: str = setting(
        "info",
        OneOf(("debug", "info", "warning", "error")),
        help="The least severe level that is logged: debug, info, warning or error.",
    )
    log_format: str = setting(
        None,
        OneOf(("text", "json")),
        help="text or json. Unset: text in development, json in production.",
    )

    @property
    def is_production(self) -> bool:
        """Whether APP_ENV is production."""
        return self.app_env == "production"

    @property
    def public_origin(self) -> str | None:
        """The origin of PUBLIC_BASE_URL, as browsers send it; None if it is unset."""
        if self.public_base_url is None:
            return None
        parts = urlsplit(self.public_base_url)
        return normalize_origin(f"{parts.scheme}://{parts.netloc}")

    @property
    def default_zone(self) -> ZoneInfo:
        """The time zone that DEFAULT_TIMEZONE names."""
        return load_zone(self.default_timezone)


SETTINGS: dict[str, Setting] = {
    each.name.upper(): each.metadata["setting"] for each in fields(Config)
}


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """Return the settings.

    Args:
        environ: the values by name, where a blank value counts as unset. By default they come
            from the environment and, for names that are missing there, from the file `.env`.

    Raises:
        ConfigError: a value is missing, malformed or too weak.
    """
    if environ is None:
        environ = {**_read_dotenv(), **os.environ}
    config = _parse_config(environ)
    config = replace(
        config,
        instance_dir=(ROOT / config.instance_dir).resolve(),
        cors_origins=config.cors_origins and tuple(map(normalize_origin, config.cors_origins)),
    )
    worker_count = _choose_worker_count(config)
    _refuse_demo_in_public(config)
    if fault := find_payment_fault(config, has_log=bool(environ.get("STRIPE_LOG"))):
        raise ConfigError(fault)
    _prepare_instance_directory(config)
    secret = _choose_secret(config)
    if config.is_production and not config.public_base_url:
        raise ConfigError("PUBLIC_BASE_URL: must be set when APP_ENV is production")
    if config.is_production and config.webhook_allow_private:
        raise ConfigError("WEBHOOK_ALLOW_PRIVATE: is refused when APP_ENV is production")
    if config.is_production and config.require_verified_email and not config.smtp_url:
        raise ConfigError("REQUIRE_VERIFIED_EMAIL: needs SMTP_URL when APP_ENV is production")
    return replace(
        config,
        web_concurrency=worker_count,
        jwt_secret=secret,
        log_format=config.log_format or ("json" if config.is_production else "text"),
    )


def _read_dotenv() -> dict[str, str]:
    try:
        return read_dotenv(ROOT / ".env", SETTINGS)
    except DotenvError as error:
        raise ConfigError(str(error)) from error


def _parse_config(environ: Mapping[str, str]) -> Config:
    """Return the settings as they are given. Every unset one is None, whatever its type."""
    defaults = {name: each.default for name, each in SETTINGS.items() if each.default is not None}
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    try:
        return Config(**parse_fields(fields(Config), defaults | given))
    except InvalidSettings as error:
        raise ConfigError(str(error)) from None


def _choose_worker_count(config: Config) -> int:
    """Return WEB_CONCURRENCY or its default, and refuse several processes on the embedded store."""
    is_embedded = config.mongo_uri is None
    if is_embedded and (config.web_concurrency or 1) > 1:
        raise ConfigError(
            "WEB_CONCURRENCY: the embedded store serves one process; set MONGO_URI for more"
        )
    return config.web_concurrency or (1 if is_embedded else os.cpu_count() or 1)


def _choose_secret(config: Config) -> str:
    """Return JWT_SECRET or, in development, a random one if it is unset. Refuse a weak secret."""
    secret = config.jwt_secret
    if not secret:
        if config.is_production:
            raise ConfigError("JWT_SECRET: must be set when APP_ENV is production")
        return load_or_create_secret(config.instance_dir)
    fault = find_secret_fault(secret) if config.is_production else find_length_fault(secret)
    if fault:
        raise ConfigError(f"JWT_SECRET: {fault}")
    return secret


def _prepare_instance_directory(config: Config) -> None:
    """Close INSTANCE_DIR to other users, if the embedded store or a secret is kept in it."""
    if config.mongo_uri and config.jwt_secret:
        return
    try:
        make_private(config.instance_dir)
    except UnsafeDirectory as error:
        raise ConfigError(f"INSTANCE_DIR: {error}") from error


def _refuse_demo_in_public(config: Config) -> None:
    """Refuse DEMO_OPEN where other machines than this one can reach the server."""
    if not config.demo_open:
        return
    if config.is_production:
        raise ConfigError("DEMO_OPEN: is refused when APP_ENV is production")
    if not is_loopback(config.host) or config.trusted_proxies:
        raise ConfigError(
            "DEMO_OPEN: is refused unless HOST is 127.0.0.1, ::1 or localhost, without a proxy"
        )
