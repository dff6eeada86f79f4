"""Charts of what customers and products are worth: one drawing each, as SVG or as a page of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from cortex.errors import UsageError
from cortex.reports import charts

Row = Mapping[str, Any]
KINDS = (".html", ".svg")
BLUE = "#2a6fdb"
CLASS_COLOURS = {"star": "#3a8f3a", "cash_cow": "#2a6fdb", "question_mark": "#e08a00", "dog": "#9aa0a6"}


def check(file: Path) -> None:
    """Raises UsageError CTX-7102 for a file name no chart can be written to, ConfigError CTX-9101 without the [web] extra."""
    from cortex.reports.page import check_extra

    if file.suffix.lower() not in KINDS:
        raise UsageError(
            "CTX-7102", f"{file.name} is neither .html nor .svg.", fix=f"--chart {file.stem or 'chart'}.svg"
        )
    check_extra()


def write(file: Path, spec: Row, *, title: str, lang: str) -> None:
    """Draw into a file. Raises UsageError CTX-7102, and ConfigError CTX-9101 without the [web] extra."""
    check(file)
    drawing = charts._draw(dict(spec), lang)
    if file.suffix.lower() == ".html":
        style = "body{margin:2rem auto;max-width:64rem;font-family:system-ui,sans-serif;color-scheme:light dark}svg{width:100%;height:auto}"
        drawing = (
            f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{escape(title)}</title>'
            f"<style>{style}</style><h1>{escape(title)}</h1>{drawing}</html>\n"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(drawing, encoding="utf-8")


def bars(rows: Sequence[tuple[str, float]], digits: int = 0) -> Row:
    """One horizontal bar each, in the order given."""
    return {
        "width": 760,
        "height": {"step": 24},
        "data": {"values": [{"name": name, "value": value} for name, value in rows]},
        "mark": {"type": "bar", "color": BLUE},
        "encoding": {
            "y": {"field": "name", "type": "nominal", "sort": None, "axis": {"title": None, "labelLimit": 220}},
            "x": {"field": "value", "type": "quantitative", "axis": {"title": None, "format": f",.{digits}f"}},
        },
    }


def matrix(rows: Sequence[tuple[str, int, float | None]], *, percent: bool) -> Row:
    """Cohorts down, periods across, the darker the more. Cells that are not known yet are not drawn."""
    told = [{"cohort": cohort, "period": period, "value": value} for cohort, period, value in rows if value is not None]
    shape = ".0%" if percent else ",.0f"
    place = {
        "y": {"field": "cohort", "type": "ordinal", "sort": None, "axis": {"title": None}},
        "x": {"field": "period", "type": "ordinal", "axis": {"title": None, "orient": "top", "labelAngle": 0}},
    }
    return {
        "width": {"step": 58},
        "height": {"step": 24},
        "data": {"values": told},
        "encoding": place,
        "layer": [
            {
                "mark": {"type": "rect"},
                "encoding": {
                    "color": {
                        "field": "value",
                        "type": "quantitative",
                        "scale": {"range": ["#e8f0fc", "#2a6fdb"]},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 10, "color": "#1d2430"},
                "encoding": {"text": {"field": "value", "type": "quantitative", "format": shape}},
            },
        ],
    }


def classes(rows: Sequence[Row]) -> Row:
    """Products by share and growth. rows: name, share, growth, bcg_class; products new in the period stand at the right."""
    return {
        "width": 720,
        "height": 420,
        "data": {"values": list(rows)},
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.8},
        "encoding": {
            "x": {"field": "growth", "type": "quantitative", "axis": {"title": None, "format": "+.0%"}},
            "y": {"field": "share", "type": "quantitative", "axis": {"title": None, "format": ".1%"}},
            "color": {
                "field": "bcg_class",
                "type": "nominal",
                "scale": {"domain": list(CLASS_COLOURS), "range": list(CLASS_COLOURS.values())},
                "legend": {"title": None, "orient": "top"},
            },
            "tooltip": {"field": "name", "type": "nominal"},
        },
    }


def calibration(rows: Sequence[Row]) -> Row:
    """Orders predicted and actual, by number of earlier repeat orders. rows: frequency, predicted, actual."""
    told = [
        {"frequency": str(row["frequency"]), "kind": kind, "value": row[kind]}
        for row in rows
        for kind in ("predicted", "actual")
    ]
    return {
        "width": 720,
        "height": 300,
        "data": {"values": told},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "frequency", "type": "ordinal", "sort": None, "axis": {"title": None, "labelAngle": 0}},
            "y": {"field": "value", "type": "quantitative", "axis": {"title": None, "format": ",.2f"}},
            "color": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": ["predicted", "actual"], "range": ["#2a6fdb", "#e08a00"]},
                "legend": {"title": None, "orient": "top"},
            },
        },
    }


def ahead(past: Sequence[Row], days: Sequence[Row]) -> Row:
    """What was sold as a line, what is expected as a dashed one, with its 80 and 95 % bands.

    past: day, value. days: day, predicted, lower_80 and so on as rpt_forecast has them; a day without limits has no band.
    """

    def band(level: int, opacity: float) -> dict[str, Any]:
        ends = [
            {"day": str(row["day"]), "lower": float(row[f"lower_{level}"]), "upper": float(row[f"upper_{level}"])}
            for row in days
            if row[f"lower_{level}"] is not None
        ]
        return {
            "data": {"values": ends},
            "mark": {"type": "area", "color": BLUE, "opacity": opacity},
            "encoding": {
                "x": {"field": "day", "type": "temporal"},
                "y": {"field": "lower", "type": "quantitative"},
                "y2": {"field": "upper"},
            },
        }

    def line(rows: Sequence[tuple[Any, float]], mark: Mapping[str, Any]) -> dict[str, Any]:
        axes = {
            "x": {"field": "day", "type": "temporal", "axis": {"title": None, "format": "%d/%m"}},
            "y": {"field": "value", "type": "quantitative", "axis": {"title": None, "format": ",.0f"}},
        }
        told = [{"day": str(day), "value": value} for day, value in rows]
        return {"data": {"values": told}, "mark": {"type": "line", **mark}, "encoding": axes}

    sold = [(row["day"], row["value"]) for row in past]
    expected = sold[-1:] + [(row["day"], float(row["predicted"])) for row in days]
    return {
        "width": 760,
        "height": 320,
        "layer": [
            band(95, 0.12),
            band(80, 0.2),
            line(sold, {"color": "#5b6068", "strokeWidth": 1.5}),
            line(expected, {"color": BLUE, "strokeDash": [5, 3]}),
        ],
    }
