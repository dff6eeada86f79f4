"""Recency, frequency, monetary value: quantile scores and the eleven named segments."""

from __future__ import annotations

import polars as pl

# The field's usual partition of the 125 cells (recency, frequency, monetary; 5 is best): every cell in exactly one.
SEGMENTS: dict[str, str] = {
    "Champions": "555 554 544 545 454 455 445",
    "Loyal": "543 444 435 355 354 345 344 335",
    "Potential Loyalist": "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 323",
    "New Customers": "512 511 422 421 412 411 311",
    "Promising": "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313",
    "Need Attention": "535 534 443 434 343 334 325 324",
    "About To Sleep": "331 321 312 221 213 231 241 251",
    "At Risk": "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124",
    "Cannot Lose Them": "155 154 144 214 215 115 114 113",
    "Hibernating": "332 322 233 232 223 222 132 123 122 212 211",
    "Lost": "111 112 121 131 141 151",
}
CELLS = {cell: name for name, cells in SEGMENTS.items() for cell in cells.split()}


def scores(customers: pl.DataFrame, *, quantiles: int = 5) -> pl.DataFrame:
    """Scores 1..quantiles (best is highest) and, for five quantiles, the named segment.

    customers: customer_key, recency_days, total_orders, total_revenue (minor units).
    Returns customer_key, rfm_recency, rfm_frequency, rfm_monetary, rfm_segment (empty when quantiles is not five: the map has 125 cells).
    """
    scored = customers.select(
        "customer_key",
        rfm_recency=_score(customers, "recency_days", quantiles, descending=True),
        rfm_frequency=_score(customers, "total_orders", quantiles),
        rfm_monetary=_score(customers, "total_revenue", quantiles),
    )
    cell = pl.concat_str("rfm_recency", "rfm_frequency", "rfm_monetary")
    segment = cell.replace_strict(CELLS, default="", return_dtype=pl.String) if quantiles == 5 else pl.lit("")
    return scored.with_columns(rfm_segment=segment)


def _score(customers: pl.DataFrame, column: str, quantiles: int, *, descending: bool = False) -> pl.Series:
    """How many of `quantiles` equal parts of the customers are strictly worse, plus one. Equal values score the same."""
    worse = customers[column].rank("min", descending=descending).cast(pl.Int64) - 1
    return worse * quantiles // max(len(customers), 1) + 1
