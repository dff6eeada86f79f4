"""Routes that show figures of a client: what `cortex report`, `analyze` and `alerts list` show, from the same queries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from cortex.clock import Window
from cortex.errors import CortexError
from cortex.reports import Figure as Found
from cortex.steps import reporting, showing
from cortex.web.asking import TheCaller, TheClient, TheDays, TheHouse, known_parameters
from cortex.web.house import Client
from cortex.web.problems import Refusal
from cortex.web.shapes import Credited, Figure, Page, Shop, State, row_of

router = APIRouter(prefix="/api/v1/clients", tags=["figures"], dependencies=[Depends(known_parameters)])

PLACES = {"money": Decimal("0.01"), "count": Decimal(1), "ratio": Decimal("0.000001")}
Day = row_of("Day", "rpt_daily_performance")
Channel = row_of("Channel", "rpt_channel_performance", without=("day", "model", "sort_order"))
Status = row_of(
    "Status", "rpt_orders_by_status", "status", "payment_status", "is_test", "orders", "total", "paid", "refunded"
)
Delivery = row_of("Delivery", "rpt_conversion_delivery", "destination", "state", "reason", "conversions", "value")
Product = row_of("Product", "rpt_product_performance", "platform", "product_id", "name", "units", "revenue")
Segment = row_of("Segment", "rpt_rfm_segments")
Cell = row_of("Cell", "rpt_cohort_cells")
Stream = row_of("Stream", "rpt_data_freshness")
Told = row_of(
    "Alert",
    "rpt_open_alerts",
    without=("facts",),
    facts=(dict[str, Any], Field(description="What title and message name.")),
    title_told=(str, Field(description="The title in the client's language.")),
    message_told=(str, Field(description="The message in the client's language.")),
)


@router.get("", response_model=list[Shop])
def clients(of: TheHouse, who: TheCaller) -> list[Shop]:
    """The clients this key may ask about. One whose file is broken is left out."""
    found = []
    for code in filter(who.may_ask_about, of.workspace.tenant_codes()):
        with contextlib.suppress(CortexError):
            each = of.tenant(code)
            found.append(
                Shop(
                    client=code, name=each.name, currency=each.currency, timezone=each.timezone.key, active=each.active
                )
            )
    return found


@router.get("/{code}/kpis", response_model=Page[Figure])
def kpis(
    client: TheClient,
    days: TheDays,
    compare: Annotated[
        Literal["previous", "none"], Query(description="previous: with as many days before.")
    ] = "previous",
) -> Response:
    """Revenue, orders, average order, new customers, spend, ROAS, CAC and MER of a period, beside the one before."""
    known = compare == "previous" and reporting.before_of(days).since >= client.extent.since

    def rows() -> list[dict[str, Any]]:
        return [_figure(each, known=known) for each in reporting.figures(client.warehouse, days)]

    return _page(client, days, "kpis", (compare,), rows)


@router.get("/{code}/daily", response_model=Page[Day])  # type: ignore[valid-type]
def daily(client: TheClient, days: TheDays) -> Response:
    """A row for each day on which anything happened."""
    return _page(client, days, "daily", (), lambda: showing.daily(client.warehouse, days))


@router.get("/{code}/channels", response_model=Credited[Channel])  # type: ignore[valid-type]
def channels(
    client: TheClient,
    days: TheDays,
    model: Annotated[str, Query(max_length=64, description="One of the client file's; the first when left out.")] = "",
) -> Response:
    """What an attribution model credits each channel with, and what the channel cost."""
    known = tuple(dict.fromkeys((*client.tenant.analytics.models, "last_click")))
    chosen = model or known[0]
    if chosen not in known:
        raise Refusal(422, "CTX-7001", "No run has credited orders by that model.", fix=f"One of {', '.join(known)}.")
    return _page(
        client, days, "channels", (chosen,), lambda: showing.channels(client.warehouse, days, chosen), model=chosen
    )


@router.get("/{code}/orders/by-status", response_model=Page[Status])  # type: ignore[valid-type]
def orders_by_status(client: TheClient, days: TheDays) -> Response:
    """Orders placed in a period by what has become of them."""
    return _page(client, days, "orders by status", (), lambda: showing.orders_by_status(client.warehouse, days))


@router.get("/{code}/products/top", response_model=Page[Product])  # type: ignore[valid-type]
def top_products(
    client: TheClient, days: TheDays, limit: Annotated[int, Query(ge=1, le=100, description="Products shown.")] = 10
) -> Response:
    """The products that sold for most."""
    return _page(client, days, "products", (limit,), lambda: showing.products(client.warehouse, days, limit))


@router.get("/{code}/conversions/delivery", response_model=Page[Delivery])  # type: ignore[valid-type]
def delivery(client: TheClient, days: TheDays) -> Response:
    """What has become of a period's sales at each destination: how many and how much, by state and reason."""
    return _page(client, days, "delivery", (), lambda: showing.deliveries(client.warehouse, days))


@router.get("/{code}/customers/rfm", response_model=State[Segment])  # type: ignore[valid-type]
def rfm(client: TheClient) -> Response:
    """The eleven RFM segments as the last weekly run found them. Counts and sums: nobody is named."""
    return _state(client, "rfm", (), lambda: showing.segments(client.warehouse))


@router.get("/{code}/customers/cohorts", response_model=State[Cell])  # type: ignore[valid-type]
def cohorts(
    client: TheClient, grain: Annotated[Literal["month", "week"], Query(description="Length of a period.")] = "month"
) -> Response:
    """What buyers did since the period of their first order; a period that has not ended is empty."""
    return _state(client, "cohorts", (grain,), lambda: showing.cohort_cells(client.warehouse, grain))


@router.get("/{code}/alerts", response_model=State[Told])  # type: ignore[valid-type]
def alerts(client: TheClient) -> Response:
    """What is wrong now, the worst first, and what mends it."""
    tenant = client.tenant
    return _state(client, "alerts", (), lambda: showing.alerts(client.warehouse, tenant, tenant.lang))


@router.get("/{code}/freshness", response_model=State[Stream])  # type: ignore[valid-type]
def freshness(client: TheClient) -> Response:
    """Up to where each stream has been read, and what could not be."""
    return _state(client, "freshness", (), lambda: showing.freshness(client.warehouse))


def _figure(found: Found, *, known: bool) -> dict[str, Any]:
    return {
        "key": found.key,
        "kind": found.kind,
        "value": _rounded(found.value, found.kind),
        "before": _rounded(found.before, found.kind) if known else None,
        "change": _rounded(found.change, "ratio") if known else None,
        "why_not": "" if found.value is not None else found.why_not,
    }


def _rounded(value: Decimal | None, kind: str) -> Decimal | None:
    """Money to the cent, counts whole, ratios to six places: a division has no end."""
    return None if value is None else value.quantize(PLACES[kind], ROUND_HALF_UP)


def _page(
    client: Client, days: Window, question: str, parameters: tuple[Any, ...], rows: Callable[[], Any], **more: Any
) -> Response:
    def make() -> dict[str, Any]:
        period = {"from": days.since, "to": days.last}
        return {**_head(client), **more, "period": period, "data": rows()}

    return _json(client.body(question, (days, *parameters), make))


def _state(client: Client, question: str, parameters: tuple[Any, ...], rows: Callable[[], Any]) -> Response:
    return _json(client.body(question, parameters, lambda: {**_head(client), "data": rows()}))


def _head(client: Client) -> dict[str, Any]:
    return {"client": client.code, "currency": client.tenant.currency}


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
