"""The shape of answers, for the documentation: rows of a report say of each column what the report's own header says."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from cortex.warehouse.views import bundled_views

Row = TypeVar("Row")
TYPES: dict[str, Any] = {"date": date, "instant": datetime, "text": str, "count": int, "flag": int}
"""By kind of column; every other kind is a decimal number, written as text so that no cent is lost."""


def row_of(name: str, view: str, *columns: str, without: tuple[str, ...] = (), **more: Any) -> type[BaseModel]:
    """A row of a report: all its columns, or those named. more: fields the view does not have."""
    found = next(each for each in bundled_views() if each.name == view)
    known = {column.name: column for column in found.columns}
    shown = (
        [known[each] for each in columns] if columns else [each for each in found.columns if each.name not in without]
    )
    fields: dict[str, Any] = {
        column.name: (TYPES.get(column.kind, str) | None, Field(description=column.meaning)) for column in shown
    }
    made: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="forbid"), **(fields | more))
    return made


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Days(Strict):
    since: date = Field(
        serialization_alias="from", validation_alias="from", description="First day, in the client's own zone."
    )
    last: date = Field(serialization_alias="to", validation_alias="to", description="Last day.")


class Page(Strict, Generic[Row]):
    """Rows of a period."""

    client: str
    currency: str = Field(description="Of every amount.")
    period: Days
    data: list[Row]


class Credited(Page[Row], Generic[Row]):
    """Rows of a period by one attribution model."""

    model: str


class State(Strict, Generic[Row]):
    """Rows that are of no period: how things stand."""

    client: str
    currency: str
    data: list[Row]


class Figure(Strict):
    key: str = Field(description="revenue, orders, aov, new_customers, spend, roas, cac, mer.")
    kind: str = Field(description="money, count, ratio.")
    value: str | None = Field(description="Decimal; empty when it cannot be known.")
    before: str | None = Field(
        description="Of as many days before; empty when they are not all loaded, or not asked for."
    )
    change: str | None = Field(description="Against before, relative: 0.1 is ten per cent more.")
    why_not: str = Field(description="Why there is no value: no_orders, no_spend.")


class Problem(BaseModel):
    """RFC 9457. `code` is what `cortex explain` has a page of."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    fix: str = ""
    allowed: dict[str, str] = Field(default={}, description="The range of days that may be asked for.")


class Shop(Strict):
    client: str
    name: str
    currency: str
    timezone: str
    active: bool


class Wish(Strict):
    """What `cortex run` takes."""

    pipeline: str = Field(max_length=64, description="daily, hourly, weekly, conversions, or a recipe of yours.")
    day: date | None = Field(default=None, alias="date", description="Last day; yesterday when left out.")
    days: int | None = Field(default=None, description="Days, counted back from date.")
    only: list[str] = Field(default=[], max_length=50, description="Run only these steps.")
    skip: list[str] = Field(default=[], max_length=50, description="Leave these steps out.")


class RunRow(Strict):
    run_id: str
    pipeline: str
    since: date = Field(description="First day.")
    last: date = Field(description="Last day.")
    status: str = Field(description="queued, running, cancelling, ok, partial, failed, interrupted, cancelled, died.")
    queued_at: datetime | None
    started_at: datetime | None = Field(description="Empty while it waits for a worker.")
    ended_at: datetime | None
    exit_code: int | None = Field(description="As of `cortex run`; empty until it has ended.")


class StepRow(Strict):
    step: str
    status: str = Field(description="ready, running, ok, failed, skipped, interrupted.")
    attempt: int
    started_at: datetime | None
    ended_at: datetime | None
    rows: int = Field(description="Written or sent.")
    summary: str
    error_code: str
    error_message: str


class Run(RunRow):
    client: str
    steps: list[StepRow]


class Runs(Strict):
    client: str
    data: list[RunRow]


class Live(Strict):
    status: str


class Ready(Strict):
    status: str = Field(description="ready, or not ready (503).")
    checks: dict[str, str] = Field(
        description="database, migrations, schema (of the key's one client): ok, or CTX-nnnn."
    )
    last_run: RunRow | None = Field(description="The newest run of the key's client, or of all.")
