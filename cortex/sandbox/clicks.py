"""Click and browser ids shaped like the platforms' own: opaque, long, case-sensitive, never guessable from one another."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator

import numpy as np


def _opaque(rng: np.random.Generator, count: int, length: int) -> Iterator[str]:
    """`count` random base64url texts of `length` characters, cut from one long draw because that is fast."""
    text = urlsafe_b64encode(rng.bytes(count * length * 3 // 4 + 3)).decode()
    return (text[i * length : (i + 1) * length] for i in range(count))


def gclids(rng: np.random.Generator, count: int) -> list[str]:
    """Google's web click ids, 60 to 91 characters."""
    lengths = rng.integers(0, 32, count).tolist()
    tails = _opaque(rng, count, 80)
    heads = ("Cj0KCQ", "Cj0KCQ", "EAIaIQ", "CjwKCA")
    kinds = rng.integers(0, len(heads), count).tolist()
    return [f"{heads[kind]}{tail[: 50 + length]}_wcB" for kind, tail, length in zip(kinds, tails, lengths, strict=True)]


def braids(rng: np.random.Generator, count: int) -> list[str]:
    """Google's aggregated click ids for iOS (gbraid: app, wbraid: web); many clicks may share one shape."""
    return [f"0AAAAA{tail}" for tail in _opaque(rng, count, 40)]


def fbclids(rng: np.random.Generator, count: int) -> list[str]:
    """Meta's click ids, the older and the newer kind."""
    old = (rng.random(count) < 0.3).tolist()
    tails = _opaque(rng, count, 110)
    ends = _opaque(rng, count, 22)
    return [
        f"IwAR{tail[:57]}" if is_old else f"IwY2xjaw{tail}_aem_{end}"
        for is_old, tail, end in zip(old, tails, ends, strict=True)
    ]


def ttclids(rng: np.random.Generator, count: int) -> list[str]:
    """TikTok's click ids."""
    return [f"E.C.P.{tail}" for tail in _opaque(rng, count, 120)]


def fbps(rng: np.random.Generator, at_ms: list[int]) -> list[str]:
    """Values of Meta's browser cookie, born at the given instants."""
    numbers = rng.integers(10**9, 2 * 10**18, len(at_ms)).tolist()
    return [f"fb.1.{ms}.{number}" for ms, number in zip(at_ms, numbers, strict=True)]


def fbc(fbclid: str, at_ms: int) -> str:
    """Value of Meta's click cookie (Conversions API, parameters/fbp-and-fbc)."""
    return f"fb.1.{at_ms}.{fbclid}"
