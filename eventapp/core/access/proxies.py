"""The addresses of the operator's own proxies, which have no limits of their own."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

from eventapp.core.app_key import AppKey


class ProxyAddresses:
    """The addresses and networks that PROXY_ADDRESSES names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._networks = [ip_network(name, strict=False) for name in names]

    def contains(self, address: str) -> bool:
        """Return whether the address is one of a proxy."""
        if not self._networks:
            return False
        try:
            parsed = ip_address(address)
        except ValueError:  # A Unix socket has no IP address.
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


PROXY_ADDRESSES: AppKey[ProxyAddresses] = AppKey("proxy_addresses")
