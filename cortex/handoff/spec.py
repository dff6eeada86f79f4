"""What the tracking kit needs to know of a client, and what of it is still missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cortex.errors import ConfigError

PARTS = ("ga4", "google_ads", "meta", "tiktok")

SCRIPTS: dict[str, tuple[str, ...]] = {
    "nuvemshop": ("nuvemshop.js",),
    "shopify": ("shopify.js", "shopify_pixel.js"),
    "tray": ("tray.js",),
    "vtex": ("vtex.js",),
    "woocommerce": ("woocommerce.php",),
}
"""Store platforms with data-layer scripts, and their files; others follow the contract."""

# Recognised by the lint as values a person must still fill in.
NO_GA4 = "G-XXXXXXXXXX"
NO_ADS_ID = "XXXXXXXXXX"
NO_ADS_LABEL = "XXXXXXXXXXXXXXXXXXX"
NO_PIXEL = "XXXXXXXXXXXXXXX"

SHAPES: dict[str, tuple[str, str]] = {
    "code": (r"[a-z][a-z0-9_]{1,30}", "2 to 31 lowercase letters, digits or _"),
    "currency": (r"[A-Z]{3}", "an ISO 4217 code such as BRL"),
    "language": (r"pt-BR|en|es", "pt-BR, en or es"),
    "platform": (r"[a-z][a-z0-9_]*", "a store platform such as nuvemshop"),
    "domain": (
        r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}",
        "a host name without https:// and www, such as loja.com.br",
    ),
    "ga4_measurement_id": (r"G-[A-Z0-9]{4,16}", "the measurement id G-…, not the property number"),
    "ga4_property_id": (r"[0-9]{4,15}", "the property number, without G-"),
    "google_ads_conversion_id": (r"AW-[0-9]{6,15}", "the Google tag AW-…"),
    "google_ads_conversion_label": (r"[A-Za-z0-9_-]{6,40}", "the label of the conversion, letters, digits, _ and -"),
    "conversion_action_id": (r"[0-9]{4,20}", "the number of the conversion action"),
    "meta_pixel_id": (r"[0-9]{5,20}", "digits only"),
    "tiktok_pixel_id": (r"[A-Z0-9]{10,40}", "capital letters and digits"),
    "server_url": (r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?", "an https:// address without a query"),
    "consent_policy_version": (r"[A-Za-z0-9._-]{1,32}", "up to 32 letters, digits, dots, _ and -"),
}
_REQUIRED = {"code", "currency", "language", "platform", "consent_policy_version"}


@dataclass(frozen=True)
class KitSpec:
    """Plain values of one client. Everything but code and client is optional; what lacks becomes a placeholder and a
    `Pending`, and its tags are paused.

    domain: the shop's registrable domain, for cookies shared by www and checkout. parts: of `PARTS`; TikTok also needs
    its pixel id. conversion_action_id is only printed in the guides. server: bring a server container too; server_url: where
    it answers, to which the web container then sends. Raises ConfigError (CTX-3301) for malformed values.
    """

    code: str
    client: str
    currency: str = "BRL"
    language: str = "pt-BR"
    platform: str = "nuvemshop"
    domain: str = ""
    ga4_measurement_id: str = ""
    ga4_property_id: str = ""
    google_ads_conversion_id: str = ""
    google_ads_conversion_label: str = ""
    conversion_action_id: str = ""
    meta_pixel_id: str = ""
    tiktok_pixel_id: str = ""
    server: bool = False
    server_url: str = ""
    consent_policy_version: str = "1"
    parts: tuple[str, ...] = PARTS

    def __post_init__(self) -> None:
        wrong = [
            f"{name} must be {meaning}"
            for name, (shape, meaning) in SHAPES.items()
            if (getattr(self, name) or name in _REQUIRED) and not re.fullmatch(shape, getattr(self, name))
        ]
        wrong += [f"parts has no {part!r}" for part in self.parts if part not in PARTS]
        if wrong:
            raise ConfigError(
                "CTX-3301",
                f"The tracking kit of {self.code!r} cannot be built: {'; '.join(wrong)}.",
                fix=f"Correct tenants/{self.code}.yaml, then run `cortex tracking export {self.code}` again.",
            )

    def has(self, part: str) -> bool:
        """Whether a part is in the kit."""
        return part in self.parts and (part != "tiktok" or bool(self.tiktok_pixel_id))

    @property
    def ads_number(self) -> str:
        """The conversion id as the Ads conversion tag wants it: without AW-."""
        return self.google_ads_conversion_id.removeprefix("AW-")


@dataclass(frozen=True)
class Pending:
    """A value the client file lacks: where it goes in the container and in the file, and where people find it."""

    variable: str
    yaml_key: str
    pt: str
    en: str

    def words(self, language: str) -> str:
        return self.pt if language == "pt-BR" else self.en


def pending(spec: KitSpec) -> list[Pending]:
    """What a person must still fill in, in the order of the container's variables."""
    lacks = [
        (
            spec.has("ga4") and not spec.ga4_measurement_id,
            Pending(
                "CTX - GA4 measurement id",
                "tracking.ga4_measurement_id",
                "Falta o ID da métrica do GA4 (G-…): Administrador › Fluxos de dados › fluxo da web. As tags do GA4 estão pausadas.",
                "The GA4 measurement id (G-…) is missing: Admin › Data streams › web stream. The GA4 tags are paused.",
            ),
        ),
        (
            spec.has("google_ads") and not spec.google_ads_conversion_id,
            Pending(
                "CTX - Google Ads conversion id",
                "tracking.google_tag_id",
                "Falta o ID de conversão do Google Ads (AW-…): Metas › Conversões › ação de compra › Configurar a tag. A tag está pausada.",
                "The Google Ads conversion id (AW-…) is missing: Goals › Conversions › purchase action › Tag setup. The tag is paused.",
            ),
        ),
        (
            spec.has("google_ads") and not spec.google_ads_conversion_label,
            Pending(
                "CTX - Google Ads conversion label",
                "tracking.google_conversion_label",
                "Falta o rótulo da conversão de compra do Google Ads (na mesma tela do AW-…). A tag está pausada.",
                "The label of the Google Ads purchase conversion is missing (on the same page as AW-…). The tag is paused.",
            ),
        ),
        (
            spec.has("meta") and not spec.meta_pixel_id,
            Pending(
                "CTX - Meta pixel id",
                "offline_conversions.meta_capi.pixel_id",
                "Falta o ID do pixel (conjunto de dados) da Meta: Gerenciador de Eventos. As tags da Meta estão pausadas.",
                "The Meta pixel (dataset) id is missing: Events Manager. The Meta tags are paused.",
            ),
        ),
        (
            spec.server and not spec.server_url,
            Pending(
                "",
                "tracking.server_url",
                "Falta o endereço do servidor de tags: o contêiner web continua falando direto com o Google.",
                "The address of the tagging server is missing: the web container goes on talking to Google directly.",
            ),
        ),
        (
            not spec.domain,
            Pending(
                "",
                "tracking.domain",
                "Falta o domínio da loja: sem ele os cookies valem só para o endereço visitado; www e checkout podem não vê-los.",
                "The shop's domain is missing: without it cookies stay with the visited host; www and checkout may not see them.",
            ),
        ),
        (
            spec.platform not in SCRIPTS,
            Pending(
                "",
                "ecommerce.platform",
                f"Ainda não há script de dataLayer para {spec.platform}: siga DATALAYER.md com o desenvolvedor da loja.",
                f"There is no data-layer script for {spec.platform} yet: follow en/DATALAYER.md with the shop's developer.",
            ),
        ),
    ]
    return [item for missing, item in lacks if missing]
