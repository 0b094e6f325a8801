"""Parse and check the text of single settings. `config` declares which setting uses what."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from email.utils import getaddresses
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from environs import ValidationError

from eventapp.core.clock import load_zone

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DEFAULT_PORTS = {"http": 80, "https": 443}

Validator = Callable[[Any], object]
Value = TypeVar("Value")


def make_url_validator(*schemes: str, example: str) -> Validator:
    """Return a validator of URLs with one of these schemes, a host and optionally a port.

    The URL may have a path. Spaces are refused.
    """

    def validate(url: str) -> None:
        try:
            parts = urlsplit(url)
            has_address = parts.scheme in schemes and parts.hostname and parts.port != 0
            is_valid = has_address and not re.search(r"\s", url)
        except ValueError:
            is_valid = False
        if not is_valid:
            raise ValidationError(f"must look like {example}")

    return validate


def validate_base_url(url: str) -> None:
    """Check that a path can be added to the URL.

    Raises:
        ValidationError: it is no http or https URL, or it ends with a query or a fragment.
    """
    example = "https://tickets.example.org"
    make_url_validator("http", "https", example=example)(url)
    if "?" in url or "#" in url:
        raise ValidationError(f"must look like {example}")


def validate_api_base(url: str) -> None:
    """Check that a secret can be sent to the URL: by https, or to this machine.

    Raises:
        ValidationError: it cannot, or no path can be added to the URL.
    """
    validate_base_url(url)
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValidationError("must use https, because a secret key is sent there")


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach a server that listens on this host."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def validate_sender(text: str) -> None:
    """Check that the text is one mail address, with or without a name.

    Raises:
        ValidationError: it is not.
    """
    addresses = getaddresses([text])
    user, _, domain = addresses[0][1].rpartition("@") if len(addresses) == 1 else ("", "", "")
    if not (user and domain and text.isprintable()):
        raise ValidationError("must look like Events <events@example.org>")


def validate_zone(name: str) -> None:
    """Check that the text is the IANA name of a time zone.

    Raises:
        ValidationError: it is not.
    """
    try:
        load_zone(name)
    except ValueError:
        raise ValidationError("must be an IANA time zone such as Europe/Athens") from None


def make_parser(parse: Callable[[str], Value]) -> Callable[..., Value]:
    """Return a parser that environs can call with the validators of a setting.

    environs calls its own parsers with `validate`, but hands it on to added ones, such as those of
    this module.
    """

    def parse_and_validate(text: str, *, validate: Iterable[Validator] = ()) -> Value:
        value = parse(text)
        for validator in validate:
            validator(value)
        return value

    return parse_and_validate


def parse_duration(text: str) -> timedelta:
    """Return the duration of a text such as `90s`, `15m`, `12h` or `30d`."""
    match = re.fullmatch(r"([1-9]\d{0,8})([smhd])", text)
    if not match:
        raise ValidationError("must be a number and s, m, h or d, as in 15m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_words(text: str) -> tuple[str, ...]:
    """Return the words of a comma-separated list, trimmed."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def validate_networks(names: Iterable[str]) -> None:
    """Check that each text is an IP address or a network such as 10.0.0.0/8.

    Raises:
        ValidationError: one of them is not.
    """
    for name in names:
        try:
            ip_network(name, strict=False)
        except ValueError:
            raise ValidationError(f"{name!r} must be an address or a network") from None


def validate_origins(origins: Iterable[str]) -> None:
    """Check that each text is an origin or `*`.

    Raises:
        ValidationError: one of them is not.
    """
    for origin in origins:
        normalize_origin(origin)


def normalize_origin(text: str) -> str:
    """Return an origin as browsers send it, or `*`.

    A browser writes the scheme and the host in lower case, a host with other letters than a to z in
    its ASCII form, no port where it is the usual one of the scheme, and no slash at the end.

    Raises:
        ValidationError: the text is neither an origin nor `*`.
    """
    if text == "*":
        return text
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:  # UnicodeError is one, too.
        host, port, parts = "", None, SplitResult("", "", "", "", "")
    is_origin = (
        re.fullmatch(r"[a-z][a-z0-9+.-]*", parts.scheme)
        and re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host)
        and (parts.username, parts.password, parts.query, parts.fragment) == (None, None, "", "")
        and parts.path in ("", "/")
    )
    if not is_origin:
        raise ValidationError(f"{text!r} must be * or an origin such as https://app.example.org")
    shown_host = f"[{host}]" if ":" in host else host
    is_usual_port = port is None or port == _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{shown_host}" + ("" if is_usual_port else f":{port}")
