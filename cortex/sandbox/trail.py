"""Who visited when, as GA4's export to BigQuery knows it: a visitor is a browser, and some let themselves not be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cortex.sandbox.arrivals import Arrivals
from cortex.sandbox.browsing import Browsing, Shelf
from cortex.sandbox.market import GaItem
from cortex.sandbox.reporting import Days

HIDDEN = -1
"""Visitor of the visits without consent: they are recorded, and nothing ties them together."""
UNTIL_BOUGHT = 60
"""Seconds from the beginning of the last visit to the purchase."""
DEVICES = 3


@dataclass(frozen=True)
class Trail:
    """Visits in columns, by visitor and then by time. Instants are epoch seconds."""

    at: npt.NDArray[np.int64]
    visitor: npt.NDArray[np.int32]
    came: npt.NDArray[np.int16]
    """Index of `keys`."""
    keys: list[tuple[str, str, str, str, str, str]]
    """Source, medium, campaign, campaign id, channel group and content, as GA4 words them."""
    orders: dict[int, str] = field(default_factory=dict)
    """By visit: the order it ended in."""
    clicks: dict[int, dict[str, str]] = field(default_factory=dict)
    """By visit of a buyer: click id by parameter name."""
    device: npt.NDArray[np.int8] = field(default_factory=lambda: np.empty(0, dtype=np.int8))
    """Index of market.DEVICES."""
    events: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    """By event name: how many on each visit. The purchase is in `orders`."""
    items: Sequence[GaItem] = ()
    """What the events were about, oldest day first."""


def trail(
    rng: np.random.Generator,
    arrivals: Arrivals,
    order_ids: dict[int, int],
    days: Days,
    *,
    share: float,
    heard: list[int],
    browsing: Browsing,
    shelf: Shelf,
) -> Trail:
    """The visits GA4 recorded from the first of `days` on.

    heard: occasions whose order GA4 knows; of occasions without an order it sees the same `share`. Half of the others
    refused, and are recorded without an id; half block GA4 and are not recorded.
    """
    traffic = arrivals.traffic
    count = len(traffic.at)
    seen = rng.random(count) < share
    buyers = np.fromiter(order_ids, dtype=np.int64, count=len(order_ids))
    seen[buyers] = False
    seen[np.array(heard, dtype=np.int64)] = True
    refused = ~seen & (rng.random(count) < 0.5)
    visitor = np.where(seen, traffic.person * DEVICES + traffic.device, HIDDEN)[traffic.visit_occasion]
    at = traffic.visit_at.astype(np.int64)
    day = days.of(traffic.visit_at)
    recorded = (seen | refused)[traffic.visit_occasion] & (day >= 0)
    kept = np.flatnonzero(recorded)
    kept = kept[np.lexsort((at[kept], visitor[kept]))]
    place = np.full(len(at), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    final = traffic.first_visit + traffic.visits - 1
    ends = {int(place[final[occasion]]): str(number) for occasion, number in order_ids.items()}
    ends.pop(-1, None)
    ordered = np.zeros(count, dtype=np.bool_)
    ordered[buyers] = True
    clicks = {int(place[visit]): ids for visit, ids in arrivals.clicks.items() if place[visit] >= 0}
    return Trail(
        at[kept],
        visitor[kept].astype(np.int32),
        arrivals.visit_label[kept],
        [label.ga_key() for label in arrivals.labels],
        ends,
        clicks,
        browsing.device[traffic.visit_occasion[kept]],
        {name: happened[kept] for name, happened in browsing.events.items()},
        shelf.items(recorded, day, np.arange(len(at)), ordered, days),
    )
