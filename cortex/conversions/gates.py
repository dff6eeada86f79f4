"""Gates: may this conversion be sent to this destination now, and if not, why. Pure; every reason is stored and shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Literal, Protocol

from msgspec import Struct

from cortex.conversions.policy import ConsentPolicy, Privacy, version_key
from cortex.records import Conversion, SendWindow
from cortex.settings import PlatformSection

REASONS = {
    "disabled": "the destination is switched off in the client file",
    "test_order": "a test order",
    "internal_buyer": "bought by the shop or the agency itself",
    "marketplace": "imported from a marketplace: no ad of this shop brought it",
    "cancelled": "cancelled",
    "not_paid": "not paid yet",
    "zero_value": "nothing is left after refunds",
    "no_margin": "sold at or below cost: there is no margin to tell",
    "no_consent_policy": "the client file states no consent policy",
    "consent_denied": "the buyer refused",
    "consent_unknown": "the buyer's consent is not known, or was given to an older text",
    "window": "older than the platform takes",
    "thin_identity": "too little is known about the buyer for the platform to match",
}
"""Every reason a conversion is not sent, in the order they are looked at."""


class Target(Protocol):
    """What a gate asks of a destination (`cortex.destinations.Destination` is one)."""

    window: ClassVar[SendWindow]
    click_ids: ClassVar[tuple[str, ...]]

    @property
    def config(self) -> PlatformSection: ...

    def missing(self, conversion: Conversion) -> str: ...


class Sale(Struct, frozen=True, kw_only=True):
    """A stored order as its facts bear on sending, and the conversion it would be."""

    conversion: Conversion
    is_paid: bool
    is_cancelled: bool = False
    is_test: bool = False
    is_internal: bool = False
    marketplace: str = ""
    consent_state: str = "unknown"
    consent_version: str = ""
    basis: str = "revenue"
    """What the conversion's value is: revenue, margin, revenue_no_cost."""


class Decision(Struct, frozen=True, kw_only=True):
    """planned: send it. gated: not allowed, may change. expired: too late for good. `reason` is a key of REASONS."""

    state: Literal["planned", "gated", "expired"]
    reason: str = ""
    detail: str = ""
    """Which window, or what the destination misses."""

    @property
    def stored(self) -> str:
        """As the ledger keeps it, at most 64 characters."""
        return f"{self.reason}: {self.detail}"[:64] if self.detail else self.reason


PLANNED = Decision(state="planned")


def decide(sale: Sale, target: Target, privacy: Privacy, now: datetime) -> Decision:
    """Whether the conversion may go to `target` at `now` (aware). The first reason against it wins.

    Adjustments (restate, retract) concern a conversion the platform already has: payment and age were looked at
    when it was sent, `conversions.adjustments` looks at their own window.
    """
    purchase = sale.conversion.action == "purchase"
    if reason := _about_the_order(sale, target, privacy, purchase=purchase):
        return Decision(state="gated", reason=reason)
    if reason := consent_reason(sale.consent_state, sale.consent_version, privacy.consent):
        return Decision(state="gated", reason=reason)
    if purchase and (which := closed_window(sale.conversion, target, now)):
        return Decision(state="expired", reason="window", detail=which)
    if missing := target.missing(sale.conversion):
        return Decision(state="gated", reason="thin_identity", detail=missing)
    return PLANNED


def _about_the_order(sale: Sale, target: Target, privacy: Privacy, *, purchase: bool) -> str:
    if not target.config.enabled:
        return "disabled"
    if sale.is_test:
        return "test_order"
    if sale.is_internal:
        return "internal_buyer"
    if sale.marketplace and not privacy.marketplace_orders:
        return "marketplace"
    if not purchase:
        return ""
    if sale.is_cancelled:
        return "cancelled"
    if not sale.is_paid:
        return "not_paid"
    if sale.conversion.value > Decimal(0):
        return ""
    return "no_margin" if sale.basis == "margin" else "zero_value"


def consent_reason(state: str, version: str, policy: ConsentPolicy | None) -> str:
    """Why the buyer's consent does not allow sending, or an empty string.

    Asked before identities are hashed as well: whom nobody may be told about is not prepared for telling.
    """
    if policy is None:
        return "no_consent_policy"
    if state == "denied":
        return "consent_denied"
    if state == "granted" and version_key(version) >= version_key(policy.min_version):
        return ""
    return "consent_unknown" if policy.mode == "opt_in" else ""


def closed_window(conversion: Conversion, target: Target, now: datetime) -> str:
    """Which of the platform's windows the conversion has missed, such as `identifiers 63 d`; empty while it is open."""
    has_click = any(getattr(conversion.clicks, name) for name in target.click_ids)
    if target.window.allows(conversion.occurred_at, now, has_click=has_click):
        return ""
    name, length = ("click", target.window.click) if has_click else ("identifiers", target.window.identifiers)
    return f"{name} {length // timedelta(days=1)} d"
