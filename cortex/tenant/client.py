"""The Tenant: one client as its file says, checked and immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from cortex.conversions.policy import Privacy
from cortex.errors import Problem
from cortex.settings import PlatformSection
from cortex.tenant.platforms import STORE
from cortex.tenant.sections import (
    Alerts,
    Analytics,
    Etl,
    FunnelStages,
    Kpis,
    Notifications,
    Quality,
    Schedule,
    Tracking,
)


@dataclass(frozen=True)
class Ecommerce:
    """The client's shop: which adapter, and its settings."""

    kind: str
    config: PlatformSection


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """One client, as its file says. Plain data: it may travel between processes and holds no credential.

    ads, traffic, destinations: enabled platforms only, by kind, in the order of the file; what is switched off is named
    in `disabled` (`ads.tiktok`) and can be reached by nobody. privacy is None when the file has no such block.
    sources: dotted key -> `tenants/xyz.yaml:12`; a key that is not there has its default.
    """

    code: str
    name: str
    timezone: ZoneInfo
    currency: str
    lang: str
    active: bool
    ecommerce: Ecommerce
    ads: Mapping[str, PlatformSection]
    traffic: Mapping[str, PlatformSection]
    destinations: Mapping[str, PlatformSection]
    disabled: frozenset[str]
    etl: Etl
    analytics: Analytics
    alerts: Alerts
    notifications: Notifications
    privacy: Privacy | None
    quality: Quality
    funnel: FunnelStages
    tracking: Tracking
    kpis: Kpis
    schedule: Schedule
    path: Path
    file: str
    """The path as messages show it: tenants/xyz.yaml."""
    sha256: str
    sources: Mapping[str, str]
    warnings: tuple[Problem, ...] = ()

    def funnel_stage(self, campaign_name: str) -> str:
        """TOFU, MOFU, BOFU or unknown, by the words of `funnel_stages`."""
        return self.funnel.stage(campaign_name)

    def platforms(self) -> Iterator[tuple[str, str, PlatformSection]]:
        """(block, kind, config) of everything enabled: `ecommerce` first, then in the order of the file."""
        yield STORE, self.ecommerce.kind, self.ecommerce.config
        for block, blocks in (
            ("ads", self.ads),
            ("analytics", self.traffic),
            ("offline_conversions", self.destinations),
        ):
            for kind, config in blocks.items():
                yield block, kind, config
