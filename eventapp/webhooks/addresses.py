"""Decide to which URLs and addresses webhooks are sent.

Users choose the URLs, and this server may reach hosts that its users may not: itself, its database,
the metadata service of a cloud. So webhooks are sent only to addresses that mean the same host to
everybody on the internet. A name may have another address a moment later. It is looked up once for
each attempt, and the connection is made to the address that was judged.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import idna

from eventapp.webhooks.lookups import look_up

MAX_URL_LENGTH = 2048
MAX_NAME_LENGTH = 253  # RFC 1035, without the dot of the root
DEFAULT_PORTS = {"http": 80, "https": 443}
HTTPS_PORT, OTHER_PORTS = 443, range(1024, 65536)

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_AUTHORITY = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:@]+))(?::(?P<port>[0-9]{1,5}))?"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# A name whose last label is a number is an address to inet_aton: 2130706433, 0x7f.1, 127.1.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

Address = IPv4Address | IPv6Address
# What the IANA assigns to hosts. The other networks are local, reserved, or wrap IPv4 addresses.
GLOBAL_UNICAST = IPv6Network("2000::/3")
# The well-known prefix of RFC 6052. The one of RFC 8215, 64:ff9b:1::/48, is for local use.
NAT64 = IPv6Network("64:ff9b::/96")
# Versions of Python differ in whether `is_global` holds for these.
NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # protocol assignments, RFC 6890
            "192.88.99.0/24",  # relays of 6to4, RFC 7526
            "2001::/23",  # protocol assignments, RFC 2928; Teredo is unwrapped before
            "3fff::/20",  # documentation, RFC 9637
        ),
    )
)


class RefusedUrl(Exception):
    """No webhook is sent to a URL. The text says what it must be, to follow its name."""


class RefusedAddress(Exception):
    """A host has no address to which webhooks are sent."""


@dataclass(frozen=True)
class Target:
    """What a URL says about where and how to send.

    Attributes:
        scheme: `http` or `https`.
        host: an address without brackets, or a name in ASCII and lower case.
        path: path and query, as in the first line of a request.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, *, production: bool) -> str | None:
    """Return what a URL of a webhook must be, as a text that follows its name; None if it is fine.

    Outside production, http is allowed, and hosts of this machine or a private network are not
    refused here. Whether something is sent to them is decided in each attempt.
    """
    try:
        target = parse_url(url)
    except RefusedUrl as error:
        return str(error)
    if production and target.scheme != "https":
        return "must begin with https://"
    if production and _is_known_as_private(target.host):
        return "must not name a host of a private network"
    return None


def parse_url(url: str) -> Target:
    """Return where a URL leads.

    Raises:
        RefusedUrl: it is malformed, or more than a host, a port, a path and a query.
    """
    if len(url) > MAX_URL_LENGTH:
        raise RefusedUrl(f"must have at most {MAX_URL_LENGTH} characters")
    if _FORBIDDEN.search(url):
        raise RefusedUrl("must not contain spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RefusedUrl("must be a URL") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise RefusedUrl("must begin with https://")
    if "@" in parts.netloc:
        raise RefusedUrl("must not contain a user name or a password")
    if "#" in url:
        raise RefusedUrl("must not contain a fragment")
    if not (parts.path + parts.query).isascii():
        raise RefusedUrl("must encode other characters than ASCII as %XX after the host")
    return _parse_authority(parts)


def _parse_authority(parts: SplitResult) -> Target:
    match = _AUTHORITY.fullmatch(parts.netloc)
    if not match:
        raise RefusedUrl("must have a host name or an address, and at most a port after it")
    port = int(match["port"] or DEFAULT_PORTS[parts.scheme])
    if port != HTTPS_PORT and port not in OTHER_PORTS:
        raise RefusedUrl("must have port 443 or one from 1024 to 65535")
    host = _parse_ipv6(match["address"]) if match["address"] else _normalize_name(match["name"])
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, port, (parts.path or "/") + query)


def _parse_ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise RefusedUrl("must have a valid address in brackets") from None


def _normalize_name(name: str) -> str:
    """Return a host name, or an IPv4 address, in ASCII and lower case."""
    try:
        normalized = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise RefusedUrl("must have a valid host name") from None
    if _parse_address(normalized):
        return normalized
    labels = normalized.split(".")
    if len(normalized) > MAX_NAME_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        raise RefusedUrl("must have a valid host name, without a dot at its end")
    if _NUMBER.fullmatch(labels[-1]):
        raise RefusedUrl("must write an IPv4 address as four decimal numbers")
    return normalized


def _parse_address(text: str) -> Address | None:
    """Return the address that a text is; None if it is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_known_as_private(host: str) -> bool:
    """Return True if a host is private by itself, without a lookup."""
    address = _parse_address(host)
    if address:
        return not is_public(address)
    return host == "localhost" or host.endswith(".localhost")  # RFC 6761, section 6.3


def is_public(address: Address) -> bool:
    """Return True if an address means one host, and the same one to everybody on the internet.

    An address that wraps IPv4 addresses is public if they all are.
    """
    wrapped = _unwrap(address)
    if wrapped:
        return all(map(is_public, wrapped))
    if any(address in network for network in NOT_PUBLIC):
        return False
    if isinstance(address, IPv6Address):
        return address.is_global and address in GLOBAL_UNICAST and address.scope_id is None
    return address.is_global and not address.is_multicast


def _unwrap(address: Address) -> Sequence[IPv4Address]:
    """Return the IPv4 addresses to which packets for an IPv6 address may go; none if it is plain.

    The forms are those of IPv4-mapped addresses, NAT64, 6to4, and Teredo (its server and client).
    """
    if isinstance(address, IPv4Address):
        return ()
    if address in NAT64:
        return (IPv4Address(address.packed[-4:]),)
    if address.teredo:
        return address.teredo
    wrapped = address.ipv4_mapped or address.sixtofour
    return (wrapped,) if wrapped else ()


def resolve(host: str, port: int, deadline: float, *, allow_private: bool) -> str:
    """Look a host up once, and return the address to connect to.

    It is the first one that is public, in the order of the system's resolver.

    Args:
        host: of a `Target`.
        deadline: when to give up, by `time.monotonic`.
        allow_private: True to take the first address, whatever it is.

    Raises:
        RefusedAddress: no address is public.
        HostNotFound: there is no address.
        TimeoutError: the deadline was reached.
    """
    is_literal = _parse_address(host) is not None
    found = [host] if is_literal else look_up(host, port, deadline - time.monotonic())
    for each in found:
        address = _parse_address(each)
        if allow_private or (address and is_public(address)):
            return each
    raise RefusedAddress(host)
