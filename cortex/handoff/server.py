"""The optional server container: it claims the web container's GA4 hits, passes them on, and tells Google Ads of purchases.

Meta is left out on purpose. Cortex tells Meta of a purchase itself, when it is paid, and Meta drops a second copy of the same
event id for 48 hours only: a boleto paid on the third day would count twice. A token in a container would also be one more
copy of a secret. Shapes: `gaaw_client`, `sgtmgaaw`, `sgtmadscl` and `sgtmadsct` as public exports hold them, ids from one counter.
"""

from __future__ import annotations

from cortex.handoff.elements import Draft, Json, condition, flag, ref, text
from cortex.handoff.spec import NO_ADS_ID, NO_ADS_LABEL, KitSpec

CLIENT = "CTX - GA4 client"
TWO_YEARS = "63072000"
"""Seconds the server keeps its own cookie, as Tag Manager's GA4 client has it."""


def server_container(spec: KitSpec) -> Json:
    """The export file of a client's server container as a JSON object. The same spec gives the same object."""
    draft = Draft(context="SERVER")
    folder = draft.folder("CTX - Server")
    draft.client(
        CLIENT,
        "gaaw_client",
        [
            flag("activateDefaultPaths", True),
            text("cookieManagement", "server"),
            text("cookieName", "FPID"),
            text("cookieDomain", "auto"),
            text("cookiePath", "/"),
            text("cookieMaxAgeInSec", TWO_YEARS),
            flag("migrateFromJsClientId", False),
        ],
        folder,
    )
    ours = [condition("EQUALS", "{{Client Name}}", CLIENT)]
    every = draft.event(".*", folder, matching="MATCH_REGEX", called="CTX - every GA4 event", filters=ours)
    # Without a measurement id the tag keeps the one the web container sent.
    forward = [
        flag("redactVisitorIp", False),
        text("epToIncludeDropdown", "all"),
        text("upToIncludeDropdown", "all"),
    ]
    draft.tag("CTX - GA4 - forward", "sgtmgaaw", forward, [every], folder)
    if spec.has("google_ads"):
        _google_ads(draft, spec, folder, every, ours)
    return draft.export(f"Cortex - {spec.code} - server", [("CLIENT_NAME", "Client Name")])


def _google_ads(draft: Draft, spec: KitSpec, folder: str, every: str, ours: list[Json]) -> None:
    """Linker and purchase conversion. The order id travels in the event as `transaction_id`, where the tag reads it."""
    draft.constant("CTX - Google Ads conversion id", spec.ads_number or NO_ADS_ID, folder)
    draft.constant("CTX - Google Ads conversion label", spec.google_ads_conversion_label or NO_ADS_LABEL, folder)
    for path in ("value", "currency"):
        draft.event_data(path, folder)
    off = [flag("enableLinkerParams", False), flag("enableCookieOverrides", False)]
    draft.tag("CTX - Conversion linker", "sgtmadscl", off, [every], folder)
    conversion = [
        text("conversionId", ref("CTX - Google Ads conversion id")),
        text("conversionLabel", ref("CTX - Google Ads conversion label")),
        text("conversionValue", ref("CTX - ed value")),
        text("currencyCode", ref("CTX - ed currency")),
        flag("enableConversionLinker", True),
        flag("enableNewCustomerReporting", False),
        flag("enableProductReporting", False),
        flag("rdp", False),
    ]
    purchase = draft.event("purchase", folder, filters=ours)
    complete = spec.google_ads_conversion_id and spec.google_ads_conversion_label
    draft.tag("CTX - Google Ads - purchase", "sgtmadsct", conversion, [purchase], folder, paused=not complete)
