"""Settings are declared once, documented with their defaults, and refused in one line."""

import dataclasses
import os
import re
import secrets
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from environs import ValidationError

from eventapp import config
from eventapp.config import ROOT, SETTINGS, Config, ConfigError, load_config
from eventapp.setting_parser import MappingEnv
from scripts import settings_docs

STRONG = "0123456789abcdefghijABCDEFGHIJ-_xyz"
SERVER = "mongodb://db.example.org/tickets"
SITE = "https://tickets.example.org"
# The defaults of the specification, repeated here so that a change is noticed.
DEFAULTS = {
    "MONGO_URI": "",
    "INSTANCE_DIR": "instance",
    "APP_ENV": "development",
    "HOST": "127.0.0.1",
    "PORT": "10000",
    "WEB_CONCURRENCY": "",
    "PUBLIC_BASE_URL": "",
    "JWT_SECRET": "",
    "JWT_EXPIRES_IN": "15m",
    "JWT_REFRESH_EXPIRES_IN": "30d",
    "BCRYPT_ROUNDS": "12",
    "CORS_ORIGINS": "",
    "TRUSTED_PROXIES": "0",
    "PROXY_ADDRESSES": "",
    "MAX_IDLE_CONNECTIONS_PER_ADDRESS": "64",
    "MAX_STREAMS_PER_ADDRESS": "100",
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_WINDOW_MS": "900000",
    "RATE_LIMIT_MAX_REQUESTS": "1000",
    "RATE_LIMIT_STORAGE_URI": "",
    "MAX_TICKETS_PER_BOOKING": "10",
    "MAX_TICKETS_PER_USER": "10",
    "CANCELLATION_CUTOFF_HOURS": "24",
    "HOLD_MINUTES": "10",
    "WAITLIST_OFFER_MINUTES": "30",
    "CURRENCY": "EUR",
    "PAYMENT_PROVIDER": "mock",
    "STRIPE_SECRET_KEY": "",
    "STRIPE_PUBLISHABLE_KEY": "",
    "STRIPE_WEBHOOK_SECRET": "",
    "STRIPE_API_BASE": "https://api.stripe.com",
    "SMTP_URL": "",
    "MAIL_FROM": "",
    "WEBHOOK_ALLOW_PRIVATE": "false",
    "CACHE_MB": "36",
    "CACHE_URL": "",
    "DEMO_OPEN": "false",
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "",
}


@pytest.fixture
def load(tmp_path):
    """Return a function that loads these values alone, and keeps secrets in a temporary folder."""

    def load_values(**values):
        return load_config({"INSTANCE_DIR": str(tmp_path), **values})

    return load_values


def read_example():
    """Return the assignments in .env.example."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_example_shows_every_setting_with_its_default():
    shown = read_example()
    assert {name: shown.get(name) for name in DEFAULTS} == DEFAULTS
    assert set(shown) == set(SETTINGS)


def test_the_documents_are_rendered_from_the_declarations():
    """`python -m scripts.settings_docs` brings them up to date."""
    assert settings_docs.EXAMPLE.read_text(encoding="utf-8") == settings_docs.render_example()
    readme = settings_docs.README.read_text(encoding="utf-8")
    assert readme == settings_docs.render_readme(readme)
    names = settings_docs.TABLE_ROW.findall(readme)
    assert {"MONGO_URI", "PORT", "APP_ENV", "JWT_SECRET"} <= set(names)


def test_every_setting_is_a_field_of_the_config():
    names = {name.lower() for name in SETTINGS}
    assert {field.name for field in dataclasses.fields(Config)} == names


def test_the_example_loads_as_the_defaults(load, tmp_path):
    given = {**read_example(), "INSTANCE_DIR": str(tmp_path)}
    assert load_config(given) == load()


def test_defaults(load, tmp_path):
    settings = load()
    assert settings.mongo_uri is None
    assert settings.instance_dir == tmp_path
    assert (settings.host, settings.port) == ("127.0.0.1", 10000)
    assert settings.web_concurrency == 1
    assert settings.jwt_expires_in == timedelta(minutes=15)
    assert settings.jwt_refresh_expires_in == timedelta(days=30)
    assert settings.cors_origins is None
    assert (settings.rate_limit_enabled, settings.demo_open) == (True, False)
    assert (settings.hold_minutes, settings.currency) == (10, "EUR")
    assert (settings.log_level, settings.log_format, settings.is_production) == (
        "info",
        "text",
        False,
    )


def test_production_defaults(load):
    given = {"JWT_SECRET": STRONG, "MONGO_URI": SERVER, "PUBLIC_BASE_URL": SITE}
    settings = load(APP_ENV="production", **given)
    assert settings.is_production
    assert settings.log_format == "json"
    assert settings.web_concurrency == os.cpu_count()


def test_values_are_parsed_and_blank_values_are_unset(load):
    settings = load(
        PORT=" 8080 ",
        HOLD_MINUTES="0.5",
        CORS_ORIGINS="https://a.example, https://b.example,",
        JWT_EXPIRES_IN="90s",
        RATE_LIMIT_ENABLED="false",
        LOG_LEVEL="  ",
        NOT_OURS="x",
    )
    assert (settings.port, settings.hold_minutes, settings.log_level) == (8080, 0.5, "info")
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.jwt_expires_in == timedelta(seconds=90)
    assert settings.rate_limit_enabled is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONGO_URI", "localhost:27017"),
        ("APP_ENV", "staging"),
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("WEB_CONCURRENCY", "2"),  # on the embedded store
        ("WEB_CONCURRENCY", "0"),
        ("PUBLIC_BASE_URL", "tickets.example.org"),
        ("PUBLIC_BASE_URL", "https://"),
        ("PUBLIC_BASE_URL", "https://tickets.example.org?a=b"),
        ("PUBLIC_BASE_URL", "https://tickets.example.org/ x"),
        ("JWT_SECRET", "short"),
        ("JWT_SECRET", "x" * 31),
        ("JWT_EXPIRES_IN", "15"),
        ("JWT_EXPIRES_IN", "0m"),
        ("JWT_REFRESH_EXPIRES_IN", "a month"),
        ("BCRYPT_ROUNDS", "3"),
        ("BCRYPT_ROUNDS", "31"),
        ("CORS_ORIGINS", "nothing"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "https://a.example/app"),
        ("CORS_ORIGINS", "https://a.example?x"),
        ("CORS_ORIGINS", "https://*.example"),
        ("CORS_ORIGINS", "https://user@a.example"),
        ("CORS_ORIGINS", "https://a.example:port"),
        ("CORS_ORIGINS", "https://a.example https://b.example"),
        ("CORS_ORIGINS", "//a.example"),
        ("CORS_ORIGINS", "*.example"),
        ("TRUSTED_PROXIES", "-1"),
        ("PROXY_ADDRESSES", "proxy.example"),
        ("PROXY_ADDRESSES", "10.0.0.0/8, 10.0.0.0/33"),
        ("MAX_IDLE_CONNECTIONS_PER_ADDRESS", "0"),
        ("MAX_STREAMS_PER_ADDRESS", "many"),
        ("RATE_LIMIT_ENABLED", "perhaps"),
        ("RATE_LIMIT_WINDOW_MS", "1"),
        ("RATE_LIMIT_MAX_REQUESTS", "0"),
        ("RATE_LIMIT_STORAGE_URI", "sqlite://x"),
        ("MAX_TICKETS_PER_BOOKING", "0"),
        ("MAX_TICKETS_PER_USER", "1.5"),
        ("CANCELLATION_CUTOFF_HOURS", "-1"),
        ("HOLD_MINUTES", "0"),
        ("HOLD_MINUTES", "nan"),
        ("WAITLIST_OFFER_MINUTES", "inf"),
        ("CURRENCY", "euro"),
        ("STRIPE_SECRET_KEY", "pk_test_1"),
        ("STRIPE_SECRET_KEY", "sk_test_1 2"),
        ("STRIPE_PUBLISHABLE_KEY", "sk_test_1"),
        ("STRIPE_PUBLISHABLE_KEY", "rk_live_1"),
        ("STRIPE_WEBHOOK_SECRET", "sk_test_1"),
        ("STRIPE_API_BASE", "http://api.example.org"),
        ("STRIPE_API_BASE", "api.stripe.com"),
        ("STRIPE_API_BASE", "https://api.stripe.com?x"),
        ("SMTP_URL", "mail.example.org"),
        ("CACHE_MB", "9"),
        ("CACHE_MB", "many"),
        ("CACHE_URL", "memcached://x"),
        ("CACHE_URL", "redis://"),
        ("CACHE_URL", "redis://cache:port"),
        ("DEMO_OPEN", "2"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_bad_value_is_named_in_one_line(load, name, value):
    with pytest.raises(ConfigError) as refused:
        load(**{name: value})
    assert str(refused.value).startswith(f"{name}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("JWT_SECRET", {}),
        ("JWT_SECRET", {"JWT_SECRET": ""}),
        ("JWT_SECRET", {"JWT_SECRET": "short"}),
        ("JWT_SECRET", {"JWT_SECRET": "x" * 31}),
        ("JWT_SECRET", {"JWT_SECRET": "x" * 40}),
        ("JWT_SECRET", {"JWT_SECRET": "x" * 64}),
        ("PUBLIC_BASE_URL", {"JWT_SECRET": STRONG}),
        ("PUBLIC_BASE_URL", {"JWT_SECRET": STRONG, "PUBLIC_BASE_URL": " "}),
        ("DEMO_OPEN", {"JWT_SECRET": STRONG, "DEMO_OPEN": "true"}),
        ("DEMO_OPEN", {"JWT_SECRET": STRONG, "DEMO_OPEN": "1"}),
        (
            "WEBHOOK_ALLOW_PRIVATE",
            {
                "JWT_SECRET": STRONG,
                "PUBLIC_BASE_URL": "https://tickets.example.org",
                "WEBHOOK_ALLOW_PRIVATE": "true",
            },
        ),
    ],
)
def test_production_refuses_weak_settings(load, name, changes):
    with pytest.raises(ConfigError, match=f"^{name}: [^\n]+$"):
        load(APP_ENV="production", **changes)


@pytest.mark.parametrize(
    "secret",
    [
        "your-secret-key-change-in-production",
        "your-super-secret-jwt-key-min-32-chars-long",
        "a-string-secret-at-least-256-bits-long",
        "ChangeThisToALongRandomStringInProduction1234",
        "supersecretjwtkeysupersecretjwtkey12345",
        "dev_secret_key_do_not_use_in_production_please",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "09D25E094FAA6CA2556C818166B7A9563B93F7099F6F0F4CAA6CF63B88E8D3E7",
        "0123456789abcdef" * 2,
        "abcdefgh" * 8,
        "aaaabbbbccccddddeeeeffffgggghhhhiiii",
        "1234567890" * 4,
    ],
)
def test_production_refuses_a_secret_that_can_be_guessed(load, secret):
    with pytest.raises(ConfigError, match=r"^JWT_SECRET: [^\n]+$"):
        load(APP_ENV="production", PUBLIC_BASE_URL=SITE, JWT_SECRET=secret)


def test_no_secret_that_the_documents_print_is_accepted(load):
    """What the documents of this project and its references show as a value of JWT_SECRET."""
    documents = [
        ROOT / ".env.example",
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*"),
        ROOT / "Dockerfile",
    ]
    texts = [path.read_text(errors="replace") for path in documents if path.is_file()]
    printed = {value for text in texts for value in re.findall(r"JWT_SECRET\W*[=:]\s*(\S+)", text)}
    for value in printed:
        with pytest.raises(ConfigError, match="^JWT_SECRET: "):
            load(APP_ENV="production", PUBLIC_BASE_URL=SITE, JWT_SECRET=value)


@pytest.mark.parametrize("prefix", ["", "prod-", "eventapp_secret_"])
def test_random_secrets_are_accepted(load, prefix):
    for make in (secrets.token_hex, secrets.token_urlsafe):
        secret = prefix + make(32)
        settings = load(APP_ENV="production", PUBLIC_BASE_URL=SITE, JWT_SECRET=secret)
        assert settings.jwt_secret == secret


@pytest.mark.parametrize(
    "changes",
    [
        {"HOST": "0.0.0.0"},
        {"HOST": "::"},
        {"HOST": "192.168.1.7"},
        {"HOST": "tickets.example.org"},
        {"TRUSTED_PROXIES": "1"},
    ],
)
def test_demo_open_is_refused_where_others_can_reach_it(load, changes):
    with pytest.raises(ConfigError, match=r"^DEMO_OPEN: [^\n]+$"):
        load(DEMO_OPEN="true", **changes)


STRIPE = {"STRIPE_SECRET_KEY": "sk_live_51Hx", "STRIPE_WEBHOOK_SECRET": "whsec_aB9"}


def test_stripe_needs_its_key_and_the_secret_of_its_webhook(load):
    settings = load(PAYMENT_PROVIDER="stripe", **STRIPE)
    assert (settings.stripe_secret_key, settings.stripe_webhook_secret) == tuple(STRIPE.values())
    for name in STRIPE:
        given = {each: value for each, value in STRIPE.items() if each != name}
        with pytest.raises(ConfigError, match=f"^{name}: must be set when [^\n]+$"):
            load(PAYMENT_PROVIDER="stripe", **given)
    assert load(STRIPE_WEBHOOK_SECRET="whsec_aB9").payment_provider == "mock"


def test_the_key_of_stripe_may_stay_for_refunds(load):
    assert load(**STRIPE).stripe_secret_key
    with pytest.raises(ConfigError, match="^STRIPE_WEBHOOK_SECRET: "):
        load(STRIPE_SECRET_KEY="rk_test_51Hx")


def test_the_publishable_key_of_stripe_belongs_to_its_secret_key(load):
    assert load(STRIPE_PUBLISHABLE_KEY="pk_live_1", **STRIPE).stripe_publishable_key == "pk_live_1"
    for key, settings in (("pk_test_1", STRIPE), ("pk_live_1", {})):
        with pytest.raises(ConfigError, match=r"^STRIPE_PUBLISHABLE_KEY: "):
            load(STRIPE_PUBLISHABLE_KEY=key, **settings)


def test_the_log_of_the_library_of_stripe_is_refused(load):
    with pytest.raises(ConfigError, match=r"^STRIPE_LOG: [^\n]+$"):
        load(STRIPE_LOG="debug", **STRIPE)
    assert load(STRIPE_LOG="debug").stripe_secret_key is None


@pytest.mark.parametrize("base", ["http://127.0.0.1:8420", "http://localhost:1/", "https://x.org"])
def test_the_key_of_stripe_leaves_this_machine_by_https_alone(load, base):
    assert load(STRIPE_API_BASE=base, **STRIPE).stripe_api_base == base


def test_the_text_of_the_settings_shows_no_secret(load):
    secrets_by_name = {
        "JWT_SECRET": STRONG,
        "MONGO_URI": "mongodb://user:hidden1@db.example.org/tickets",
        "RATE_LIMIT_STORAGE_URI": "redis://user:hidden2@db.example.org",
        "SMTP_URL": "smtp://user:hidden3@mail.example.org",
        "CACHE_URL": "redis://user:hidden4@cache.example.org",
        **STRIPE,
    }
    shown = repr(load(**secrets_by_name))
    assert "port=10000" in shown
    for value in secrets_by_name.values():
        assert value not in shown


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_demo_open_is_accepted_on_this_machine(load, host):
    assert load(DEMO_OPEN="true", HOST=host).demo_open


def test_several_bad_values_are_still_one_line(load):
    with pytest.raises(ConfigError) as refused:
        load(PORT="x", LOG_LEVEL="loud")
    line = str(refused.value)
    assert "PORT: " in line
    assert "LOG_LEVEL: " in line
    assert "\n" not in line


def test_the_development_secret_is_kept_in_a_private_file(load, tmp_path):
    first, second = load().jwt_secret, load().jwt_secret
    assert first == second
    assert len(first.encode()) >= 32
    kept = tmp_path / "jwt_secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert load_config({"INSTANCE_DIR": str(tmp_path / "other")}).jwt_secret != first


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_instance_directory_is_closed_to_other_users(load, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "eventapp.sqlite3-wal").touch(mode=0o644)
    (tmp_path / "backup").touch()
    (tmp_path / "backup").chmod(0o644)
    load()
    assert mode_of(tmp_path) == 0o700
    assert mode_of(tmp_path / "eventapp.sqlite3-wal") == 0o600
    assert mode_of(tmp_path / "backup") == 0o644
    new = tmp_path / "a" / "b"
    load_config({"INSTANCE_DIR": str(new)})
    assert mode_of(new) == 0o700


def test_an_open_directory_of_others_is_refused_and_not_changed(tmp_path):
    (tmp_path / "theirs").touch()
    for mode in (0o755, 0o1777):
        tmp_path.chmod(mode)
        with pytest.raises(ConfigError, match=r"^INSTANCE_DIR: [^\n]+ name another one$"):
            load_config({"INSTANCE_DIR": str(tmp_path)})
        assert mode_of(tmp_path) == mode
    tmp_path.chmod(0o700)
    assert load_config({"INSTANCE_DIR": str(tmp_path)}).instance_dir == tmp_path


def test_a_new_volume_is_not_taken_for_a_directory_of_others(tmp_path):
    (tmp_path / "lost+found").mkdir()
    tmp_path.chmod(0o755)
    load_config({"INSTANCE_DIR": str(tmp_path)})
    assert mode_of(tmp_path) == 0o700


@pytest.mark.parametrize(("mode", "is_accepted"), [(0o770, True), (0o2770, True), (0o755, False)])
def test_a_volume_of_another_user_may_be_open_to_its_group(
    tmp_path, monkeypatch, mode, is_accepted
):
    tmp_path.chmod(mode)

    def refuse(_path, _mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    settings = {"INSTANCE_DIR": str(tmp_path), "JWT_SECRET": STRONG}
    if is_accepted:
        assert load_config(settings).instance_dir == tmp_path
    else:
        with pytest.raises(ConfigError, match="^INSTANCE_DIR: cannot use .* not permitted$"):
            load_config(settings)


def test_a_file_in_place_of_the_instance_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"^INSTANCE_DIR: cannot use [^\n]+$"):
            load_config({"INSTANCE_DIR": str(path)})


def test_the_instance_directory_is_not_made_where_nothing_needs_it(tmp_path):
    load_config({"INSTANCE_DIR": str(tmp_path / "x"), "MONGO_URI": SERVER, "JWT_SECRET": STRONG})
    assert not (tmp_path / "x").exists()


def test_the_environment_overrides_the_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("PORT=1234\nHOST=0.0.0.0\nJWT_SECRET=" + STRONG)
    monkeypatch.setattr(config, "ROOT", tmp_path)
    monkeypatch.setenv("PORT", "4321")
    for name in ("HOST", "JWT_SECRET", "MONGO_URI"):
        monkeypatch.delenv(name, raising=False)
    settings = load_config()
    assert (settings.host, settings.port, settings.jwt_secret) == ("0.0.0.0", 4321, STRONG)


@pytest.fixture
def load_file(monkeypatch, tmp_path):
    """Return a function that loads the settings from a file `.env` with this text alone."""
    monkeypatch.setattr(config, "ROOT", tmp_path)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)

    def load_text(text):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / ".env").write_bytes(data)
        return load_config()

    return load_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("JWT_SECRE=x\n", "JWT_SECRE in line 1 of .*; did you mean JWT_SECRET?"),
        ("PORT=1\n\n# why\nMONGODB_URI=x\n", "MONGODB_URI in line 4 of .*; did you mean MONGO_URI"),
        ("port=8080\n", "port in line 1 of .*; did you mean PORT"),
        ("LOG_LEVELS=info\n", "did you mean LOG_LEVEL"),
        ("export JWT_EXPIRES=1h\n", "did you mean JWT_EXPIRES_IN"),
        ("HOST=x\nPORT: 1\n", "line 2 of .* cannot be read; it must look like NAME=value"),
        ("PORT:1\n", "line 1 of .* cannot be read"),
        ("PORT\n", "line 1 of .* cannot be read"),
        ("\n\nthis is no setting\n", "line 3 of .* cannot be read"),
        ("JWT_SECRET='never closed\n", "line 1 of .* cannot be read"),
        (b"HOST=\xff\xfe\n", "cannot be read: it is not UTF-8"),
    ],
)
def test_a_mistake_in_the_file_stops_the_start_with_one_line(load_file, text, said):
    with pytest.raises(ConfigError, match=said) as refused:
        load_file(text)
    assert "\n" not in str(refused.value)
    assert "never closed" not in str(refused.value)  # It may be a secret.


@pytest.mark.parametrize(
    "text",
    [
        "ADMIN_PASSWORD=x\nCOMPOSE_PROJECT_NAME=x\nMAILS_PORT=8025\nFLASK_DEBUG=1\nTZ=UTC\n",
        "# PORT: 1\n\n  \nexport HOST='127.0.0.1' # here\n",
        "\ufeffHOST=127.0.0.1\r\n",
        "DATABASE_URL=x\nREDIS_URL=x\nAPP_NAME=x\nSECRET_KEY=x\nLOG_FILE=x\nUNRELATED=\n",
    ],
)
def test_other_names_and_comments_in_the_file_are_left_alone(load_file, text):
    assert load_file(text).host == "127.0.0.1"


def test_a_file_that_is_a_directory_is_refused(load_file, tmp_path):
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory$"):
        load_config()


def test_a_cutoff_of_no_hours_is_accepted(load):
    assert load(CANCELLATION_CUTOFF_HOURS="0").cancellation_cutoff_hours == 0


@pytest.mark.parametrize("name", SETTINGS)
def test_a_validator_may_refuse_a_setting_of_any_type(load, monkeypatch, name):
    """Even those whose parser is added to environs, which calls it with `validate`."""

    def refuse(_value):
        raise ValidationError("is refused")

    values = {"MONGO_URI": SERVER, "WEB_CONCURRENCY": "2", "JWT_SECRET": STRONG}
    declared = SETTINGS[name]
    value = values.get(name, declared.default or "x")
    field = next(each for each in dataclasses.fields(Config) if each.name == name.lower())
    monkeypatch.setattr(
        field, "metadata", {"setting": dataclasses.replace(declared, validators=(refuse,))}
    )
    with pytest.raises(ConfigError, match=f"^{name}: is refused"):
        load(**{name: value})


def test_environs_reads_the_mapping_instead_of_the_process_environment(monkeypatch):
    """MappingEnv overrides a private method of environs, which an update may rename."""
    monkeypatch.setenv("PORT", "4321")
    env = MappingEnv({"HOLD_MINUTES": "0.5"})
    assert env.int("PORT", None) is None
    assert env.float("HOLD_MINUTES") == 0.5
    env.seal()
