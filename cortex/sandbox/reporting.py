"""What the advertising accounts and GA4 report about the traffic: their own numbers, which claim more than they cause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cortex.clock import day_start
from cortex.sandbox.arrivals import Arrivals
from cortex.sandbox.campaigns import Ad, Label
from cortex.sandbox.clicks import gclids
from cortex.sandbox.columns import Column, Rows, Texts
from cortex.sandbox.market import DEVICES, AdDay, GaOrder, GaSessions, GoogleClick
from cortex.sandbox.shoppers import DIRECT, META, PMAX, SEARCH, Traffic

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Revenue the platform claims for each unit of money spent.
CLAIMED_ROAS = {META: 4.4, SEARCH: 6.8, PMAX: 5.0}
CLICK_RATE = {META: 0.013, SEARCH: 0.085, PMAX: 0.011}
NOTHING = Decimal("0.00")
"""One zero for the many rows that have one."""
GOOGLE_MODELLED = Decimal("1.06")
"""Google adds modelled conversions to the ones it sees."""


def cents(number: float) -> Decimal:
    """Hundredths as a decimal with two digits."""
    return Decimal(round(float(number))).scaleb(-2) if number else NOTHING


@dataclass
class Days:
    """Local days without a gap, and the instants they begin at."""

    dates: list[date]
    starts: npt.NDArray[np.float64]

    @classmethod
    def between(cls, since: datetime, until: datetime, zone: ZoneInfo) -> Days:
        first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        dates = [first + timedelta(days=i) for i in range((last - first).days + 1)]
        return cls(dates, np.array([day_start(day, zone).timestamp() for day in dates]))

    @property
    def count(self) -> int:
        return len(self.starts)

    def of(self, at: npt.NDArray[np.float64]) -> Ints:
        """Index of the day of each instant, -1 before the first."""
        return np.searchsorted(self.starts, at, side="right").astype(np.int64) - 1


@dataclass
class Claims:
    """Conversions and value (cents) an account claims, by day and ad."""

    count: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]


def last_visit_of(traffic: Traffic, mine: Bools) -> Ints:
    """By occasion: its last visit among `mine`, or -1."""
    last = np.full(len(traffic.at), -1, dtype=np.int64)
    visits = np.flatnonzero(mine)
    last[traffic.visit_occasion[visits]] = visits  # visits are in order, the last one stays
    return last


def meta_claims(
    rng: np.random.Generator, traffic: Traffic, visit_ad: Ints, totals: Ints, days: Days, ads: list[Ad]
) -> Claims:
    """Every order with a click of Meta before it, on the day of the order, plus orders of people who saw an ad.

    `ads` must start with Meta's.
    """
    last = last_visit_of(traffic, traffic.visit_channel == META)
    clicked = traffic.bought & (last >= 0)
    viewed = traffic.bought & (last < 0) & traffic.seen_only
    ad = np.where(clicked, visit_ad[last], 0)
    ad[viewed] = rng.integers(0, sum(ad.channel == META for ad in ads), int(viewed.sum()))
    return _claims(days.of(traffic.at), ad, totals, clicked | viewed, days.count, len(ads))


def google_claims(traffic: Traffic, visit_ad: Ints, totals: Ints, days: Days, ads: list[Ad]) -> Claims:
    """Every order with a click of Google before it, on the day of the click, shared when both kinds of campaign were
    clicked, and some more that Google models."""
    count = np.zeros((days.count, len(ads)))
    value = np.zeros((days.count, len(ads)))
    touched = traffic.touched[:, SEARCH].astype(int) + traffic.touched[:, PMAX]
    for channel in (SEARCH, PMAX):
        last = last_visit_of(traffic, traffic.visit_channel == channel)
        mine = traffic.bought & (last >= 0)
        part = _claims(
            days.of(np.where(mine, traffic.visit_at[last], 0)), visit_ad[last], totals, mine, days.count, len(ads),
            weights=np.where(touched > 1, 0.5, 1.0),
        )  # fmt: skip
        count += part.count
        value += part.value
    return Claims(count * float(GOOGLE_MODELLED), value * float(GOOGLE_MODELLED))


def _claims(
    day: Ints,
    ad: Ints,
    totals: Ints,
    mine: Bools,
    days: int,
    ads: int,
    weights: npt.NDArray[np.float64] | None = None,
) -> Claims:
    kept = mine & (day >= 0) & (day < days)
    cell = day[kept] * ads + ad[kept]
    weight = np.ones(int(kept.sum())) if weights is None else weights[kept]
    shape = (days, ads)
    return Claims(
        np.bincount(cell, weights=weight, minlength=days * ads).astype(np.float64).reshape(shape),
        np.bincount(cell, weights=weight * totals[kept], minlength=days * ads).astype(np.float64).reshape(shape),
    )


def ad_days(
    rng: np.random.Generator,
    traffic: Traffic,
    visit_ad: Ints,
    ads: list[Ad],
    mine: list[int],
    claims: Claims,
    days: Days,
) -> list[AdDay]:
    """The daily rows of one account's ads (`mine` indexes them): clicks that became visits and some that did not."""
    day = days.of(traffic.visit_at)
    kept = (visit_ad >= 0) & (day >= 0)
    visits = np.bincount(day[kept] * len(ads) + visit_ad[kept], minlength=days.count * len(ads))
    clicks = visits + rng.poisson(visits * 0.08)
    clicks = clicks.reshape(days.count, len(ads))
    cost = rng.lognormal(0.0, 0.12, clicks.shape)
    rate = rng.uniform(0.85, 1.15, clicks.shape)
    often = rng.uniform(1.05, 2.4, clicks.shape)
    rows = []
    for i in mine:
        ad = ads[i]
        channel = [k for k in mine if ads[k].channel == ad.channel]
        claimed = float(claims.value[:, channel].sum())
        price = claimed / CLAIMED_ROAS[ad.channel] / max(1.0, float((clicks * cost)[:, channel].sum()))
        spend = np.round(clicks[:, i] * cost[:, i] * price).astype(np.int64)
        shown = np.maximum(clicks[:, i], np.round(clicks[:, i] / (CLICK_RATE[ad.channel] * rate[:, i]))).astype(
            np.int64
        )
        rows += [
            AdDay(
                day=days.dates[d],
                campaign_id=ad.campaign_id,
                campaign_name=ad.campaign_name,
                adset_id=ad.adset_id,
                adset_name=ad.adset_name,
                ad_id=ad.ad_id,
                ad_name=ad.ad_name,
                impressions=int(shown[d]),
                clicks=int(clicks[d, i]),
                reach=int(shown[d] / often[d, i]),
                spend=cents(spend[d]),
                purchases=cents(claims.count[d, i] * 100),
                purchase_value=cents(claims.value[d, i]),
                channel_type=ad.channel_type,
            )
            for d in np.flatnonzero((shown > 0) | (claims.count[:, i] > 0)).tolist()
        ]
    return rows


def google_clicks(
    rng: np.random.Generator, traffic: Traffic, visit_ad: Ints, ads: list[Ad], days: Days
) -> tuple[Rows[GoogleClick], dict[int, str], Bools]:
    """Rows of `click_view`, the gclid of each visit that has one, and the visits that carry a braid instead.

    Half of the iOS visits have no gclid: they never appear in `click_view`.
    """
    paid = (traffic.visit_channel == SEARCH) | (traffic.visit_channel == PMAX)
    ios = traffic.device[traffic.visit_occasion] == 1
    braided = paid & ios & (rng.random(len(paid)) < 0.5)
    visits = np.flatnonzero(paid & ~braided)
    ids = gclids(rng, len(visits))
    day = days.of(traffic.visit_at[visits])
    inside = np.flatnonzero(day >= 0)
    inside = inside[np.argsort(day[inside], kind="stable")]
    rows = Rows(
        GoogleClick,
        Texts([ids[i] for i in inside.tolist()]),
        Column(day[inside], days.dates.__getitem__),
        *(
            Column(visit_ad[visits[inside]], [getattr(ad, name) for ad in ads].__getitem__)
            for name in ("campaign_id", "adset_id", "ad_id")
        ),
    )
    bought = traffic.bought[traffic.visit_occasion[visits]]
    known = {int(visits[i]): ids[i] for i in np.flatnonzero(bought).tolist()}
    return rows, known, braided


def ga_orders(
    traffic: Traffic,
    visit_label: npt.NDArray[np.int16],
    labels: list[Label],
    order_ids: dict[int, int],
    totals: Ints,
    days: Days,
    device: npt.NDArray[np.int8],
) -> tuple[Rows[GaOrder], Ints]:
    """GA4's purchases of the given occasions, oldest first, credited to the last visit that was not direct; and those
    visits. device: by occasion, index of DEVICES."""
    credited = last_visit_of(traffic, traffic.visit_channel != DIRECT)
    final = traffic.first_visit + traffic.visits - 1
    credited = np.where(credited < 0, final, credited)
    occasions, numbers = (np.array(list(each), dtype=np.int64) for each in (order_ids, order_ids.values()))
    day = days.of(traffic.at[occasions])
    inside = day >= 0
    label = visit_label[credited[occasions[inside]]]
    rows = Rows(
        GaOrder,
        Column(day[inside], days.dates.__getitem__),
        Column(numbers[inside], str),
        *(Column(label, said.__getitem__) for said in zip(*(each.ga_key() for each in labels), strict=True)),
        Column(totals[occasions[inside]], cents),
        Column(device[occasions[inside]], DEVICES.__getitem__),
    )
    return rows, credited


def ga_sessions(
    rng: np.random.Generator, arrivals: Arrivals, occasions: list[int], credited: Ints, totals: Ints, days: Days
) -> tuple[Rows[GaSessions], Bools, Ints]:
    """Sessions by day (oldest first), source and landing page: those whose visitor let GA4 see them, about 85 in a hundred.
    Which visits they are, and on which day.

    The purchases of `occasions` count for the visit they are `credited` to, on the day of the purchase.
    """
    traffic, labels, paths = arrivals.traffic, arrivals.labels, arrivals.paths
    keys = list(dict.fromkeys(label.ga_key()[:5] for label in labels))
    key_of = np.array([keys.index(label.ga_key()[:5]) for label in labels])
    buyers = np.array(occasions, dtype=np.int64)
    buyers = buyers[days.of(traffic.at[buyers]) >= 0]
    buys = np.zeros(len(traffic.visit_at), dtype=np.int64)
    buys[credited[buyers]] = totals[buyers]
    day = days.of(traffic.visit_at)
    day[credited[buyers]] = days.of(traffic.at[buyers])
    seen = ((rng.random(len(day)) < 0.85) | (buys > 0)) & (day >= 0)
    cells = (day[seen] * len(keys) + key_of[arrivals.visit_label[seen]]) * len(paths) + arrivals.visit_path[seen]
    found, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    revenue = np.bincount(inverse, weights=buys[seen], minlength=len(found))
    engaged = rng.binomial(counts, 0.62)
    users = np.maximum(1, rng.binomial(counts, 0.93))
    new = rng.binomial(users, 0.6)
    rest, path = np.divmod(found, len(paths))
    d, key = np.divmod(rest, len(keys))
    rows = Rows(
        GaSessions,
        Column(d, days.dates.__getitem__),
        *(Column(key, said.__getitem__) for said in zip(*keys, strict=True)),
        Column(path, paths.__getitem__),
        Column(counts),
        Column(engaged),
        Column(users),
        Column(new),
        Column(revenue, cents),
    )
    return rows, seen, day
