"""Parity: what the browser told of an order, against the bytes Cortex would send for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cortex import conversions as rules
from cortex import plugins
from cortex.clock import system_clock
from cortex.destinations import Destination
from cortex.handoff.events import BY_GA4
from cortex.records import Clicks, Conversion
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.steps.shopping import EMAIL, ITEMS, ORDER_ID, TOTAL, Check, check, fired, tracked

if TYPE_CHECKING:
    from cortex.handoff.elements import Json
    from cortex.tenant import Tenant
    from cortex.workspace import Workspace


def _order(attributes: Mapping[str, str], tenant: Tenant, ordered: datetime) -> dict[str, Any]:
    """The order as it would be stored, with what the browser saved in it."""
    said = attributes.get("ctx_consent", "")
    clicks = {name: attributes.get(f"ctx_{name}", "") for name in Clicks.__struct_fields__}
    return clicks | {
        "order_key": "0" * 64,
        "external_id": ORDER_ID,
        "created_at": ordered,
        "currency": tenant.currency,
        "paid": TOTAL,
        "refunded": Decimal(0),
        "is_paid": True,
        "is_test": False,
        "status": "closed",
        "consent_state": said.partition(";")[0] or "unknown",
        "consent_version": said.partition("v=")[2].partition(";")[0],
    }


def _conversion(destination: Destination, order: Mapping[str, Any], tenant: Tenant, kind: str) -> Conversion:
    email = next(each.key for each in destination.identifiers.fields if each.fact == "email")
    sealed = rules.Sealed(identifiers={email: [hashlib.sha256(EMAIL.encode()).hexdigest()]})
    items = [
        {"line": at, "product_id": product, "quantity": quantity, "unit_price": price}
        for at, (product, quantity, price) in enumerate(ITEMS, start=1)
    ]
    return rules.conversion(order, tenant=tenant.code, destination=kind, sealed=sealed, items=items)


def _destinations(tenant: Tenant, workspace: Workspace) -> Iterator[tuple[str, Destination]]:
    access = Access(tenant.code, Vault(tenant.code, workspace.root), tenant.timezone, system_clock())
    for kind, config in tenant.destinations.items():
        yield kind, plugins.adapter("destinations", kind, Destination)(config, access)


def bodies(
    attributes: Mapping[str, str], tenant: Tenant, workspace: Workspace, ordered: datetime
) -> dict[str, dict[str, Any]]:
    """The bytes each destination would be sent, read back."""
    order = _order(attributes, tenant, ordered)
    return {
        kind: json.loads(destination.body([_conversion(destination, order, tenant, kind)]), parse_float=Decimal)
        for kind, destination in _destinations(tenant, workspace)
    }


def gates(seen: Mapping[str, list[Json]], tenant: Tenant, workspace: Workspace, ordered: datetime) -> Iterator[Check]:
    """The choice made in the shop decides about the server's copy too."""
    privacy = tenant.privacy or rules.Privacy()
    for kind, destination in _destinations(tenant, workspace):
        states = {}
        for name in ("refused", "granted"):
            order = _order(seen[name][-1]["attributes"], tenant, ordered)
            made = _conversion(destination, order, tenant, kind)
            decision = rules.decide(rules.sale(order, made), destination, privacy, ordered)
            states[name] = decision.state
        good = states["refused"] == "gated" and states["granted"] == ("planned" if privacy.consent else "gated")
        said = f"agreed: {states['granted']}, refused: {states['refused']}"
        yield check(f"{kind}: consent", good, said if privacy.consent else f"{said} (no policy in the client file)")


def _meta(pages: list[Json], body: Mapping[str, Any]) -> Iterator[Check]:
    """The pixel's Purchase and the server's, field by field."""
    told = next(
        ((parameters, number) for event, parameters, number in tracked(pages, "fbq") if event == "Purchase"), None
    )
    if told is None:
        yield Check("meta_capi: same sale", "off", "the pixel tells no purchase")
        return
    event = body["data"][0]
    sent = event["custom_data"]
    parameters, number = told
    pairs = {
        "event": (BY_GA4["purchase"].meta, event["event_name"]),
        "event_id": (number, event["event_id"]),
        "value": (_money(parameters.get("value")), _money(sent["value"])),
        "currency": (parameters.get("currency"), sent["currency"]),
        "order id": (parameters.get("order_id", ORDER_ID), sent["order_id"]),
        "items": (
            [(each.get("id"), int(each.get("quantity", 0))) for each in parameters.get("contents", [])],
            [(each["id"], int(each["quantity"])) for each in sent["contents"]],
        ),
        "fbc": (pages[-1]["attributes"].get("ctx_fbc"), event["user_data"].get("fbc")),
    }
    yield _same("meta_capi", pairs)


def _google(pages: list[Json], body: Mapping[str, Any]) -> Iterator[Check]:
    """The tag's conversion and the Data Manager event."""
    converted = fired(pages, "awct")
    if not converted:
        yield Check("google_ec: same sale", "off", "no Google Ads tag, or it is paused")
        return
    told, event = converted[0]["told"], body["events"][0]
    yield _same(
        "google_ec",
        {
            "order id": (told.get("orderId"), event["transactionId"]),
            "value": (_money(told.get("conversionValue")), _money(event["conversionValue"])),
            "currency": (told.get("currencyCode"), event["currency"]),
            "gclid": (pages[-1]["attributes"].get("ctx_gclid"), event.get("adIdentifiers", {}).get("gclid")),
        },
    )


PARITY: dict[str, Callable[[list[Json], Mapping[str, Any]], Iterator[Check]]] = {
    "meta_capi": _meta,
    "google_ec": _google,
}


def _same(kind: str, pairs: Mapping[str, tuple[Any, Any]]) -> Check:
    wrong = [
        f"{name}: browser {browser_}, server {server}"
        for name, (browser_, server) in pairs.items()
        if browser_ != server
    ]
    said = "; ".join(wrong) if wrong else f"browser and server agree on {', '.join(pairs)}"
    return check(f"{kind}: same sale", not wrong, said)


def _money(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value)).quantize(Decimal("0.01"))
