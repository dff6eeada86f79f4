"""Handover: the tracking kit of a client, from its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortex.handoff import kit
from cortex.workspace import Workspace

if TYPE_CHECKING:
    from cortex.handoff.elements import Json
    from cortex.tenant import Tenant


def kit_spec(tenant: Tenant, *, server: bool = False) -> kit.KitSpec:
    """What the kit needs to know, from the client file; what the file lacks stays empty and is said in the kit."""

    def told(blocks: Mapping[str, Any], kind: str, key: str) -> str:
        return str(getattr(blocks.get(kind), key, None) or "")

    ga4, meta, google = (
        tenant.traffic.get("ga4"),
        tenant.destinations.get("meta_capi"),
        tenant.destinations.get("google_ec"),
    )
    site = tenant.tracking
    parts = (
        ("ga4", ga4),
        ("google_ads", google or tenant.ads.get("google")),
        ("meta", meta),
        ("tiktok", tenant.ads.get("tiktok") or site.tiktok_pixel_id),
    )
    consent = tenant.privacy.consent if tenant.privacy else None
    return kit.KitSpec(
        code=tenant.code,
        client=tenant.name,
        currency=tenant.currency,
        language=tenant.lang,
        platform=tenant.ecommerce.kind,
        domain=site.domain or "",
        ga4_measurement_id=site.ga4_measurement_id or "",
        ga4_property_id=told(tenant.traffic, "ga4", "property_id"),
        google_ads_conversion_id=site.google_tag_id or "",
        google_ads_conversion_label=site.google_conversion_label or "",
        conversion_action_id=told(tenant.destinations, "google_ec", "conversion_action_id"),
        meta_pixel_id=told(tenant.destinations, "meta_capi", "pixel_id"),
        tiktok_pixel_id=site.tiktok_pixel_id or "",
        server=server or bool(site.server_url),
        server_url=site.server_url or "",
        consent_policy_version=(consent.min_version if consent else "") or "1",
        parts=tuple(name for name, enabled in parts if enabled is not None),
    )


def make_kit(tenant: Tenant, language: str = "", *, server: bool = False) -> kit.Kit:
    """The kit of a client; language as `kit.build` takes it."""
    return kit.build(kit_spec(tenant, server=server), language)


def make_containers(tenant: Tenant, *, server: bool = False) -> dict[str, Json]:
    """The containers the kit would bring today, by context: WEB, and SERVER where the client has one."""
    built = make_kit(tenant, server=server)
    files = {"WEB": "container.json", "SERVER": "server_container.json"}
    return {context: json.loads(built[name]) for context, name in files.items() if name in built}


def write_kit(
    tenant: Tenant, workspace: Workspace, out: Path | None = None, language: str = "", *, server: bool = False
) -> tuple[Path, kit.Kit, bool]:
    """Write the kit's zip. Returns its path, the kit, and whether the file changed."""
    built = make_kit(tenant, language, server=server)
    path = out or workspace.dist / f"{tenant.code}-tracking.zip"
    before = _digest(path)
    kit.write_zip(built, path)
    return path, built, before != _digest(path)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
