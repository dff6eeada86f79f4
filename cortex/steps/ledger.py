"""Ledger: stored orders as the conversions they are for one destination, the same for planning, sending and looking on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from cortex import conversions as rules
from cortex.destinations import Destination, DestinationSection
from cortex.errors import PolicyRefusal
from cortex.records import Conversion
from cortex.run import Run
from cortex.steps.costs import LINES, TAKEN, UNIT
from cortex.warehouse import outbox

if TYPE_CHECKING:
    from cortex.warehouse import Warehouse

Row = dict[str, Any]


class Line(NamedTuple):
    """A row to be written in the ledger, with the JSON of what its buyer can be matched by."""

    row: Row
    sealed: str
    stored: bool = True
    """Whether the ledger may have the row already."""


PAGE = 2000
"""Orders looked at together: what is in memory does not grow with the shop."""

MADE_OF = ", ".join(f"o.{name}" for name in ("order_key", *outbox.ORDER_COLUMNS))
"""What a conversion is made of when its value is known."""
STORED = f"""{MADE_OF}, o.status, o.is_paid, o.is_test, o.paid, o.refunded, o.shipping, o.tax, o.marketplace,
    o.consent_state, o.consent_source, o.consent_version, o.consent_at"""
"""And what decides whether it is sent."""
ORDERS = f"SELECT {MADE_OF} FROM fct_orders o WHERE o.order_key IN :keys"  # noqa: S608  # our own names
ITEMS = """
    SELECT order_key, line, product_id, quantity, unit_price FROM fct_order_items WHERE order_key IN :keys
"""
COSTS = f"""
    SELECT i.order_key AS order_key, SUM({TAKEN}) AS cost, COUNT(*) AS known, COUNT({UNIT}) AS priced
    FROM {LINES}
    WHERE i.order_key IN :keys GROUP BY i.order_key
"""  # noqa: S608
BUYERS = "SELECT customer_key, ltv_to_date FROM dim_customers WHERE customer_key IN :keys"
COUNTED = "SELECT COUNT(*) AS n FROM dim_customers WHERE ltv_to_date > 0"
FLOOR = """
    SELECT ltv_to_date FROM dim_customers WHERE ltv_to_date > 0 ORDER BY ltv_to_date, customer_key LIMIT 1 OFFSET :at
"""
FEWEST_BUYERS = 30
"""Below that a third of the buyers is a handful of names, not a class."""
REFUNDED = (
    "SELECT order_key, MAX(created_at) AS created_at FROM fct_refunds WHERE order_key IN :keys GROUP BY order_key"
)


def destination_of(run: Run, kind: str) -> Destination:
    return run.adapter("destinations", kind, Destination, run.tenant.destinations[kind])


def refuse_without_policy(run: Run, kind: str) -> None:
    """Raise PolicyRefusal (CTX-6001) when the client file does not say under which consent buyers are told about."""
    if run.tenant.privacy is None or run.tenant.privacy.consent is None:
        raise PolicyRefusal(
            "CTX-6001",
            f"Client {run.tenant.code} states no consent policy: no conversion leaves for {kind}.",
            fix=f"Add privacy.consent.mode (opt_in or opt_out) to tenants/{run.tenant.code}.yaml, as the client instructs.",
        )


def says(destination: Destination) -> DestinationSection:
    """What the client file says that every destination understands."""
    config = destination.config
    return config if isinstance(config, DestinationSection) else DestinationSection(enabled=config.enabled)


def in_parts(warehouse: Warehouse, sql: str, keys: Iterable[str]) -> Iterator[Row]:
    """The rows of a query over many keys, a thousand at a time."""
    ordered = sorted(set(keys))
    for start in range(0, len(ordered), 1000):
        yield from warehouse.rows(sql, keys=ordered[start : start + 1000])


@dataclass
class Worths:
    """What orders are worth to one destination, on the basis its block of the client file asks for.

    predicted: by buyer, where they may be told. Looked up page by page; nothing is kept.
    """

    run: Run
    asked: str
    predicted: Mapping[str, Decimal] = field(default_factory=dict)

    def of(self, orders: Sequence[Mapping[str, Any]]) -> list[rules.Worth]:
        """One for each order, in the same order."""
        costs = self.costs([order["order_key"] for order in orders]) if self.asked == "margin" else {}
        return [
            rules.worth(
                order,
                self.asked,
                cost=costs.get(order["order_key"]),
                predicted=self.predicted.get(order["customer_key"]),
            )
            for order in orders
        ]

    def costs(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """Cost of all lines of an order together; orders of which one line has none are left out."""
        found = in_parts(self.run.warehouse, COSTS, keys)
        return {row["order_key"]: Decimal(str(row["cost"])) for row in found if row["known"] == row["priced"]}


@dataclass
class Composer:
    """Ledger rows as the conversions a destination is sent. What the ledger decided is sent, not what the order says since."""

    run: Run
    kind: str

    @cached_property
    def _floors(self) -> list[Decimal]:
        """The least values so far of the middle and the upper third of the buyers; nothing where there are too few."""
        count = self.run.warehouse.rows(COUNTED)[0]["n"]
        if count < FEWEST_BUYERS:
            return []
        return [self.run.warehouse.rows(FLOOR, at=count * part // 3)[0]["ltv_to_date"] for part in (1, 2)]

    def conversions(self, rows: Sequence[Mapping[str, Any]]) -> list[Conversion]:
        """rows: of conversion_outbox with `identifiers` (JSON text, empty when deleted). One each, in the same order.

        Claimed rows bring along what is needed of their orders; of the others it is looked up.
        """
        keys = [row["order_key"] for row in rows]
        orders = {row["order_key"]: row for row in rows if row.get("external_id") is not None}
        alone = [key for key in keys if key not in orders]
        orders |= {row["order_key"]: row for row in in_parts(self.run.warehouse, ORDERS, alone)}
        items: dict[str, list[Row]] = {key: [] for key in keys}
        for line in in_parts(self.run.warehouse, ITEMS, keys):
            items[line["order_key"]].append(line)
        buyers = self._buyers(orders.values())
        changed = [row["order_key"] for row in rows if row["action"] in {"restate", "retract"}]
        told, moved = told_before(self.run.warehouse, self.kind, changed), refunded_at(self.run.warehouse, changed)
        return [
            rules.conversion(
                orders[row["order_key"]],
                tenant=self.run.tenant.code,
                destination=self.kind,
                sealed=rules.read_sealed(row["identifiers"]),
                items=items[row["order_key"]],
                action=row["action"],
                revision=row["revision"],
                worth=rules.Worth(value=row["value"], basis=row["value_basis"], predicted=row["predicted_value"]),
                value_bucket=rules.bucket(buyers.get(orders[row["order_key"]]["customer_key"]), self._floors),
                told=told.get(row["order_key"]) if row["action"] in {"restate", "retract"} else None,
                adjusted_at=_told_at(row, moved),
            )
            for row in rows
        ]

    def _buyers(self, orders: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
        if not self._floors:
            return {}
        found = in_parts(self.run.warehouse, BUYERS, [order["customer_key"] for order in orders])
        return {row["customer_key"]: row["ltv_to_date"] for row in found}


def _told_at(row: Mapping[str, Any], moved: Mapping[str, Any]) -> Any:
    """The time of what follows a purchase: money that went back, or the prediction, whose row has no other."""
    if row["action"] == "value":
        return rules.utc(row["occurred_at"])
    return moved.get(row["order_key"]) if row["action"] != "purchase" else None


TOLD = """
    SELECT order_key, revision, value FROM conversion_outbox
    WHERE order_key IN :keys AND destination = :destination AND settled_at IS NOT NULL
      AND state IN ('accepted', 'processed', 'duplicate') AND action <> 'value'
    ORDER BY order_key, revision
"""


def told_before(warehouse: Warehouse, kind: str, keys: Sequence[str]) -> dict[str, Decimal]:
    """The value each order's destination was told last, as far as it is proven."""
    ordered = sorted(set(keys))
    return {
        row["order_key"]: row["value"]
        for start in range(0, len(ordered), 1000)
        for row in warehouse.rows(TOLD, destination=kind, keys=ordered[start : start + 1000])
    }


def refunded_at(warehouse: Warehouse, keys: Sequence[str]) -> dict[str, Any]:
    """When money of each order last went back."""
    return {row["order_key"]: row["created_at"] for row in in_parts(warehouse, REFUNDED, keys)}


def held_back(destination: Destination) -> timedelta:
    return timedelta(days=says(destination).hold_days)
