"""The campaigns of an invented shop, and every way a visit can be labelled: by its link, by its referrer, by GA4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cortex.sandbox.shoppers import DIRECT, EMAIL, META, ORGANIC, PMAX, REFERRAL, SEARCH, SOCIAL, TIKTOK, Traffic, pick

# How likely an ad of a funnel step is behind a visit that opens an occasion, is in the middle, closes it, or is alone.
STEP_WEIGHTS = {
    "TOFU": (0.70, 0.30, 0.15, 0.50),
    "MOFU": (0.22, 0.55, 0.25, 0.28),
    "BOFU": (0.08, 0.15, 0.60, 0.22),
}

# Campaign, funnel step, ad sets, ads in each set.
META_TREE = (
    ("[TOFU] Prospecção | Lookalike 2%", "TOFU", ("LAL Compradores", "Interesses amplos"), 3),
    ("[TOFU] Vídeo | Descoberta", "TOFU", ("Aberto 25-54",), 2),
    ("[MOFU] Engajamento 30 dias", "MOFU", ("Engajou IG", "Viu vídeo 50%"), 2),
    ("[BOFU] Remarketing | Carrinho", "BOFU", ("Carrinho 7 dias", "Visitou produto 14 dias"), 2),
    ("[BOFU] Advantage+ Catálogo", "BOFU", ("Catálogo",), 2),
)
SEARCH_TREE = (
    ("Search | TOFU | Genérico", "TOFU", ("Termos amplos", "Presentes"), 2),
    ("Search | MOFU | Categorias", "MOFU", ("Categoria principal", "Categoria secundária"), 2),
    ("Search | BOFU | Marca", "BOFU", ("Marca exata",), 2),
)
NEWSLETTERS = ("novidades-da-semana", "volta-ao-estoque", "carrinho-abandonado", "boas-vindas", "aniversario")
REFERRERS = ("blog.parceira.example", "guia-de-compras.example", "forum.example")


@dataclass(frozen=True)
class Ad:
    """One ad and where it hangs. Performance Max has neither ad groups nor ads."""

    channel: int
    step: str
    campaign_id: str
    campaign_name: str
    adset_id: str = ""
    adset_name: str = ""
    ad_id: str = ""
    ad_name: str = ""
    channel_type: str = ""


@dataclass(frozen=True)
class Label:
    """One way to arrive: the link's tags (empty when it had none) and what GA4 makes of the visit."""

    channel: int
    weights: tuple[float, ...]
    """By stage of the visit in its occasion."""
    source: str
    medium: str
    campaign: str = ""
    content: str = ""
    term: str = ""
    tagged: bool = True
    ad: int = -1
    group: str = ""
    ga_campaign: str = ""
    ga_campaign_id: str = ""

    def ga_key(self) -> tuple[str, str, str, str, str, str]:
        """Source, medium, campaign, campaign id, channel group, content as GA4 reports them."""
        if self.channel == DIRECT:
            return "(direct)", "(none)", "(direct)", "(not set)", "Direct", "(not set)"
        campaign = self.ga_campaign or self.campaign or f"({self.medium})"
        ga_id = self.ga_campaign_id or "(not set)"
        return self.source, self.medium, campaign, ga_id, self.group, self.content or "(not set)"


def meta_ads(first_id: int) -> list[Ad]:
    """The tree of Meta's account, ids counting up."""
    return [
        Ad(
            META,
            step,
            str(first_id + c * 1000),
            campaign,
            str(first_id + c * 1000 + (s + 1) * 100),
            f"{step} | {adset}",
            str(first_id + c * 1000 + (s + 1) * 100 + a + 1),
            f"{adset} - criativo {a + 1}",
        )
        for c, (campaign, step, adsets, count) in enumerate(META_TREE)
        for s, adset in enumerate(adsets)
        for a in range(count)
    ]


def google_ads(first_id: int, shop: str) -> list[Ad]:
    """The tree of the Google account: search campaigns with ads, and one Performance Max campaign without."""
    ads = []
    for c, (campaign, step, groups, count) in enumerate(SEARCH_TREE):
        for g, group in enumerate(groups):
            for a in range(count):
                group_id = first_id + c * 1000 + (g + 1) * 100
                ads.append(
                    Ad(
                        SEARCH,
                        step,
                        str(first_id + c * 1000),
                        f"{campaign} {shop}" if step == "BOFU" else campaign,
                        str(group_id),
                        group,
                        str(group_id + a + 1),
                        f"{group} - anúncio {a + 1}",
                        "SEARCH",
                    )
                )
    ads.append(Ad(PMAX, "MOFU", str(first_id + 9000), "PMax | MOFU | Catálogo", channel_type="PERFORMANCE_MAX"))
    return ads


def labels_for(ads: list[Ad], *, sources: tuple[str, str] = ("facebook", "instagram")) -> list[Label]:
    """Every label a visit may carry. `sources` are what Meta's links say for its two apps."""
    labels = []
    for i, ad in enumerate(ads):
        weights = STEP_WEIGHTS[ad.step]
        if ad.channel == META:
            for source, share in zip(sources, (0.45, 0.55), strict=True):
                labels.append(
                    Label(
                        META,
                        tuple(share * weight for weight in weights),
                        source,
                        "paid_social",
                        ad.campaign_name,
                        ad.ad_name,
                        ad.adset_name,
                        ad=i,
                        group="Paid Social",
                    )
                )
            continue
        group = "Paid Search" if ad.channel == SEARCH else "Cross-network"
        google = {"ad": i, "group": group, "ga_campaign": ad.campaign_name, "ga_campaign_id": ad.campaign_id}
        # Most links carry the final URL suffix with ValueTrack ids; some rely on auto-tagging, that is on the click id.
        for tagged, share in ((True, 0.8), (False, 0.2)):
            labels.append(
                Label(
                    ad.channel,
                    tuple(share * weight for weight in weights),
                    "google",
                    "cpc",
                    ad.campaign_id,
                    ad.ad_id,
                    tagged=tagged,
                    **google,  # type: ignore[arg-type]
                )
            )
    even = (1.0, 1.0, 1.0, 1.0)
    labels += [Label(EMAIL, even, "newsletter", "email", name, group="Email") for name in NEWSLETTERS]
    labels += [
        Label(TIKTOK, even, "tiktok", "paid_social", "[TOFU] TikTok | Spark", "video-1", group="Paid Social"),
        Label(ORGANIC, (0.92,) * 4, "google", "organic", tagged=False, group="Organic Search"),
        Label(ORGANIC, (0.08,) * 4, "bing", "organic", tagged=False, group="Organic Search"),
        Label(SOCIAL, (0.7,) * 4, "instagram", "social", "bio", group="Organic Social"),
        Label(SOCIAL, (0.3,) * 4, "l.instagram.com", "referral", tagged=False, group="Organic Social"),
    ]
    labels += [Label(REFERRAL, even, name, "referral", tagged=False, group="Referral") for name in REFERRERS]
    labels.append(Label(DIRECT, even, "", "", tagged=False, group="Direct"))
    return labels


def label_visits(rng: np.random.Generator, traffic: Traffic, labels: list[Label]) -> npt.NDArray[np.int16]:
    """The label of every visit: one of its channel's, weighed by where in the occasion the visit is."""
    chosen = np.zeros(len(traffic.visit_at), dtype=np.int16)
    draws = rng.random(len(chosen))
    for channel in range(DIRECT + 1):
        own = [i for i, label in enumerate(labels) if label.channel == channel]
        weights = np.array([labels[i].weights for i in own]).T
        bounds = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        mine = np.flatnonzero(traffic.visit_channel == channel)
        chosen[mine] = np.array(own)[pick(draws[mine], bounds, traffic.visit_stage[mine])]
    return chosen
