"""Costs: what the lines of an order took from it. One definition for POAS, customers and conversions.

A line costs what the shop wrote beside it, else what the catalogue says today; what a marketplace keeps of it goes too.
"""

from __future__ import annotations

LINES = "fct_order_items i LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id"
UNIT = "COALESCE(i.unit_cost, p.cost_price)"
"""Of one unit of `LINES`; null where nobody knows."""
TAKEN = f"i.quantity * {UNIT} + COALESCE(i.sale_fee, 0.00)"
"""Of a line; null where its cost is not known."""
