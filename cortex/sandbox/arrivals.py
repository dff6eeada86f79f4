"""How buyers arrived: the link of each visit with its click ids, and what the tracking kit wrote on the order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from cortex.sandbox.campaigns import Label
from cortex.sandbox.checkout import Visit
from cortex.sandbox.clicks import braids, fbc, fbclids, fbps, ttclids
from cortex.sandbox.shoppers import META, SOCIAL, TIKTOK, Traffic

POLICY_VERSION = "2026-03"

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = (
    f"Mozilla/5.0 (Linux; Android 14; SM-A546E) {CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 13; moto g73) {CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 15; Pixel 9; wv) {CHROME} Mobile Safari/537.36 Instagram 412.0.0.0.0 Android",
)
IOS = (
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) {WEBKIT} Version/19.1 Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {WEBKIT} Mobile/15E148 Instagram 411.0.0.0.0 (iPhone15,4)",
)
DESKTOP = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
)
AGENTS = (ANDROID, IOS, DESKTOP)


def browser_ip(draw: int) -> str:
    """An address of the documentation ranges (RFC 5737, RFC 3849)."""
    if draw % 10 == 0:
        return f"2001:db8:{draw >> 4 & 0xFFFF:x}::{draw >> 20 & 0xFFFF:x}"
    return f"{'203.0.113' if draw % 2 else '198.51.100'}.{1 + draw // 16 % 254}"


@dataclass
class Arrivals:
    """The visits of buyers, ready to be told."""

    traffic: Traffic
    labels: list[Label]
    visit_label: npt.NDArray[np.int16]
    visit_path: npt.NDArray[np.int16]
    paths: list[str]
    clicks: dict[int, dict[str, str]]
    """By visit of a buyer: click id by parameter name."""

    def visit(self, index: int) -> Visit:
        label = self.labels[int(self.visit_label[index])]
        return Visit(
            at=int(self.traffic.visit_at[index]),
            source=label.source,
            medium=label.medium,
            campaign=label.campaign,
            content=label.content,
            term=label.term,
            path=self.paths[int(self.visit_path[index])],
            clicks=self.clicks.get(index, {}),
            tagged=label.tagged,
        )

    def ads(self) -> npt.NDArray[np.int64]:
        """By visit: index of the ad behind it, -1 without."""
        return np.array([label.ad for label in self.labels])[self.visit_label]

    def of(self, occasion: int) -> list[Visit]:
        """The visits of an occasion, oldest first."""
        first = int(self.traffic.first_visit[occasion])
        return [self.visit(first + i) for i in range(int(self.traffic.visits[occasion]))]


def click_ids(
    rng: np.random.Generator, traffic: Traffic, gclids: dict[int, str], braided: npt.NDArray[np.bool_]
) -> dict[int, dict[str, str]]:
    """By visit of a buyer, the click id its link carried. Meta adds fbclid to links nobody paid for, too."""
    buyers = traffic.bought[traffic.visit_occasion]
    found: dict[int, dict[str, str]] = {visit: {"gclid": gclid} for visit, gclid in gclids.items()}
    for channel, name, make, share in (
        (META, "fbclid", fbclids, 0.96),
        (SOCIAL, "fbclid", fbclids, 0.7),
        (TIKTOK, "ttclid", ttclids, 0.95),
    ):
        carried = rng.random(len(buyers)) < share
        visits = np.flatnonzero(buyers & (traffic.visit_channel == channel) & carried).tolist()
        for visit, click in zip(visits, make(rng, len(visits)), strict=True):
            found[visit] = {name: click}
    visits = np.flatnonzero(buyers & braided).tolist()
    kinds = (rng.random(len(visits)) < 0.3).tolist()
    for visit, click, app in zip(visits, braids(rng, len(visits)), kinds, strict=True):
        found[visit] = {"gbraid" if app else "wbraid": click}
    return found


def kit_touch(visit: Visit, *, with_clicks: bool = True) -> str:
    """One touch as the kit writes it: a query string with the instant in milliseconds and the path of arrival.

    A link without tags that brought a click id leaves source and medium empty: only the id tells.
    """
    told = visit.tagged or not visit.clicks
    values = {
        "t": str(visit.at * 1000 + visit.at % 997),
        "source": (visit.source or "(direct)") if told else "",
        "medium": (visit.medium or "(none)") if told else "",
        "campaign": visit.campaign if told else "",
        "content": visit.content if told else "",
        "term": visit.term if told else "",
        "lp": visit.path,
    }
    return urlencode({**values, **(visit.clicks if with_clicks else {})})


def browser_ids(fbp: str) -> dict[str, str]:
    """TikTok's and GA4's ids of the browser that has this one of Meta's, each made up anew out of it."""
    _, _, ms, number = fbp.split(".")
    digest = hashlib.sha256(fbp.encode())
    return {"ctx_ttp": digest.hexdigest()[:27], "ctx_ga_client_id": f"{int(number) % 2**31}.{int(ms) // 1000}"}


def kit_attributes(rng: np.random.Generator, visits: list[Visit], placed_at: int) -> dict[str, str]:
    """What the tracking kit wrote on an order: click ids, first and last touch, and the buyer's choice.

    Eight in ten allowed it, one in ten refused, one in ten was never asked. After a refusal the kit keeps no ids,
    except where the shop's own theme had copied them before.
    """
    chance = float(rng.random())
    choice = "granted" if chance < 0.8 else "denied" if chance < 0.9 else ""
    keeps = choice != "denied" or float(rng.random()) < 0.3
    found: dict[str, str] = {}
    if choice:
        found["ctx_consent"] = f"{choice};v={POLICY_VERSION};t={visits[0].at * 1000 + 4210}"
    if keeps:
        for visit in visits:  # the latest click of each kind stays
            for name, click in visit.clicks.items():
                found[f"ctx_{name}"] = click
                if name == "fbclid":
                    found["ctx_fbc"] = fbc(click, visit.at * 1000 + visit.at % 997)
        if float(rng.random()) < 0.9:
            found["ctx_fbp"] = fbps(rng, [min(visits[0].at, placed_at) * 1000 + 17])[0]
            found |= browser_ids(found["ctx_fbp"])
    found["ctx_first"] = kit_touch(visits[0], with_clicks=keeps)
    found["ctx_last"] = kit_touch(visits[-1], with_clicks=keeps)
    return found
