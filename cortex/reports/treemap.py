"""A treemap: each part as large as its share of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 760.0, 420.0
LEAST = 1e-4
Box = tuple[float, float, float, float]
"""x, y, width, height."""


def drawing(parts: Sequence[tuple[str, float]]) -> Mapping[str, Any]:
    """A drawing of named parts, the largest first; what is less than LEAST of them all has no room."""
    whole = sum(value for _, value in parts if value > 0)
    seen = [(name, value) for name, value in parts if value > 0 and value >= whole * LEAST]
    shown = sorted(seen, key=lambda part: (-part[1], part[0]))
    boxes = squarified([value for _, value in shown], WIDTH, HEIGHT)
    rows = [
        {
            "name": name, "share": value / whole, "x": x, "x2": x + wide, "y": y, "y2": y + high,
            "middle": x + wide / 2, "centre": y + high / 2,
            "label": f"{name[: int(wide / 7)]}" if high > 16 else "",
        }
        for (name, value), (x, y, wide, high) in zip(shown, boxes, strict=True)
    ]  # fmt: skip

    def axis(field: str, far: float, *, down: bool = False) -> dict[str, Any]:
        scale = {"domain": [far, 0] if down else [0, far], "nice": False}
        return {"field": field, "type": "quantitative", "axis": None, "scale": scale}

    return {
        "width": WIDTH,
        "height": HEIGHT,
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "#ffffff", "strokeWidth": 2},
                "encoding": {
                    "x": axis("x", WIDTH), "x2": {"field": "x2"}, "y": axis("y", HEIGHT, down=True), "y2": {"field": "y2"},
                    "color": {
                        "field": "share", "type": "quantitative", "legend": None,
                        "scale": {"range": ["#cfe0fa", "#2a6fdb"]},
                    },
                },
            },
            {
                "mark": {"type": "text", "fontSize": 11, "color": "#1d2430"},
                "encoding": {
                    "x": axis("middle", WIDTH), "y": axis("centre", HEIGHT, down=True),
                    "text": {"field": "label", "type": "nominal"},
                },
            },
        ],
    }  # fmt: skip


def squarified(values: Sequence[float], width: float, height: float) -> list[Box]:
    """A box for each value, largest first, that together fill the whole; as near to squares as they can be.

    values: above zero, none smaller than LEAST of their sum.

    Bruls, Huizing, van Wijk (2000), "Squarified treemaps": a row takes in the next value while that makes its worst box
    no longer.
    """
    scale = width * height / sum(values) if values else 0.0
    areas = [value * scale for value in values]
    boxes: list[Box] = []
    x, y, at = 0.0, 0.0, 0
    while at < len(areas):
        side = min(width, height)
        end = at + 1
        while end < len(areas) and _longest(areas[at : end + 1], side) <= _longest(areas[at:end], side):
            end += 1
        deep, along = sum(areas[at:end]) / side, 0.0
        for area in areas[at:end]:
            long = area / deep
            boxes.append((x, y + along, deep, long) if width >= height else (x + along, y, long, deep))
            along += long
        if width >= height:
            x, width = x + deep, width - deep
        else:
            y, height = y + deep, height - deep
        at = end
    return boxes


def _longest(row: Sequence[float], side: float) -> float:
    """How many times longer than wide the worst box of a row along `side` is."""
    deep = sum(row) / side
    return max(max(area / deep**2, deep**2 / area) for area in row)
