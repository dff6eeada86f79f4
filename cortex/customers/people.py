"""One person, many identities: buyers who share an e-mail, a phone, a document or a store account are one."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]

CROWD = 10
"""An alias shared by more distinct store accounts than this is a placeholder (a shop's own phone, a fake CPF), not a
person: it merges nobody."""


def merge(aliases: pl.DataFrame) -> pl.DataFrame:
    """The buyer of each order after duplicates are merged.

    aliases: columns order_key, kind (store, email, phone, document), alias; all text; any number of rows an order.
    Returns order_key, customer_key (unique by order_key). The customer_key is the smallest alias of the connected
    component, so the result does not depend on the order in which orders were loaded.
    """
    if aliases.is_empty():
        return pl.DataFrame(
            {"order_key": [], "customer_key": []}, schema={"order_key": pl.String, "customer_key": pl.String}
        )
    usable = aliases.join(_crowds(aliases), on="alias", how="anti")
    # An order whose every alias is a crowd still has a buyer: its own strongest alias, unmerged.
    lonely = aliases.join(usable.select("order_key").unique(), on="order_key", how="anti")
    lonely = lonely.sort("order_key", "kind", "alias").unique("order_key", keep="first", maintain_order=True)
    orders = usable["order_key"].unique().sort()
    names = usable["alias"].unique().sort()
    order_at = usable["order_key"].replace_strict(orders, pl.int_range(len(orders), eager=True), return_dtype=pl.Int64)
    alias_at = usable["alias"].replace_strict(names, pl.int_range(len(names), eager=True), return_dtype=pl.Int64)
    of_order = _smallest(order_at.to_numpy(), alias_at.to_numpy(), len(names))
    merged = pl.DataFrame({"order_key": orders, "customer_key": names.gather(of_order)})
    return pl.concat([merged, lonely.select("order_key", customer_key="alias")]).sort("order_key")


def _smallest(order_at: Ints, alias_at: Ints, aliases: int) -> Ints:
    """The smallest alias each order is connected with, through any number of other orders.

    order_at, alias_at: one edge each, every order and alias in at least one. Everybody takes the smallest of its
    neighbours until nobody has a smaller one; taking what that one has taken halves the way.
    """
    if not aliases:
        return np.zeros(0, dtype=np.int64)
    by_order, by_alias = np.argsort(order_at, kind="stable"), np.argsort(alias_at, kind="stable")
    first_of_order = np.flatnonzero(np.diff(order_at[by_order], prepend=-1))
    first_of_alias = np.flatnonzero(np.diff(alias_at[by_alias], prepend=-1))
    label = np.arange(aliases, dtype=np.int64)
    while True:
        of_order = np.minimum.reduceat(label[alias_at[by_order]], first_of_order)
        near = np.minimum.reduceat(of_order[order_at[by_alias]], first_of_alias)
        near = near[near]
        if np.array_equal(near, label):
            return of_order
        label = near


def _crowds(aliases: pl.DataFrame) -> pl.DataFrame:
    """Aliases other than store accounts that more than CROWD distinct store accounts (or orders, without one) share."""
    accounts = aliases.filter(pl.col("kind") == "store").select("order_key", account="alias")
    people = aliases.filter(pl.col("kind") != "store").join(accounts, on="order_key", how="left")
    return (
        people.group_by("alias")
        .agg(people=pl.coalesce("account", "order_key").n_unique())
        .filter(pl.col("people") > CROWD)
        .select("alias")
    )
