"""Callers' addresses as they are counted."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

IPV6_PREFIX = 64


@lru_cache(maxsize=4096)
def client_network(address: str) -> str:
    """What one caller has: an IPv4 address, or the whole /64 network of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a Unix socket, or a test
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, IPV6_PREFIX), strict=False))
