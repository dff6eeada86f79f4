"""What the buyer's browser told, as it may be passed on: a public address without port, a page without its query."""

from __future__ import annotations

import ipaddress
import re

_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(r"\.".join([_OCTET] * 4))
_UNIQUE_LOCAL = ipaddress.IPv6Network("fc00::/7")


def ip_address(text: str) -> str:
    """The buyer's address without port, brackets or proxies after it; nothing for one of a private network."""
    first = text.partition(",")[0].strip()
    if first.startswith("["):
        first = first[1:].partition("]")[0]
    elif first.count(":") == 1:
        first = first.partition(":")[0]
    if octets := _IPV4.fullmatch(first):
        one, two = int(octets[1]), int(octets[2])
        near = one in {0, 10, 127} or one >= 224 or (one, two) in {(192, 168), (169, 254)}
        return "" if near or (one == 172 and 16 <= two <= 31) else first
    try:
        address = ipaddress.IPv6Address(first.partition("%")[0])
    except ValueError:
        return ""
    near = address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast
    return "" if near or address in _UNIQUE_LOCAL else str(address)


def page(url: str) -> str:
    """The page without query and fragment, which may hold anything; nothing for what is no web address."""
    bare = url.partition("?")[0].partition("#")[0].strip()
    return bare if bare.startswith(("https://", "http://")) else ""
