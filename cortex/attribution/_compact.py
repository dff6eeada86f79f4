"""What journeys are built from, held in little room: words by number, identities by 64 bits of hash, touches by rank.

A touch takes some 90 bytes so instead of some 500. Two of a million identities share their hash once in 40 million
such shops (the birthday bound, n^2 / 2^65).
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

WORDS = ("origin", "source", "medium", "campaign", "content", "channel_group", "campaign_id")
CLICK_IDS = ("gclid", "gbraid", "wbraid", "fbclid", "ttclid", "msclkid")
NAMES = ("channel", "source", "medium", "campaign", "platform", "campaign_id", "adset_id", "ad_id", "origin")


def touches(pieces: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Touches in the order of their keys (columns of stg_touches, piece by piece) with their rank as `touch_key`."""
    narrow = [
        piece.select(
            "order_ref", "occurred_at", pl.col(WORDS).cast(pl.Categorical), *(hashed(name) for name in CLICK_IDS)
        )
        for piece in pieces
    ]
    return pl.concat(narrow, rechunk=False).with_row_index("touch_key")


def clicks(pieces: Iterable[pl.DataFrame], told: pl.DataFrame) -> pl.DataFrame:
    """Clicks on ads (click_id, platform, campaign_id, adset_id, ad_id) that a touch of `told` tells of."""
    known = told.select("gclid").filter(pl.col("gclid") != 0).unique()
    return pl.concat(
        [
            piece.with_columns(hashed("click_id")).join(known, left_on="click_id", right_on="gclid", how="semi")
            for piece in pieces
        ]
    )


def orders(pieces: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Orders, piece by piece, with the hash of their `customer_key`."""
    return pl.concat([piece.with_columns(hashed("customer_key")) for piece in pieces])


def points(frame: pl.DataFrame) -> pl.DataFrame:
    """Touches of journeys (columns NAMES among others), each name once for all."""
    return frame.with_columns(
        pl.col(NAMES).cast(pl.Categorical), pl.col("position").cast(pl.UInt32), pl.col("is_direct").cast(pl.Int8)
    )


def spelt(frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame with words where there were numbers for them, and numbers as wide as a database gives them."""
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String), pl.col("^(position|is_direct)$").cast(pl.Int64))


def hashed(name: str) -> pl.Expr:
    """A text column as UInt64, 0 where it is empty."""
    return pl.when(pl.col(name) == "").then(pl.lit(0, dtype=pl.UInt64)).otherwise(pl.col(name).hash()).alias(name)
