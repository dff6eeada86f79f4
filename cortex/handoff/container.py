"""The web container: consent first, then Google, Meta and TikTok on one data layer.

Structure follows real exports (exportFormatVersion 2, enumerations in capitals, `awec` for user-provided data, GA4 events with
`measurementIdOverride`). Consent defaults come from a custom template: gtag commands in a Custom HTML tag are queued behind
the tags of the same event (Tag Manager, consent template page).
"""

from __future__ import annotations

from typing import NamedTuple

from cortex.handoff import sources
from cortex.handoff.elements import ALL_PAGES, CONSENT_INIT, INIT, Draft, Json, flag, ref, table, text
from cortex.handoff.events import EVENTS
from cortex.handoff.spec import NO_ADS_ID, NO_ADS_LABEL, NO_GA4, NO_PIXEL, KitSpec

CONSENT_TYPES = ("ad_storage", "analytics_storage", "ad_user_data", "ad_personalization")
# A pixel both stores an id and uses what the visitor does for advertising.
PIXEL_NEEDS = ("ad_storage", "ad_user_data", "ad_personalization")

POLICY = "CTX - Consent policy version"
CHOICE = "CTX - Stored choice"
IDENTITY = "CTX - User-provided data"
META_BASE = "CTX - Meta - base"
TIKTOK_BASE = "CTX - TikTok - base"


class _Folders(NamedTuple):
    consent: str
    layer: str
    google: str
    meta: str
    tiktok: str


def container(spec: KitSpec) -> Json:
    """The export file of a client as a JSON object. The same spec gives the same object."""
    draft = Draft()
    folders = _Folders(
        draft.folder("CTX - Consent and capture"),
        draft.folder("CTX - Data layer"),
        draft.folder("CTX - Google"),
        draft.folder("CTX - Meta", when=spec.has("meta")),
        draft.folder("CTX - TikTok", when=spec.has("tiktok")),
    )
    _variables(draft, spec, folders)
    triggers = {event.ga4: draft.event(event.ga4, folders.layer, when=_heard(spec, event.ga4)) for event in EVENTS}
    _consent(draft, spec, folders, draft.event("ctx_consent_update", folders.consent))
    ready = draft.event("ctx_consent_ready", folders.consent)
    draft.html(
        "CTX - Order attributes",
        sources.script("gtm/order_attributes.js"),
        [ALL_PAGES],
        folders.consent,
        priority=850,
        notes="Gives the shop what to save with an order, a refusal included. It writes nothing and needs no consent.",
    )
    draft.html(
        "CTX - Click and campaign capture",
        sources.script("gtm/capture.js", domain=spec.domain),
        [ALL_PAGES, ready],
        folders.consent,
        needs=["ad_storage"],
        priority=800,
    )
    _google(draft, spec, folders, triggers)
    _pixels(draft, spec, folders, triggers, ready)
    built_ins = [("EVENT", "Event")] if spec.has("meta") or spec.has("tiktok") else []
    return draft.export(f"Cortex - {spec.code}", built_ins)


def _heard(spec: KitSpec, name: str) -> bool:
    """Whether any tag fires on an event; a trigger nobody uses is left out."""
    event = next(event for event in EVENTS if event.ga4 == name)
    return (
        spec.has("ga4")
        or (spec.has("google_ads") and event.google_ads)
        or (spec.has("meta") and bool(event.meta))
        or (spec.has("tiktok") and bool(event.tiktok))
    )


def _variables(draft: Draft, spec: KitSpec, folders: _Folders) -> None:
    ads, meta, tiktok = spec.has("google_ads"), spec.has("meta"), spec.has("tiktok")
    draft.constant(POLICY, spec.consent_policy_version, folders.consent)
    draft.variable(CHOICE, "k", [flag("decodeCookie", False), text("name", "ctx_choice")], folders.consent)
    draft.layer("ctx_consent", folders.consent)
    for name in CONSENT_TYPES:
        draft.layer(f"ctx_consent.{name}", folders.consent)

    draft.constant("CTX - GA4 measurement id", spec.ga4_measurement_id or NO_GA4, folders.google, when=spec.has("ga4"))
    draft.constant("CTX - Google Ads conversion id", spec.ads_number or NO_ADS_ID, folders.google, when=ads)
    label = spec.google_ads_conversion_label or NO_ADS_LABEL
    draft.constant("CTX - Google Ads conversion label", label, folders.google, when=ads)
    draft.constant("CTX - Meta pixel id", spec.meta_pixel_id or NO_PIXEL, folders.meta, when=meta)
    draft.constant("CTX - TikTok pixel id", spec.tiktok_pixel_id, folders.tiktok, when=tiktok)

    draft.layer("ecommerce", folders.layer, when=meta or tiktok)
    draft.layer("ecommerce.transaction_id", folders.layer, when=ads or meta or tiktok)
    draft.layer("ecommerce.value", folders.layer, when=ads)
    draft.layer("ecommerce.currency", folders.layer, when=ads)
    draft.layer("new_customer", folders.layer, when=ads)
    draft.layer("user_data.email", folders.layer, when=ads)
    draft.layer("user_data.phone_number", folders.layer, when=ads)
    draft.layer("gtm.uniqueEventId", folders.layer, when=meta or tiktok)

    for what, path in (("email", "user_data.email"), ("phone", "user_data.phone_number")):
        javascript = sources.script("gtm/var_consented.js", {"value": ref(f"CTX - dl {path}")})
        draft.code(f"CTX - Consented {what}", javascript, folders.google, when=ads)
    parameters = [
        text("mode", "MANUAL"),
        text("email", ref("CTX - Consented email")),
        text("phone_number", ref("CTX - Consented phone")),
    ]
    draft.variable(IDENTITY, "awec", parameters, folders.google, when=ads)
    either = meta or tiktok
    draft.code("CTX - Page load id", sources.script("gtm/var_page_load_id.js"), folders.layer, when=either)
    draft.code("CTX - Event id", sources.script("gtm/var_event_id.js"), folders.layer, when=either)
    draft.code("CTX - Meta parameters", sources.script("gtm/var_meta_parameters.js"), folders.meta, when=meta)
    draft.code("CTX - TikTok parameters", sources.script("gtm/var_tiktok_parameters.js"), folders.tiktok, when=tiktok)


def _consent(draft: Draft, spec: KitSpec, folders: _Folders, update: str) -> None:
    """Default, update and record of the visitor's choice. Priorities put them before every other tag of their event."""
    kind = draft.template("CTX - Consent mode", sources.raw("gtm/consent_mode.tpl"))
    default = [
        text("command", "default"),
        text("waitForUpdate", "500"),
        text("policyVersion", ref(POLICY)),
        text("storedChoice", ref(CHOICE)),
    ]
    draft.tag("CTX - Consent - default", kind, default, [CONSENT_INIT], folders.consent, priority=1000)
    states = [text(name, ref(f"CTX - dl ctx_consent.{name}")) for name in CONSENT_TYPES]
    draft.tag(
        "CTX - Consent - update", kind, [text("command", "update"), *states], [update], folders.consent, priority=1000
    )
    draft.html(
        "CTX - Consent - record",
        sources.script("gtm/consent_record.js", domain=spec.domain),
        [update],
        folders.consent,
        priority=900,
        notes="Stores the choice itself, refusals included, and erases click ids after a refusal: it needs no consent.",
    )


def _google(draft: Draft, spec: KitSpec, folders: _Folders, triggers: dict[str, str]) -> None:
    ga4, ads = spec.has("ga4"), spec.has("google_ads")
    measurement = ref("CTX - GA4 measurement id")
    no_ga4 = not spec.ga4_measurement_id
    # With a server container Google's hits go there, and it tells Google Ads: the browser must not tell it again.
    through = [table("configSettingsTable", [("server_container_url", spec.server_url)])] if spec.server_url else []
    draft.tag(
        "CTX - Google tag - GA4",
        "googtag",
        [text("tagId", measurement), *through],
        [INIT],
        folders.google,
        paused=no_ga4,
        when=ga4,
    )
    off = [flag("enableCrossDomain", False), flag("enableUrlPassthrough", False), flag("enableCookieOverrides", False)]
    draft.tag("CTX - Conversion linker", "gclidw", off, [ALL_PAGES], folders.google, when=ads)
    for event in EVENTS:
        parameters = [
            flag("sendEcommerceData", True),
            text("getEcommerceDataFrom", "dataLayer"),
            flag("enhancedUserId", False),
            text("eventName", event.ga4),
            text("measurementIdOverride", measurement),
        ]
        name = f"CTX - GA4 - {event.ga4}"
        draft.tag(name, "gaawe", parameters, [triggers[event.ga4]], folders.google, paused=no_ga4, when=ga4)
    conversion = [
        text("conversionId", ref("CTX - Google Ads conversion id")),
        text("conversionLabel", ref("CTX - Google Ads conversion label")),
        text("conversionValue", ref("CTX - dl ecommerce.value")),
        text("currencyCode", ref("CTX - dl ecommerce.currency")),
        text("orderId", ref("CTX - dl ecommerce.transaction_id")),
        flag("enableConversionLinker", True),
        text("conversionCookiePrefix", "_gcl"),
        flag("enableEnhancedConversion", True),
        text("cssProvidedEnhancedConversionValue", ref(IDENTITY)),
        flag("enableNewCustomerReporting", True),
        text("newCustomerReportingDataSource", "JSON"),
        text("awNewCustomer", ref("CTX - dl new_customer")),
        flag("enableProductReporting", False),
        flag("enableShippingData", False),
        flag("rdp", False),
    ]
    incomplete = not (spec.google_ads_conversion_id and spec.google_ads_conversion_label)
    draft.tag(
        "CTX - Google Ads - purchase",
        "awct",
        conversion,
        [triggers["purchase"]],
        folders.google,
        paused=incomplete or bool(spec.server_url),
        notes="The server container sends this conversion: unpause only without it." if spec.server_url else "",
        when=ads,
    )


def _pixels(draft: Draft, spec: KitSpec, folders: _Folders, triggers: dict[str, str], ready: str) -> None:
    """Meta and TikTok: a base tag on every page (again after a choice) and one tag per standard event."""
    for part, base, folder, paused in (
        ("meta", META_BASE, folders.meta, not spec.meta_pixel_id),
        ("tiktok", TIKTOK_BASE, folders.tiktok, False),
    ):
        when = spec.has(part)
        draft.html(
            base,
            sources.script(f"gtm/{part}_base.js"),
            [ALL_PAGES, ready],
            folder,
            needs=PIXEL_NEEDS,
            priority=700,
            paused=paused,
            when=when,
        )
        for event in EVENTS:
            name = event.meta if part == "meta" else event.tiktok
            if name:
                draft.html(
                    base.replace("base", name),
                    sources.script(f"gtm/{part}_event.js", event=name),
                    [triggers[event.ga4]],
                    folder,
                    needs=PIXEL_NEEDS,
                    after=base,
                    paused=paused,
                    when=when,
                )
