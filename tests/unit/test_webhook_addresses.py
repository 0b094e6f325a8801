"""Webhooks are sent only to URLs and addresses that everybody on the internet may reach."""

import ipaddress
import socket
import time

import pytest

from eventapp.webhooks import lookups
from eventapp.webhooks.addresses import RefusedAddress, check_url, is_public, parse_url, resolve
from eventapp.webhooks.lookups import HostNotFound
from tests.seen_library import replace_seen

ACCEPTED = {
    "https://hooks.example.org": ("hooks.example.org", 443, "/"),
    "https://hooks.example.org/a/b?c=d&e=%20": ("hooks.example.org", 443, "/a/b?c=d&e=%20"),
    "https://hooks.example.org?c=d": ("hooks.example.org", 443, "/?c=d"),
    "HTTPS://Hooks.Example.ORG:8443/A": ("hooks.example.org", 8443, "/A"),
    "https://hooks.example.org:443/": ("hooks.example.org", 443, "/"),
    "https://hooks.example.org:1024/": ("hooks.example.org", 1024, "/"),
    "https://hooks.example.org:65535/": ("hooks.example.org", 65535, "/"),
    "https://my_hooks.example.org/": ("my_hooks.example.org", 443, "/"),
    "https://Καφέ.example/": ("xn--ixah0a1c.example", 443, "/"),
    "https://xn--ixah0a1c.example/": ("xn--ixah0a1c.example", 443, "/"),
    "https://straße.example/": ("xn--strae-oqa.example", 443, "/"),
    "https://8.8.8.8/": ("8.8.8.8", 443, "/"),
    "https://[2001:4860:4860:0::8888]:9000/": ("2001:4860:4860::8888", 9000, "/"),
    "https://3com.example.7x/": ("3com.example.7x", 443, "/"),
}
REFUSED = [
    "",
    "hooks.example.org",
    "//hooks.example.org/",
    "ftp://hooks.example.org/",
    "file:///etc/passwd",
    "gopher://hooks.example.org:6379/",
    "https:///hook",
    "https:hooks.example.org",
    "https://:8443/",
    "https://user@hooks.example.org/",
    "https://user:password@hooks.example.org/",
    "https://@hooks.example.org/",
    "https://hooks.example.org\\@127.0.0.1/",
    "https://hooks.example.org\\.evil.example/",
    "https://hooks.example.org/#part",
    "https://hooks.example.org/#",
    "https://hooks.example.org/a b",
    "https://hooks.example.org/a\r\nHost: evil",
    "https://hooks.example\t.org/",
    " https://hooks.example.org/",
    "https://hooks.example.org/\x00",
    "https://hooks.example.org/é",
    "https://hooks.example.org/?q=é",
    "https://hooks.example.org:0/",
    "https://hooks.example.org:22/",
    "https://hooks.example.org:80/",
    "https://hooks.example.org:444/",
    "https://hooks.example.org:1023/",
    "https://hooks.example.org:65536/",
    "https://hooks.example.org:x/",
    "https://hooks.example.org:-443/",
    "https://hooks.example.org:４４３/",
    "https://hooks.example.org./",
    "https://127.0.0.1./",
    "https://hooks..example.org/",
    "https://.example.org/",
    "https://-a.example.org/",
    "https://hooks.example.org%00.evil.example/",
    "https://%6cocalhost/",
    f"https://{'a' * 64}.example.org/",
    f"https://{'a.' * 127}org/",
    f"https://hooks.example.org/{'a' * 2048}",
    # Forms of IPv4 addresses that resolvers understand.
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7F.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.0.01/",
    "https://127.0.0.0x1/",
    "https://1.2.3.4.5/",
    "https://256.1.1.1/",
    "https://0x/",
    # Characters that become ASCII.
    "https://２１３０７０６４３３/",
    "https://①②⑦.1/",
    "https://hooks。example。7/",
    "https://ex℀mple.org/",
    "https://\u200b.example/",
    "https://[::1%25lo]/",
    "https://[fe80::1%lo]/",
    "https://[::1]evil.example/",
    "https://evil.example[::1]/",
    "https://[v1.a]/",
    "https://[::g]/",
    "https://[127.0.0.1]/",
    "https://[/",
    "https://::1/",
]
PRIVATE_HOSTS = [
    "localhost",
    "LOCALHOST",
    "a.localhost",
    "127.0.0.1",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "10.0.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
]
PUBLIC_ADDRESSES = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "2001:4860:4860::8888",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2001:0:808:808:8000:63bf:fefe:fefe",  # Teredo by 8.8.8.8, to 1.1.1.1
]
NOT_PUBLIC_ADDRESSES = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:224.0.0.1",
    "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:0:808:808:8000:63bf:80ff:fffe",  # Teredo by 8.8.8.8, to 127.0.0.1
    "2001:0:7f00:1:8000:63bf:fefe:fefe",  # Teredo by 127.0.0.1, to 1.1.1.1
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "2001:4860:4860::8888%lo",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.fixture
def answer(monkeypatch):
    """Return a function that sets what the resolver answers, one list of addresses a lookup."""

    def set_answers(*answers):
        remaining = list(answers)

        def getaddrinfo(host, port, **_kind):
            found = remaining.pop(0)
            if isinstance(found, Exception):
                raise found
            return [(0, 0, 0, "", (each, port)) for each in found]

        replace_seen(monkeypatch, lookups, "socket", getaddrinfo=getaddrinfo)
        return remaining

    return set_answers


def resolve_now(host, *, allow_private=False):
    return resolve(host, 443, time.monotonic() + 10, allow_private=allow_private)


@pytest.mark.parametrize("url", ACCEPTED)
def test_a_url_of_a_public_host_is_accepted(url):
    assert check_url(url, production=True) is None
    target = parse_url(url)
    assert (target.host, target.port, target.path) == ACCEPTED[url]


@pytest.mark.parametrize("production", [True, False])
@pytest.mark.parametrize("url", REFUSED)
def test_a_malformed_url_is_refused_with_a_reason(url, production):
    assert check_url(url, production=production).startswith("must ")


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_production_refuses_a_private_host_when_a_webhook_is_created(host):
    assert "private network" in check_url(f"https://{host}:8443/", production=True)
    assert check_url(f"http://{host}:8443/", production=False) is None


@pytest.mark.parametrize("user", ["", "user", "user:password"])
def test_the_reason_names_a_user_in_a_url(user):
    reason = check_url(f"https://{user}@hooks.example.org/", production=True)
    assert reason == "must not contain a user name or a password"


def test_production_refuses_http():
    url = "http://hooks.example.org:8080/"
    assert check_url(url, production=True) == "must begin with https://"
    assert check_url(url, production=False) is None


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://hooks.example.org/", "hooks.example.org"),
        ("https://hooks.example.org:8443/", "hooks.example.org:8443"),
        ("http://hooks.example.org:443/", "hooks.example.org:443"),
        ("https://[2001:4860::1]/", "[2001:4860::1]"),
        ("https://[2001:4860::1]:8443/", "[2001:4860::1]:8443"),
    ],
)
def test_the_header_host_names_a_port_that_is_not_the_default(url, authority):
    assert parse_url(url).authority == authority


@pytest.mark.parametrize("text", PUBLIC_ADDRESSES)
def test_an_address_is_public(text):
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC_ADDRESSES)
def test_an_address_is_not_public(text):
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC_ADDRESSES)
def test_a_name_for_an_address_that_is_not_public_is_refused(answer, text):
    answer([text])
    with pytest.raises(RefusedAddress):
        resolve_now("hooks.example.org")


def test_the_public_address_is_taken_of_a_name_that_has_private_ones_too(answer):
    answer(["127.0.0.1", "::1", "8.8.8.8", "1.1.1.1"])
    assert resolve_now("hooks.example.org") == "8.8.8.8"


def test_the_first_address_is_taken_where_private_ones_are_allowed(answer):
    answer(["127.0.0.1", "8.8.8.8"])
    assert resolve_now("hooks.example.org", allow_private=True) == "127.0.0.1"


def test_a_literal_address_is_judged_without_a_lookup(answer):
    answer()
    assert resolve_now("8.8.8.8") == "8.8.8.8"
    with pytest.raises(RefusedAddress):
        resolve_now("127.0.0.1")


@pytest.mark.parametrize("found", [[], socket.gaierror(socket.EAI_NONAME, "unknown")])
def test_a_name_without_an_address_is_not_found(answer, found):
    answer(found)
    with pytest.raises(HostNotFound):
        resolve_now("hooks.example.org")
