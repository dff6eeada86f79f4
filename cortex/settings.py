"""What adapters are built from: the Section a tenant file may say, and the Access they work through."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, field_validator

from cortex.clock import Clock, system_clock
from cortex.errors import BadRecord
from cortex.limits import UNSHARED, Keeper, Limit, Pace
from cortex.records import Notice
from cortex.secrets import Secret, Vault

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Section(BaseModel):
    """A block of a tenant file. Unknown keys are errors; error texts never quote the value."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,  # they become the descriptions in tenants/schema.json
    )


def tls_beyond_loopback(url: str | None) -> str | None:
    """A base URL without its last slash. Raises ValueError for one that would carry a credential unencrypted."""
    if url is None:
        return None
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in {"https", "http", "grpc"}:
        raise ValueError("must be an https:// URL (http:// and grpc:// on loopback only)")
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ValueError("would send credentials unencrypted: use https://")
    return url.rstrip("/")


class PlatformSection(Section):
    """A block that names one platform account. Left out or `enabled: false`, it makes no call at all."""

    enabled: bool = True
    api_url: str | None = None
    """Another base URL than the platform's own: the sandbox, a proxy. Plain http and grpc on loopback only."""

    @field_validator("api_url")
    @classmethod
    def _tls_beyond_loopback(cls, url: str | None) -> str | None:
        return tls_beyond_loopback(url)


@dataclass(frozen=True)
class SecretName:
    """A credential an adapter needs: its name in the environment (after CORTEX_<CODE>_), what it is, what may stand in."""

    name: str
    what: str
    fallback: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, self.fallback) if self.fallback else (self.name,)


def _ignore(_told: Notice | BadRecord) -> None:
    """Used where nobody asked to hear (a credential check)."""


@dataclass(frozen=True)
class Access:
    """How an adapter reaches the outside on behalf of one tenant. Nothing in it is shared with another tenant."""

    tenant: str
    vault: Vault
    timezone: ZoneInfo
    clock: Clock = field(default_factory=system_clock)
    notice: Callable[[Notice], None] = _ignore
    quarantine: Callable[[BadRecord], None] = _ignore
    sleep: Callable[[float], None] = time.sleep
    """How an adapter waits before it tries again (`Client(sleep=access.sleep)`): tests pass one that does not."""

    limits: Keeper = UNSHARED
    """Who counts what this tenant shares with others."""

    def secret(self, name: SecretName) -> Secret:
        return self.vault.get(*name.names)


class Adapter:
    """What every store, ad platform, traffic source and destination is: a config, an access, and nothing global."""

    Config: ClassVar[type[PlatformSection]]
    secrets: ClassVar[tuple[SecretName, ...]] = ()
    docs: ClassVar[str] = ""
    """Page under docs/ that says how to get the credentials."""

    def __init__(self, config: PlatformSection, access: Access) -> None:
        self.config = config
        self.access = access

    def shared(self) -> tuple[Limit, ...]:
        """What of the platform's budgets other accounts, clients or processes use up too. Asks nobody."""
        return ()

    @cached_property
    def pace(self) -> Pace:
        """What every call of this adapter passes (`Client(pace=self.pace)`)."""
        return self.access.limits.pace(self.budgets())

    def budgets(self) -> tuple[Limit, ...]:
        """What it shares, under names of its own where another host than the platform's is called: the app of a sandbox
        is none of Meta's."""
        if self.config.api_url is None:
            return self.shared()
        host = urlsplit(self.config.api_url).netloc[:32]
        return tuple(replace(limit, name=f"{limit.name}@{host}") for limit in self.shared())
