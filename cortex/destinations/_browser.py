"""What the buyer's browser told, as it may be passed on: a public address without port, a page without its query."""

from __future__ import annotations

import ipaddress
import re

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_NEAR = r"(?:0|10|127|22[4-9]|2[3-5]\d|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))\."
"""How the IPv4 addresses begin that are no buyer's: private, of the machine itself, for many at once, or reserved."""
_IPV4 = re.compile(r"\.".join([_OCTET] * 4))
_FAR = re.compile(f"(?!{_NEAR}){_IPV4.pattern}")
_UNIQUE_LOCAL = ipaddress.IPv6Network("fc00::/7")


def ip_address(text: str) -> str:
    """The buyer's address without port, brackets or proxies after it; nothing for one of a private network."""
    if _FAR.fullmatch(text):
        return text  # as nearly all are
    first = text.partition(",")[0].strip()
    if first.startswith("["):
        first = first[1:].partition("]")[0]
    elif first.count(":") == 1:
        first = first.partition(":")[0]
    if _IPV4.fullmatch(first):
        return first if _FAR.fullmatch(first) else ""
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
