"""From what each source tells to one journey per order: joined, told once, named by channel and campaign."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from cortex.attribution import Journeys, Paths
from cortex.attribution import _compact as compact
from cortex.attribution._channels import PLATFORM_OF, channel_of

AT_ONCE = 50_000
"""Touches joined at once, about; where there are more, some of the buyers at a time: bounds the memory."""
MOST_ORDERS = 100
"""Orders of one buyer above which it is nobody's history: a reseller, a till in a shop, a placeholder address."""
SAME_VISIT = timedelta(minutes=30)
"""Two sources that saw a visit begin within this time saw the same one: GA4 ends a session after as long."""
RANK = {"kit": 0, "order": 1, "ga4": 2, "ga4_bigquery": 2}
KEYS = ["order_key", "touch_key"]
TAGS = ("source", "medium", "channel_group", "gclid", "braid", "fbclid", "ttclid", "msclkid")


def touchpoints(
    orders: pl.DataFrame,
    touches: pl.DataFrame,
    clicks: pl.DataFrame,
    campaigns: pl.DataFrame,
    *,
    window_days: int,
    known: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The touches of each order in time order.

    orders: order_key, external_id, number, customer_key, created_at (UTC), marketplace, as `compact.orders` gives them.
    touches: as `compact.touches` gives them. clicks: as `compact.clicks` does. campaigns: columns of dim_campaigns.
    window_days: touches longer than this before the order, or after it, are left out; a touch whose time is unknown
    (GA4 tells only the day) counts as the visit of the order itself.
    known: every order of the shop with the columns of `orders` but the marketplace, unpaid ones too, whose visits are
    their buyer's visits; None where there are no others.
    Returns order_key, position (1 = first), occurred_at, hours_before, channel, source, medium, campaign, platform,
    campaign_id, adset_id, ad_id, origin, is_direct, as `compact.points` gives them; no row for orders nobody told about.
    """
    every = orders if known is None else known
    names = pl.concat([every["order_key"], orders["order_key"]]).unique().sort()
    numbers = names.to_frame().with_row_index("no")
    ours = _numbered(orders.select("order_key", "customer_key", "created_at", "marketplace"), numbers)
    # Sources write the order's id or the number shown to the buyer; a number that two orders have is neither's.
    number = pl.when(~pl.col("number").is_duplicated()).then("number")
    keys = _numbered(every.select("order_key", "customer_key", "created_at", "external_id", number=number), numbers)
    by_number = touches.join(keys, left_on="order_ref", right_on="external_id", how="anti").filter(
        pl.col("order_ref") != ""
    )
    parts = []
    for buyers in _buyers(touches.height):
        some = ours.filter(buyers)
        joined = _joined(some, touches, by_number, keys.filter(buyers))
        parts.append(compact.points(_points(joined, some, clicks, campaigns, window_days)))
    points = pl.concat(parts).sort("order_key", "position") if len(parts) > 1 else parts[0]
    return points.with_columns(order_key=names.gather(points["order_key"]))


def _numbered(orders: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """Orders with the rank of their key in its place."""
    ranked = orders.join(numbers, on="order_key", how="left", maintain_order="left")
    return ranked.drop("order_key").rename({"no": "order_key"})


def _buyers(touches: int) -> list[pl.Expr]:
    """Conditions that take the buyers in turns, so that there are about AT_ONCE touches to join each time."""
    turns = -(-touches // AT_ONCE) or 1
    return [pl.col("customer_key") % turns == turn for turn in range(turns)]


def _points(
    joined: pl.DataFrame, orders: pl.DataFrame, clicks: pl.DataFrame, campaigns: pl.DataFrame, window_days: int
) -> pl.DataFrame:
    timed = joined.with_columns(
        occurred_at=pl.coalesce("occurred_at", "created_at"),
        braid=pl.when(pl.col("gbraid") != 0).then("gbraid").otherwise("wbraid"),
    ).with_columns(hours_before=(pl.col("created_at") - pl.col("occurred_at")).dt.total_seconds() / 3600.0)
    # Clocks of browsers and shops differ: a visit up to an hour "after" the order is its own visit.
    earliest = pl.when("is_own").then(-1.0).otherwise(0.0)
    inside = timed.filter(pl.col("hours_before").is_between(earliest, window_days * 24.0))
    named = _named(inside.with_columns(pl.col("hours_before").clip(lower_bound=0.0)))
    resolved = _resolved(_told_once(named), clicks, campaigns)
    with_markets = pl.concat([resolved, _marketplace(orders)], how="diagonal_relaxed")
    ordered = with_markets.sort("order_key", "occurred_at", "origin_rank", "touch_key", nulls_last=True)
    return ordered.with_columns(
        position=pl.int_range(1, pl.len() + 1).over("order_key"), is_direct=(pl.col("channel") == "direct").cast(pl.Int64)
    ).select(
        "order_key", "position", "occurred_at", "hours_before", "channel", "source", "medium", "campaign", "platform",
        "campaign_id", "adset_id", "ad_id", "origin", "is_direct",
    )  # fmt: skip


def journeys(points: pl.DataFrame, walked: pl.DataFrame | None = None) -> tuple[pl.Series, Journeys]:
    """Order keys and their Journeys from `touchpoints` output (sorted by order_key, position).

    walked: path (channels joined by " > ", oldest first), journeys, orders: the market these orders are part of, as a
    source saw it that tells of journeys without an order too. None or no rows: the orders are all that is known.
    """
    if points.is_empty():
        nothing = np.zeros(0)
        return points["order_key"], Journeys(
            np.zeros(1, dtype=np.int64), nothing.astype(np.int64), nothing.astype(bool), nothing
        )
    lengths = points.group_by("order_key", maintain_order=True).len()
    steps = None if walked is None or walked.is_empty() else walked["path"].str.split(" > ")
    seen = points["channel"].unique().cast(pl.String)
    names = (seen if steps is None else pl.concat([seen, steps.explode()])).unique().sort()
    width = np.min_scalar_type(len(names))

    def numbered(channels: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.integer[Any]]]:
        codes = channels.replace_strict(names, pl.int_range(len(names), eager=True), return_dtype=pl.Int64)
        return codes.to_numpy().astype(width)

    market = None
    if walked is not None and steps is not None:
        orders = walked["orders"].to_numpy()
        market = Paths(
            offsets=np.concatenate([[0], steps.list.len().cast(pl.Int64).to_numpy().cumsum()]),
            channel=numbered(steps.explode()),
            conversions=orders,
            value=orders,
            nulls=walked["journeys"].to_numpy() - orders,
            is_direct=(names == "direct").to_numpy(),
        )
    return lengths["order_key"], Journeys(
        offsets=np.concatenate([[0], lengths["len"].cast(pl.Int64).to_numpy().cumsum()]),
        channel=numbered(points["channel"].cast(pl.String)),
        is_direct=points["is_direct"].to_numpy() == 1,
        hours_before=points["hours_before"].to_numpy(),
        market=market,
    )


def _joined(orders: pl.DataFrame, touches: pl.DataFrame, by_number: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Touches with the orders they may have led to: their own, and later ones of the same buyer.

    A buyer is who the hashed keys say, on whatever device: the visit behind a Pix that expired led to the order that was
    paid the day after.
    """
    told = pl.concat(
        [
            touches.join(keys.drop("number"), left_on="order_ref", right_on="external_id"),
            by_number.join(keys.drop("external_id"), left_on="order_ref", right_on="number"),
        ],
        how="diagonal_relaxed",
    ).pipe(compact.spelt)
    own = told.join(orders.select("order_key"), on="order_key", how="semi").with_columns(is_own=pl.lit(value=True))
    return pl.concat([own, _of_the_same_buyer(orders, told, keys)], how="diagonal_relaxed")


def _of_the_same_buyer(orders: pl.DataFrame, told: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Touches told with another order of the buyer, for each order of `orders` placed after them."""
    several = keys.group_by("customer_key").len().filter(pl.col("len").is_between(2, MOST_ORDERS))
    theirs = told.join(several, on="customer_key", how="semi").filter(
        pl.col("occurred_at").is_not_null() & (pl.col("origin") != "ga4")
    )
    others = orders.select("customer_key", later="order_key", placed="created_at").join(
        several, on="customer_key", how="semi"
    )
    return (
        theirs.join(others, on="customer_key")
        .filter((pl.col("later") != pl.col("order_key")) & (pl.col("occurred_at") <= pl.col("placed")))
        .with_columns(order_key="later", created_at="placed", is_own=pl.lit(value=False))
        .drop("later", "placed")
    )


def _named(touches: pl.DataFrame) -> pl.DataFrame:
    """With the channel; each distinct set of tags is judged once."""
    kinds = touches.select(TAGS).with_columns(pl.col("gclid", "braid", "fbclid", "ttclid", "msclkid") != 0).unique()
    judged = [
        channel_of(
            source=row["source"],
            medium=row["medium"],
            group=row["channel_group"],
            gclid="x" * row["gclid"],
            braid="x" * row["braid"],
            fbclid="x" * row["fbclid"],
            ttclid="x" * row["ttclid"],
            msclkid="x" * row["msclkid"],
        )
        for row in kinds.iter_rows(named=True)
    ]
    kinds = kinds.with_columns(channel=pl.Series(judged, dtype=pl.String)).rename(
        {name: f"has_{name}" for name in ("gclid", "braid", "fbclid", "ttclid", "msclkid")}
    )
    flagged = touches.with_columns(
        (pl.col(name) != 0).alias(f"has_{name}") for name in ("gclid", "braid", "fbclid", "ttclid", "msclkid")
    )
    return flagged.join(
        kinds,
        on=[
            "source",
            "medium",
            "channel_group",
            *(f"has_{n}" for n in ("gclid", "braid", "fbclid", "ttclid", "msclkid")),
        ],
        how="left",
    )


def _told_once(touches: pl.DataFrame) -> pl.DataFrame:
    """Each visit once. The shop's own word wins; GA4 speaks where the shop saw nothing or only a direct visit.
    Where GA4's export tells an order's whole journey, what others told of those visits goes (`_seen_whole`).

    GA4 names the session of the purchase, which is the shop's last visit seen by another eye: counting both would
    double it.
    """
    rank = pl.col("origin").replace_strict(RANK, return_dtype=pl.Int64)
    ranked = _seen_whole(touches.with_columns(origin_rank=rank))
    # The kit's cookie tells of the first visit with every order of its buyer: once is enough.
    own = (
        ranked.filter(pl.col("origin") != "ga4")
        .sort("is_own", "origin_rank", "touch_key", descending=[True, False, False])
        .unique(["order_key", "occurred_at", *TAGS[:2], "campaign", *TAGS[3:]], keep="first", maintain_order=True)
    )
    ga4 = (
        ranked.filter(pl.col("origin") == "ga4")
        .sort("touch_key")
        .unique("order_key", keep="first", maintain_order=True)
    )
    last = own.sort("order_key", "occurred_at", "origin_rank", "touch_key").unique(
        "order_key", keep="last", maintain_order=True
    )
    tagged = last.filter(pl.col("channel") != "direct")
    silent = ga4.join(tagged.select("order_key"), on="order_key", how="anti")
    spoken_for = silent.filter(pl.col("channel") != "direct").select("order_key")
    replaced = last.filter(pl.col("channel") == "direct").join(spoken_for, on="order_key", how="semi")
    kept = own.join(replaced.select("touch_key"), on="touch_key", how="anti")
    unseen = silent.filter(pl.col("channel") != "direct")
    quiet = silent.filter(pl.col("channel") == "direct").join(own.select("order_key"), on="order_key", how="anti")
    return pl.concat([kept, unseen, quiet], how="diagonal_relaxed")


def _seen_whole(touches: pl.DataFrame) -> pl.DataFrame:
    """Touches without those that tell once more of a visit which GA4's export tells of.

    The last visit before an order is the same for everybody: the export's, unless it was direct there and the shop knows
    where it came from. Earlier ones are the same when the export has one within SAME_VISIT.
    """
    export = pl.col("origin") == "ga4_bigquery"
    whole, others = touches.filter(export), touches.filter(~export)
    if whole.is_empty():
        return touches
    told = whole.filter("is_own")
    own = others.filter("is_own").join(told.select("order_key").unique(), on="order_key", how="semi")
    by_time = ("order_key", "occurred_at", "origin_rank", "touch_key")
    last, ended = (
        some.sort(by_time).unique("order_key", keep="last", maintain_order=True)
        for some in (own.filter(pl.col("origin") != "ga4"), told)
    )
    better = last.filter(pl.col("channel") != "direct").join(
        ended.filter(pl.col("channel") == "direct").select("order_key", worse="touch_key"), on="order_key"
    )
    near = others.join(whole.select("order_key", seen="occurred_at"), on="order_key").filter(
        (pl.col("occurred_at") - pl.col("seen")).abs() <= SAME_VISIT
    )
    # GA4's own report names one visit of the order, whatever its time: the export has it.
    repeated = pl.concat([last.select(KEYS), near.select(KEYS), own.filter(pl.col("origin") == "ga4").select(KEYS)])
    gone = pl.concat(
        [repeated.join(better, on=KEYS, how="anti"), better.select("order_key", touch_key="worse")]
    ).unique()
    return touches.join(gone, on=KEYS, how="anti")


def _resolved(touches: pl.DataFrame, clicks: pl.DataFrame, campaigns: pl.DataFrame) -> pl.DataFrame:
    """With platform, campaign, ad set and ad: by click id, else by ids in the tags, else by the campaign's name."""
    platform = pl.col("channel").replace_strict(PLATFORM_OF, default="", return_dtype=pl.String)
    base = touches.drop("campaign_id").with_columns(touches["campaign_id"].alias("told_id"), platform=platform)
    by_click = clicks.select(
        gclid="click_id", click_campaign="campaign_id", click_adset="adset_id", click_ad="ad_id", platform="platform"
    )
    ads = campaigns.filter(pl.col("ad_id") != "").select(
        "platform", content="ad_id", tag_campaign="campaign_id", tag_adset="adset_id"
    )
    ids = campaigns.select("platform", campaign="campaign_id", id_campaign="campaign_id").unique()
    told = campaigns.select("platform", told_id="campaign_id", told_campaign="campaign_id").unique()
    names = (
        campaigns.select("platform", "campaign_id", name=pl.col("campaign_name").str.to_lowercase())
        .unique()
        .unique(["platform", "name"], keep="none")
        .select("platform", "name", name_campaign="campaign_id")
    )
    joined = (
        base.with_columns(name=pl.col("campaign").str.to_lowercase())
        .join(by_click, on=["platform", "gclid"], how="left")
        .join(ads.unique(["platform", "content"], keep="none"), on=["platform", "content"], how="left")
        .join(ids, on=["platform", "campaign"], how="left")
        .join(told, on=["platform", "told_id"], how="left")
        .join(names, on=["platform", "name"], how="left")
    )
    return joined.with_columns(
        campaign_id=pl.coalesce(
            "click_campaign", "tag_campaign", "id_campaign", "told_campaign", "name_campaign", pl.lit("")
        ),
        adset_id=pl.when(pl.col("click_campaign").is_not_null())
        .then("click_adset")
        .otherwise("tag_adset")
        .fill_null(""),
        ad_id=pl.when(pl.col("click_campaign").is_not_null())
        .then("click_ad")
        .when(pl.col("tag_campaign").is_not_null())
        .then("content")
        .otherwise(pl.lit("")),
    )


def _marketplace(orders: pl.DataFrame) -> pl.DataFrame:
    """Orders a marketplace brought: the channel is known without any visit."""
    return orders.filter(pl.col("marketplace") != "").select(
        "order_key",
        occurred_at="created_at",
        hours_before=pl.lit(0.0),
        channel=pl.lit("marketplace"),
        source=pl.col("marketplace"),
        medium=pl.lit("marketplace"),
        campaign=pl.lit(""),
        platform=pl.lit(""),
        campaign_id=pl.lit(""),
        adset_id=pl.lit(""),
        ad_id=pl.lit(""),
        origin=pl.lit("order"),
        origin_rank=pl.lit(3),
        touch_key=pl.lit(0, dtype=pl.UInt32),
    )
