"""The page: one HTML file with its style, its drawings and its words inside."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from importlib import resources
from importlib.util import find_spec
from typing import Any

from cortex.errors import ConfigError
from cortex.reports import Delivery, Figure, Report, charts
from cortex.reports.words import word

HELD = {"gated", "expired"}
ARRIVED = {"accepted", "processed", "duplicate"}


def check_extra() -> None:
    """Raises ConfigError CTX-9101 when what draws reports, the [web] extra, is not installed."""
    if not all(find_spec(name) for name in ("jinja2", "vl_convert")):
        raise ConfigError(
            "CTX-9101", "Writing a report needs the [web] extra.", fix='pip install "cortex-ecom[web]"'
        )  # fmt: skip


def render(report: Report) -> str:
    """HTML of the report. Raises ConfigError when the [web] extra is not installed."""
    check_extra()
    import jinja2

    source = resources.files("cortex.reports").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    safe = jinja2.filters.do_mark_safe
    words = Words(report.lang, report.currency)
    return environment.from_string(source).render(
        report=report,
        t=words.text,
        money=words.money,
        number=words.number,
        percent=words.percent,
        day=words.day,
        month=words.month,
        figure=words.figure,
        change=words.change,
        headline=_headline(report, words),
        spark=lambda figure: safe(charts.sparkline(figure.series)),
        chart_daily=safe(charts.daily(report)) if report.days else "",
        chart_channels=safe(charts.channels(report)) if report.channels else "",
        chart_deliveries=safe(charts.deliveries(report)) if report.deliveries else "",
        colours=charts.CHANNEL_COLOURS,
        totals={
            model: sum((row.revenue.get(model, Decimal(0)) for row in report.channels), Decimal(0))
            for model in report.models
        },
        accuracy=accuracy(report.deliveries),
        heat=_heat(report),
        longest=max((len(row.ltv) for row in report.cohorts), default=0),
    )


def accuracy(deliveries: tuple[Delivery, ...] | list[Delivery] | Any) -> dict[str, Decimal]:
    """Share of each destination's conversions that arrived or were held by rule."""
    good: dict[str, int] = defaultdict(int)
    every: dict[str, int] = defaultdict(int)
    for row in deliveries:
        every[row.destination] += row.count
        good[row.destination] += row.count if row.state in HELD | ARRIVED else 0
    return {name: Decimal(good[name]) / every[name] for name in sorted(every)}


def _headline(report: Report, words: Words) -> str:
    """The finding, when there is one to compute; else the plain title."""
    revenue = next((figure for figure in report.figures if figure.key == "revenue"), None)
    if revenue is None or revenue.change is None:
        return word("daily", report.lang)
    key = "daily_up" if revenue.change >= 0 else "daily_down"
    return word(key, report.lang).format(change=words.percent(abs(revenue.change)))


def _heat(report: Report) -> dict[tuple[date, int], int]:
    """Per cell of the cohort table how dark it is, 0 to 100, by its value."""
    values = [float(value) for row in report.cohorts for value in row.ltv if value is not None]
    if not values:
        return {}
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return {
        (row.month, age): round(8 + 62 * (float(value) - low) / span)
        for row in report.cohorts
        for age, value in enumerate(row.ltv)
        if value is not None
    }


class Words:
    """Numbers and words as people of one language write them."""

    def __init__(self, lang: str, currency: str) -> None:
        from babel import dates, numbers

        self.lang, self.currency = lang, currency
        self.locale = lang.replace("-", "_")
        self._dates, self._numbers = dates, numbers

    def text(self, key: str, **values: Any) -> str:
        return word(key, self.lang).format(**values) if values else word(key, self.lang)

    def money(self, value: Decimal | None, *, cents: bool = True) -> str:
        if value is None:
            return "—"
        return self._numbers.format_currency(
            value, self.currency, locale=self.locale, format=None if cents else "¤ #,##0", currency_digits=cents
        )

    def number(self, value: Decimal | float | None, digits: int = 0) -> str:
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return "—" if value is None else self._numbers.format_decimal(value, format=pattern, locale=self.locale)

    def percent(self, value: Decimal | float | None) -> str:
        return "—" if value is None else self._numbers.format_percent(value, format="#,##0.0%", locale=self.locale)

    def day(self, value: date | None) -> str:
        return "—" if value is None else self._dates.format_date(value, format="medium", locale=self.locale)

    def month(self, value: date) -> str:
        return self._dates.format_date(value, format="MMM yyyy", locale=self.locale)

    def figure(self, figure: Figure) -> str:
        if figure.value is None:
            return "n/a"
        if figure.kind == "money":
            return self.money(figure.value)
        return self.number(figure.value, 0 if figure.kind == "count" else 2)

    def change(self, figure: Figure) -> tuple[str, str]:
        """(text with arrow and sign, good | bad | flat)."""
        if figure.change is None:
            return word("no_before", self.lang), "flat"
        arrow = "▲" if figure.change > 0 else "▼" if figure.change < 0 else "■"
        sign = "+" if figure.change > 0 else ""
        if figure.change == 0 or figure.better == "neither":
            tone = "flat"
        else:
            tone = "good" if (figure.change > 0) == (figure.better == "up") else "bad"
        return f"{arrow} {sign}{self.percent(figure.change)}", tone
