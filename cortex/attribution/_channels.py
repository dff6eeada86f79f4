"""Which channel a visit came through: click ids first, then tags, then the referrer's kind."""

from __future__ import annotations

PAID_MEDIA = {
    "cpc",
    "ppc",
    "paid",
    "paidsearch",
    "paid_search",
    "paid-search",
    "paidsocial",
    "paid_social",
    "paid-social",
    "cpm",
    "cpv",
    "display",
    "ads",
}
SOURCES = {
    "google": {"google", "adwords", "googleads", "google-ads", "youtube", "gads"},
    "meta": {
        "facebook",
        "instagram",
        "fb",
        "ig",
        "meta",
        "facebook.com",
        "instagram.com",
        "m.facebook.com",
        "l.instagram.com",
        "l.facebook.com",
        "an",
        "msg",
    },
    "tiktok": {"tiktok", "tiktok.com", "tt"},
    "bing": {"bing", "microsoft", "msn"},
}
MEDIA = {
    "email": {"email", "e-mail", "newsletter", "mail"},
    "sms": {"sms"},
    "whatsapp": {"whatsapp", "wpp"},
    "affiliate": {"affiliate", "afiliado", "afiliados", "parceiro"},
    "organic": {"organic"},
    "social": {"social", "organic_social", "organic-social", "bio"},
    "referral": {"referral"},
}
GROUPS = {
    "direct": "direct",
    "organic search": "organic",
    "organic shopping": "organic",
    "organic video": "organic",
    "organic social": "social",
    "email": "email",
    "affiliates": "affiliate",
    "referral": "referral",
    "sms": "sms",
}
PLATFORM_OF = {"google": "google", "meta": "meta", "tiktok": "tiktok", "bing": "bing"}


def channel_of(
    *,
    source: str = "",
    medium: str = "",
    group: str = "",
    gclid: str = "",
    braid: str = "",
    fbclid: str = "",
    ttclid: str = "",
    msclkid: str = "",
) -> str:
    """The code of `dim_channels` for one visit.

    A click id proves a paid click, except `fbclid`, which Meta adds to unpaid links too: it counts as paid unless
    the tags say otherwise. Without any sign the visit is direct; with signs nobody knows it is `other`.
    """
    source, medium, group = source.strip().lower(), medium.strip().lower(), group.strip().lower()
    if gclid or braid:
        return "google"
    if ttclid:
        return "tiktok"
    if msclkid:
        return "bing"
    by_medium = next((channel for channel, names in MEDIA.items() if medium in names), "")
    if fbclid and not by_medium:
        return "meta"
    by_source = next((channel for channel, names in SOURCES.items() if source in names), "")
    if by_source and (medium in PAID_MEDIA or group.startswith("paid") or group in {"cross-network", "display"}):
        return by_source
    if "whatsapp" in source:
        return "whatsapp"
    if by_medium:
        return by_medium
    if group in GROUPS:
        return GROUPS[group]
    if source in {"", "(direct)", "direct", "(not set)"} and medium in {"", "(none)", "none", "(not set)"}:
        return "direct"
    if by_source in {"meta", "tiktok"}:
        return "social"
    return "other"
