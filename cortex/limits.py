"""Limits of a platform that several clients use up together: who they belong to, and how a call waits for them.

An adapter names what it shares; the runner keeps count in the control schema, so that two hundred clients of one Meta
app, on any number of machines, respect what one of them was told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Scope = Literal["account", "app"]
"""Whose budget: one account of the platform's, or the app (Cloud project) through which the agency calls for everyone."""

AGENCY = "agency"
"""The one app of an agency that named none: when nothing tells two clients' apps apart they are taken for the same."""


@dataclass(frozen=True)
class Limit:
    """name: the same wherever the same budget is meant, `meta:app:1f0c…`, at most 96 characters, no secret.

    at_once: runs that may work with it at the same time, 0 for any number. per_second, burst: calls, 0 for no rate.
    """

    name: str
    scope: Scope
    at_once: int = 0
    per_second: float = 0.0
    burst: float = 1.0


class Pace(Protocol):
    """What every call to a platform passes."""

    def hold(self) -> float:
        """Seconds to wait before the call; what it uses of a rate is counted."""

    def told(self, scope: Scope, seconds: float) -> None:
        """The platform asked for a pause: whoever shares the budget keeps it."""


class Keeper(Protocol):
    """Who counts what is shared."""

    def enter(self, shared: Sequence[Limit]) -> None:
        """Wait for a place in each; kept until the step ends. Raises Throttled when none comes free."""

    def pace(self, shared: Sequence[Limit]) -> Pace: ...


class _Free:
    def hold(self) -> float:
        return 0.0

    def told(self, scope: Scope, seconds: float) -> None:
        """Nobody else is there to hear it."""

    def enter(self, shared: Sequence[Limit]) -> None:
        """There is room."""

    def pace(self, shared: Sequence[Limit]) -> Pace:  # noqa: ARG002  # as the protocol names it
        return self


UNSHARED = _Free()
"""Where nothing is shared: a credential check, a test. As Pace and as Keeper."""


def app_of(secret: str | None) -> str:
    """The app that has this secret, told from others without saying it: 16 hex digits of a SHA-256 (of a random
    secret). Without a secret, the agency's only app."""
    if secret is None:
        return AGENCY
    return hashlib.sha256(f"cortex limit\0{secret}".encode()).hexdigest()[:16]
