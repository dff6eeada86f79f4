"""Rehearsal: a whole purchase through the container in a browser, held against what Cortex would send for the same order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from cortex import conversions as rules
from cortex import plugins
from cortex.clock import system_clock
from cortex.destinations import Destination
from cortex.errors import UsageError
from cortex.handoff import browser
from cortex.handoff.browser import Page
from cortex.handoff.compare import context
from cortex.handoff.container import container as kit_container
from cortex.handoff.events import BY_GA4, EVENTS
from cortex.records import Clicks, Conversion
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.steps import handover

if TYPE_CHECKING:
    from cortex.handoff.elements import Json
    from cortex.tenant import Tenant
    from cortex.workspace import Workspace

GCLID = "Cj0KCQiA-Rehearsal_AbC-123"
FBCLID = "IwAR0-Rehearsal_xYz"
EMAIL = "buyer@shop.example"
ORDER_ID = "1046788032"
ITEMS = (("98231", 2, Decimal("94.95")), ("98232", 1, Decimal("33.33")))
TOTAL = Decimal("225.73")
"""Items 223.23, shipping 12.50, discount 10.00: a sum that is not the sum of the items."""
CHOICES = ("ad_storage", "analytics_storage", "ad_user_data", "ad_personalization")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. state `off`: the container leaves it out, or its tag is paused."""

    name: str
    state: Literal["ok", "failed", "off"]
    said: str

    @property
    def ok(self) -> bool:
        return self.state != "failed"


def rehearse(tenant: Tenant, workspace: Workspace, container: Json | None = None) -> list[Check]:
    """Every check, in the order of the visit. container: an export to run instead of the kit's own.

    Raises ConfigError (CTX-3403) where there is no browser, UsageError (CTX-3409) for a server container.
    """
    if container is not None and context(container) != "WEB":
        raise UsageError(
            "CTX-3409", "A server container runs on no page.", fix="cortex tracking audit export.json looks at it."
        )
    spec = handover.kit_spec(tenant)
    seen = browser.walk(container or kit_container(spec), _visits(tenant.currency))
    ordered = system_clock()()
    checks = [*_before_consent(seen), *_granted(seen["granted"], tenant), *_taken_back(seen["withdrawn"])]
    checks += _gates(seen, tenant, workspace, ordered)
    for kind, body in _bodies(seen["granted"][-1]["attributes"], tenant, workspace, ordered).items():
        checks += _PARITY[kind](seen["granted"], body) if kind in _PARITY else []
    strange = sorted({each for pages in seen.values() for page in pages for each in page["strange"]})
    said = f"not understood: {', '.join(strange)[:200]}" if strange else "every element was understood"
    checks.append(Check("interpreter", "failed" if strange and container is None else "ok", said))
    return checks


# The visit


def _visits(currency: str) -> dict[str, list[Page]]:
    """The same shopping, by visitors who choose nothing, refuse, agree, and agree and take it back at the checkout."""
    return {
        "undecided": _shopping(currency),
        "refused": _shopping(currency, landing="0000"),
        "granted": _shopping(currency, landing="1111"),
        "withdrawn": _shopping(currency, landing="1111", checkout="0000"),
    }


def _shopping(currency: str, landing: str = "", checkout: str = "") -> list[Page]:
    arrived = f"/?utm_source=rehearsal&utm_medium=cpc&utm_campaign=kit&gclid={GCLID}&fbclid={FBCLID}&email={EMAIL}"
    one = _basket(currency, ITEMS[:1])
    listed = {"currency": currency, "items": [{"item_id": ITEMS[0][0], "item_name": "Item 98231", "index": 0}]}
    cart = _basket(currency, ITEMS)
    purchase = cart | {"transaction_id": ORDER_ID, "value": float(TOTAL), "shipping": 12.5, "coupon": "VOLTA10"}
    bought = [*_told("purchase", purchase)]
    bought[-1] = bought[-1] | {"user_data": {"email": EMAIL, "phone_number": "+5511987654321"}, "new_customer": True}
    return [
        Page(arrived, _chosen(landing)),
        Page("/colecao/", _told("view_item_list", listed)),
        Page("/produto/", [*_told("view_item", one), *_told("add_to_cart", one), *_told("add_to_cart", one)]),
        Page("/carrinho/", _told("view_cart", cart)),
        Page(
            "/checkout/",
            [
                *_told("begin_checkout", cart),
                *_told("add_shipping_info", cart | {"shipping_tier": "PAC"}),
                *_chosen(checkout),
                *_told("add_payment_info", cart | {"payment_type": "pix"}),
            ],
        ),
        Page("/obrigado/", bought),
        Page("/obrigado/", bought),
    ]


def _basket(currency: str, items: Sequence[tuple[str, int, Decimal]]) -> dict[str, Any]:
    lines = [
        {"item_id": product, "item_name": f"Item {product}", "price": float(price), "quantity": quantity}
        for product, quantity, price in items
    ]
    value = sum((price * quantity for _, quantity, price in items), Decimal(0))
    return {"currency": currency, "value": float(value), "items": lines}


def _told(event: str, ecommerce: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"ecommerce": None}, {"event": event, "ecommerce": dict(ecommerce)}]


def _chosen(bits: str) -> list[dict[str, Any]]:
    states = {name: "granted" if bit == "1" else "denied" for name, bit in zip(CHOICES, bits, strict=False)}
    return [{"event": "ctx_consent_update", "ctx_consent": states}] if bits else []


# What the visitor's choice must mean


def _before_consent(seen: Mapping[str, list[Json]]) -> Iterator[Check]:
    first = seen["undecided"][0]["trace"][:1]
    said = f"{first[0]['tag']} on {first[0]['event']}" if first else "no tag fires at all"
    good = bool(first) and first[0]["event"] == "gtm.init_consent"
    yield _check("consent first", good, f"the first tag is {said}")
    for name in ("undecided", "refused"):
        pages = seen[name]
        leaks = sorted({each for page in pages for each in page["cookies"] if each != "ctx_choice"})
        hosts = sorted({host for page in pages for host in page["hosts"]})
        calls = sum(len(page["fbq"]) + len(page["ttq"]) for page in pages)
        wrong = [*(f"cookie {each}" for each in leaks), *hosts, *([f"{calls} pixel calls"] if calls else [])]
        yield _check(name, not wrong, f"leaves {', '.join(wrong)}" if wrong else "no cookie, no pixel, no foreign host")
        kept = pages[-1]["attributes"]
        said = "the order says " + (
            ", ".join(f"{key} {value.partition(';')[0]}" for key, value in kept.items()) or "nothing"
        )
        yield _check(f"{name}: order", not kept if name == "undecided" else _only_refusal(kept), said)


def _granted(pages: list[Json], tenant: Tenant) -> Iterator[Check]:
    kept = pages[-1]["attributes"]
    exact = kept.get("ctx_gclid") == GCLID and str(kept.get("ctx_fbc", "")).endswith(f".{FBCLID}")
    yield _check(
        "capture", exact, "click ids reach the order letter by letter" if exact else f"the order holds {sorted(kept)}"
    )
    spec = handover.kit_spec(tenant)
    told = {fired["told"].get("eventName"): fired["told"].get("ecommerce") for fired in _fired(pages, "gaawe")}
    if not told:
        yield Check("GA4", "off", "no GA4 tag, or it is paused")
    else:
        lost = [event.ga4 for event in EVENTS if event.ga4 != "refund" and not told.get(event.ga4)]
        yield _check(
            "GA4", not lost, f"{len(told)} events with their items" if not lost else f"lost: {', '.join(lost)}"
        )
        personal = EMAIL in json.dumps([fired["told"] for fired in _fired(pages, "gaawe", "googtag")])
        yield _check("GA4: people", not personal, "personal data in Analytics" if personal else "no personal data")
    for name, key, part in (("Meta pixel", "fbq", "meta"), ("TikTok pixel", "ttq", "tiktok")):
        calls = _tracked(pages, key)
        wanted = [getattr(event, part) for event in EVENTS if getattr(event, part)]
        if not calls:
            missing = spec.has(part) and bool(getattr(spec, f"{part}_pixel_id"))
            yield Check(name, "failed" if missing else "off", "no event leaves" if missing else "not in the container")
            continue
        lost = [event for event in wanted if event not in {call[0] for call in calls}]
        yield _check(name, not lost, f"lost: {', '.join(lost)}" if lost else f"{len(calls)} events")
        yield from _ids(name, calls)


def _ids(name: str, calls: Sequence[tuple[str, Json, str]]) -> Iterator[Check]:
    added = [number for event, _, number in calls if event == "AddToCart"]
    bought = {number for event, _, number in calls if event == "Purchase"}
    every = all(number for _, _, number in calls)
    good = every and len(set(added)) == len(added) and len(bought) == 1
    said = (
        "each event has its id; a reload repeats the purchase's"
        if good
        else f"purchase ids {sorted(bought)}, added {added}"
    )
    yield _check(f"{name}: ids", good, said)


def _taken_back(pages: list[Json]) -> Iterator[Check]:
    last = pages[-1]
    calls = [call for page in pages[5:] for call in page["fbq"] + page["ttq"]]
    left = sorted(name for name in last["cookies"] if name.startswith("ctx_") and name != "ctx_choice")
    good = not calls and not left and _only_refusal(last["attributes"])
    said = "ids gone, pixels silent after it" if good else f"left: {', '.join(left)}; {len(calls)} pixel calls"
    yield _check("consent taken back", good, said)


def _only_refusal(attributes: Mapping[str, str]) -> bool:
    return set(attributes) == {"ctx_consent"} and attributes["ctx_consent"].startswith("denied;")


def _fired(pages: Sequence[Json], *kinds: str) -> list[Json]:
    return [each for page in pages for each in page["trace"] if each["state"] == "fired" and each["type"] in kinds]


def _tracked(pages: Sequence[Json], key: str) -> list[tuple[str, Json, str]]:
    """(event, parameters, event id) of every standard event a pixel was told, PageView left out."""
    found = []
    for call in (call for page in pages for call in page[key] if call and call[0] == "track" and len(call) > 1):
        options = call[3] if len(call) > 3 and isinstance(call[3], dict) else {}
        found.append(
            (
                str(call[1]),
                call[2] if len(call) > 2 else {},
                str(options.get("eventID") or options.get("event_id") or ""),
            )
        )
    return [each for each in found if each[0] != "PageView"]


# What Cortex would send for the same order


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


def _bodies(
    attributes: Mapping[str, str], tenant: Tenant, workspace: Workspace, ordered: datetime
) -> dict[str, dict[str, Any]]:
    """The bytes each destination would be sent, read back."""
    order = _order(attributes, tenant, ordered)
    return {
        kind: json.loads(destination.body([_conversion(destination, order, tenant, kind)]), parse_float=Decimal)
        for kind, destination in _destinations(tenant, workspace)
    }


def _gates(seen: Mapping[str, list[Json]], tenant: Tenant, workspace: Workspace, ordered: datetime) -> Iterator[Check]:
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
        yield _check(f"{kind}: consent", good, said if privacy.consent else f"{said} (no policy in the client file)")


def _meta(pages: list[Json], body: Mapping[str, Any]) -> Iterator[Check]:
    """The pixel's Purchase and the server's, field by field."""
    told = next(
        ((parameters, number) for event, parameters, number in _tracked(pages, "fbq") if event == "Purchase"), None
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
    fired = _fired(pages, "awct")
    if not fired:
        yield Check("google_ec: same sale", "off", "no Google Ads tag, or it is paused")
        return
    told, event = fired[0]["told"], body["events"][0]
    yield _same(
        "google_ec",
        {
            "order id": (told.get("orderId"), event["transactionId"]),
            "value": (_money(told.get("conversionValue")), _money(event["conversionValue"])),
            "currency": (told.get("currencyCode"), event["currency"]),
            "gclid": (pages[-1]["attributes"].get("ctx_gclid"), event.get("adIdentifiers", {}).get("gclid")),
        },
    )


_PARITY = {"meta_capi": _meta, "google_ec": _google}


def _same(kind: str, pairs: Mapping[str, tuple[Any, Any]]) -> Check:
    wrong = [
        f"{name}: browser {browser_}, server {server}"
        for name, (browser_, server) in pairs.items()
        if browser_ != server
    ]
    said = "; ".join(wrong) if wrong else f"browser and server agree on {', '.join(pairs)}"
    return _check(f"{kind}: same sale", not wrong, said)


def _money(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value)).quantize(Decimal("0.01"))


def _check(name: str, good: bool, said: str) -> Check:
    return Check(name, "ok" if good else "failed", said)
