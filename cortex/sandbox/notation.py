"""How Nuvemshop writes money and instants."""

from __future__ import annotations

from datetime import UTC, datetime


def money(cents: int) -> str:
    """Cents as the platform's text.

    >>> money(519000), money(-5)
    ('5190.00', '-0.05')
    """
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def stamp(at: int) -> str:
    """Epoch seconds in UTC with an offset that has no colon, which `fromisoformat` refused before Python 3.11.

    >>> stamp(1645619118)
    '2022-02-23T12:25:18+0000'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def epoch(text: str) -> int:
    """Epoch seconds of such an instant, whatever its offset.

    >>> epoch("2022-02-23T12:25:18+0000")
    1645619118
    """
    return int(datetime.fromisoformat(text).timestamp())


def php_stamp(at: int) -> dict[str, str | int]:
    """Epoch seconds as PHP serialises a DateTime object: `completed_at` arrives so."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.000000")
    return {"date": text, "timezone_type": 3, "timezone": "UTC"}
