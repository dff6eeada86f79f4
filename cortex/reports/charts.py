"""Charts as Vega-Lite specifications, drawn to SVG here and now: no script, no network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cortex.reports import Report
from cortex.reports.words import word

# One colour per channel on every page (colour-blind safe); neutrals for what is nobody's.
CHANNEL_COLOURS = {
    "meta": "#2a6fdb",
    "google": "#e08a00",
    "tiktok": "#b0307a",
    "bing": "#008a8a",
    "organic": "#3a8f3a",
    "direct": "#7a7f87",
    "email": "#8a5fc7",
    "referral": "#b5651d",
    "social": "#5aa9e6",
    "marketplace": "#c9a400",
    "whatsapp": "#2fae74",
    "affiliate": "#a35d6a",
    "sms": "#6d8b3c",
    "other": "#9aa0a6",
    "unattributed": "#c4c7cc",
}
MODEL_COLOURS = (
    "#2a6fdb", "#8fb4ee", "#e08a00", "#3a8f3a", "#8a5fc7", "#b0307a", "#008a8a", "#b5651d", "#c9a400", "#6d8b3c",
    "#a35d6a", "#5aa9e6", "#7a7f87", "#2fae74", "#d46a6a", "#4b4f9e",
)  # fmt: skip
"""One for each attribution model, and some to spare."""
STATE_COLOURS = {
    "accepted": "#3a8f3a",
    "processed": "#26702b",
    "duplicate": "#8cc08c",
    "planned": "#8fb4ee",
    "claimed": "#5aa9e6",
    "gated": "#c4c7cc",
    "expired": "#9aa0a6",
    "unknown": "#e08a00",
    "rejected": "#c0392b",
    "dead": "#8b1e14",
}
INK = "#5b6068"
"""Axis text; readable on light and on dark."""
LOCALES = {
    "pt-BR": {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["R$ ", ""]},
    "es": {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["", ""]},
    "en": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["", ""]},
}


def daily(report: Report) -> str:
    """Revenue per day as bars, the period before as a dashed line. SVG text."""
    rows = [
        {
            "day": row.day.isoformat(),
            "revenue": float(row.revenue),
            "before": None if row.before is None else float(row.before),
        }
        for row in report.days
    ]
    axis = {"title": None, "grid": False, "format": "%d/%m", "labelOverlap": True, "tickCount": min(10, len(rows))}
    x = {"field": "day", "type": "temporal", "axis": axis}
    return _draw(
        {
            "width": 980,
            "height": 220,
            "data": {"values": rows},
            "layer": [
                {
                    "mark": {"type": "bar", "color": "#2a6fdb", "width": {"band": 0.7}},
                    "encoding": {
                        "x": {**x, "timeUnit": "utcyearmonthdate"},
                        "y": {"field": "revenue", "type": "quantitative", "axis": {"title": None, "format": ",.0f"}},
                    },
                },
                {
                    "mark": {"type": "line", "color": INK, "strokeDash": [4, 3], "strokeWidth": 1.4},
                    "encoding": {
                        "x": {**x, "timeUnit": "utcyearmonthdate", "bandPosition": 0.5},
                        "y": {"field": "before", "type": "quantitative"},
                    },
                },
            ],
        },
        report.lang,
    )


def channels(report: Report) -> str:
    """Revenue per channel, one bar per model, largest channel first. SVG text."""
    revenue = {
        row.channel: {model: float(row.revenue.get(model, 0)) for model in report.models} for row in report.channels
    }
    return _draw(by_model(revenue, report.models, report.lang), report.lang)


def by_model(revenue: Mapping[str, Mapping[str, float]], models: Sequence[str], lang: str) -> dict[str, Any]:
    """Revenue by channel and model, one bar each, channels in the order given."""
    order = [word(channel, lang) for channel in revenue]
    names = [word(model, lang) for model in models]
    rows = [
        {"channel": word(channel, lang), "model": word(model, lang), "revenue": earned.get(model, 0.0)}
        for channel, earned in revenue.items()
        for model in models
    ]
    return {
        "width": 830,
        "height": {"step": 11},
        "data": {"values": rows},
        "mark": {"type": "bar"},
        "encoding": {
            "y": {"field": "channel", "type": "nominal", "sort": order, "axis": {"title": None, "labelLimit": 150}},
            "yOffset": {"field": "model", "type": "nominal", "sort": names},
            "x": {
                "field": "revenue",
                "type": "quantitative",
                "axis": {"title": None, "format": ",.0f", "tickCount": 6},
            },
            "color": {
                "field": "model",
                "type": "nominal",
                "sort": names,
                "scale": {"domain": names, "range": list(MODEL_COLOURS[: len(names)])},
                "legend": {"title": None, "orient": "top"},
            },
        },
    }


def deliveries(report: Report) -> str:
    """Conversions per destination, stacked by state. SVG text."""
    states = [state for state in STATE_COLOURS if any(row.state == state for row in report.deliveries)]
    rows = [
        {
            "destination": word(row.destination, report.lang),
            "state": word(row.state, report.lang),
            "at": states.index(row.state) if row.state in states else len(states),
            "count": row.count,
        }
        for row in report.deliveries
    ]
    return _draw(
        {
            "width": 800,
            "height": {"step": 34},
            "data": {"values": rows},
            "mark": {"type": "bar", "height": 20},
            "encoding": {
                "y": {"field": "destination", "type": "nominal", "axis": {"title": None, "labelLimit": 190}},
                "x": {
                    "field": "count",
                    "aggregate": "sum",
                    "type": "quantitative",
                    "axis": {"title": None, "format": ",.0f", "tickCount": 6},
                },
                "order": {"field": "at", "type": "quantitative"},
                "color": {
                    "field": "state",
                    "type": "nominal",
                    "scale": {
                        "domain": [word(state, report.lang) for state in states],
                        "range": [STATE_COLOURS[state] for state in states],
                    },
                    "legend": {"title": None, "orient": "top"},
                },
            },
        },
        report.lang,
    )


def sparkline(values: Sequence[float]) -> str:
    """A line of 120 by 28 without axes. SVG text; empty for fewer than two points."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = 120 / (len(values) - 1)
    points = " ".join(f"{index * step:.1f},{26 - 24 * (value - low) / span:.1f}" for index, value in enumerate(values))
    return (
        '<svg class="spark" viewBox="0 0 120 28" preserveAspectRatio="none" aria-hidden="true">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5" vector-effect="non-scaling-stroke"/></svg>'
    )


def _draw(spec: Mapping[str, Any], lang: str) -> str:
    import vl_convert

    config = {
        "background": None,
        "font": "Inter, system-ui, Segoe UI, Roboto, Helvetica, Arial, sans-serif",
        "view": {"stroke": None},
        "axis": {
            "labelColor": INK,
            "labelFontSize": 11,
            "domain": False,
            "ticks": False,
            "gridColor": "#8e949d",
            "gridOpacity": 0.22,
        },
        "legend": {"labelColor": INK, "labelFontSize": 12, "symbolType": "square", "columnPadding": 28},
    }
    # Readers' fonts are wider than the one measured here: room for the longest name.
    room = {"left": 22, "right": 12, "top": 4, "bottom": 4}
    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": config, "padding": room, **spec}
    svg: str = vl_convert.vegalite_to_svg(whole, format_locale=LOCALES[lang])
    # The page decides the width; the drawing keeps its proportions.
    return re.sub(r'<svg ([^>]*?)width="[\d.]+" height="[\d.]+"', r"<svg \1", svg, count=1)
