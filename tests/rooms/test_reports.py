"""The report: one file that needs nothing else, says what its figures say in three languages, and trusts no name."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from cortex import plugins
from cortex.reports import Channel, Cohort, Day, Delivery, Figure, Product, Report, charts, notices, page
from cortex.reports.words import LANGUAGES, WORDS, word

ROOT = Path(__file__).resolve().parents[2]
FIRST = date(2026, 11, 1)
DAYS = 14
EMPTY = Report(
    client="Loja", currency="BRL", lang="pt-BR", since=FIRST, last=FIRST + timedelta(days=DAYS - 1),
    before_since=FIRST - timedelta(days=DAYS), before_last=FIRST - timedelta(days=1),
    made_at=datetime(2026, 11, 20, 15, 0, tzinfo=UTC), data_until=None, timezone="America/Sao_Paulo",
    figures=(), days=(), channels=(), models=("last_click",), cohorts=(), deliveries=(),
)  # fmt: skip
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)> {{ 7 * 7 }} & co"


def money(text: str) -> Decimal:
    return Decimal(text)


def full(lang: str = "pt-BR", **changed: Any) -> Report:
    """A report with something in every part of it."""
    days = [Day(FIRST + timedelta(days=i), money("100.50") + i, money("90"), 3, money("20")) for i in range(DAYS)]
    figures = (
        Figure("revenue", money("12345.67"), money("10000"), "money", "up", [1.0, 2.0, 3.0]),
        Figure("orders", Decimal(1234), Decimal(1300), "count", "up", [3.0, 2.0]),
        Figure("cac", money("31.25"), money("30"), "money", "down"),
        Figure("roas", None, None, "ratio", "up", why_not="no_spend"),
        Figure("spend", money("500"), None, "money", "neither"),
    )
    channels = (
        Channel(
            "meta",
            {"last_click": money("300.10"), "linear": money("250")},
            Decimal(5),
            Decimal(2),
            money("100"),
            money("450"),
        ),
        Channel("unattributed", {"last_click": money("20")}, Decimal(1), Decimal(0), None, None),
    )
    cohorts = (Cohort(date(2026, 9, 1), 40, Decimal("0.125"), [money("200"), money("230"), None]),
               Cohort(date(2026, 10, 1), 30, Decimal(0), [money("180"), None]))  # fmt: skip
    deliveries = (
        Delivery("meta_capi", "accepted", "", 90, money("9000")),
        Delivery("meta_capi", "gated", "consent_denied", 9, money("900")),
        Delivery("google_ec", "rejected", "", 1, money("10")),
        Delivery("google_ec", "processed", "", 3, money("30")),
    )
    whole = replace(
        EMPTY, lang=lang, data_until=FIRST + timedelta(days=DAYS - 1), figures=figures, days=days, channels=channels,
        models=("last_click", "linear"), cohorts=cohorts, deliveries=deliveries, products=(Product("Vestido Ipê", 12, money("1200")),),
        notices=("store.orders: 3 orders could not be read",), pretended=True,
    )  # fmt: skip
    return replace(whole, **changed)


class Reading(HTMLParser):
    """Tags, what they fetch, and the visible text of a page; well nested or an error."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words).replace("\u00a0", " "))


@pytest.fixture(scope="module")
def whole() -> str:
    return page.render(full())


# One file


def test_the_page_needs_nothing_but_itself(whole: str) -> None:
    read = Reading(whole)
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & set(read.tags)
    for tag, name, value in read.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}:
            assert value.startswith("#"), (tag, name, value)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", whole))
    assert {address.rstrip("/") for address in addresses} <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "@import" not in whole
    assert "url(" not in whole.replace("url(#", "")
    assert whole.startswith("<!doctype html>")


def test_the_same_figures_give_the_same_page(whole: str) -> None:
    assert page.render(full()) == whole


@pytest.mark.parametrize("draw", [charts.daily, charts.channels, charts.deliveries])
def test_a_chart_is_a_drawing_without_script(draw: Any) -> None:
    svg = ET.fromstring(draw(full()))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert "viewBox" in svg.attrib
    assert "width" not in svg.attrib
    assert not [element for element in svg.iter() if str(element.tag).endswith(("script", "image", "foreignObject"))]


@pytest.mark.parametrize("values", [[], [1.0]])
def test_a_line_needs_two_points(values: list[float]) -> None:
    assert charts.sparkline(values) == ""


@pytest.mark.parametrize("values", [[0.0, 0.0], [5.0, 5.0, 5.0], [-3.0, 10.0], [1e12, 0.0, 1e-9]])
def test_a_line_stays_inside_its_box(values: list[float]) -> None:
    points = re.search(r'points="([^"]+)"', charts.sparkline(values))
    assert points is not None
    pairs = [tuple(map(float, pair.split(","))) for pair in points[1].split()]
    assert len(pairs) == len(values)
    assert all(0 <= x <= 120 and 0 <= y <= 28 for x, y in pairs)


# What it says


@pytest.mark.parametrize(
    ("lang", "revenue", "orders", "missing"),
    [
        ("pt-BR", "R$ 12.345,67", "1.234", "sem investimento no período"),
        ("en", "R$12,345.67", "1,234", "no spend in the period"),
        ("es", "12.345,67 BRL", "1.234", "sin inversión en el período"),
    ],
)
def test_three_languages_write_figures_their_own_way(lang: str, revenue: str, orders: str, missing: str) -> None:
    read = Reading(page.render(full(lang)))
    for expected in (
        revenue,
        orders,
        missing,
        word("revenue", lang),
        word("channels", lang),
        word("formula_revenue", lang),
    ):
        assert expected in read.text
    assert ("html", "lang", lang) in read.attributes


def test_every_word_exists_in_every_language() -> None:
    for key, said in WORDS.items():
        assert len(said) == len(LANGUAGES)
        assert all(text.strip() for text in said), key
        assert len({tuple(sorted(re.findall(r"{(\w+)}", text))) for text in said}) == 1, key
    assert word("no_such_key", "en") == "no such key"


def test_every_channel_destination_and_reason_has_a_name() -> None:
    from cortex.conversions import REASONS, TRANSITIONS

    assert [name for name in charts.CHANNEL_COLOURS if name not in WORDS] == []
    assert [name for name in plugins.kinds("destinations") if name not in WORDS] == []
    assert [name for name in TRANSITIONS if name not in WORDS] == []
    assert [name for name in REASONS if name not in WORDS and name not in {"disabled", "marketplace"}] == []


def test_a_change_for_the_better_is_green_and_one_for_the_worse_red() -> None:
    words = page.Words("en", "BRL")

    def tone(figure: Figure) -> tuple[str, str]:
        return words.change(figure)

    assert tone(Figure("revenue", money("110"), money("100"), "money", "up")) == ("▲ +10.0%", "good")
    assert tone(Figure("revenue", money("90"), money("100"), "money", "up")) == ("▼ -10.0%", "bad")
    assert tone(Figure("cac", money("110"), money("100"), "money", "down"))[1] == "bad"
    assert tone(Figure("spend", money("110"), money("100"), "money", "neither"))[1] == "flat"
    assert tone(Figure("orders", money("100"), money("100"), "count", "up")) == ("■ 0.0%", "flat")
    assert tone(Figure("orders", money("100"), None, "count", "up")) == ("no period before", "flat")
    assert tone(Figure("orders", money("5"), money("0"), "count", "up")) == ("no period before", "flat")


def test_a_change_from_a_loss_points_the_right_way() -> None:
    assert Figure("revenue", money("50"), money("-100"), "money", "up").change == Decimal("1.5")


def test_the_headline_is_the_finding(whole: str) -> None:
    assert "Receita 23,5% acima do período anterior" in unescape(whole).replace("\u00a0", " ")
    lower = full(figures=(Figure("revenue", money("80"), money("100"), "money", "up"),))
    assert "Receita 20,0% abaixo do período anterior" in Reading(page.render(lower)).text
    assert word("daily", "pt-BR") in Reading(page.render(full(figures=()))).text


def test_tables_say_what_the_figures_say(whole: str) -> None:
    text = Reading(whole).text
    for expected in (
        "R$ 300,10",
        "R$ 450,00",
        "R$ 320,10",
        "3,00",
        "R$ 50,00",
        "Vestido Ipê",
        "12,5%",
        "R$ 230",
        "consentimento negado",
    ):
        assert expected in text
    assert "store.orders: 3 orders could not be read" in text
    assert word("pretended", "pt-BR") in text


def test_accuracy_counts_what_arrived_and_what_was_held_by_rule() -> None:
    assert page.accuracy(full().deliveries) == {"google_ec": Decimal("0.75"), "meta_capi": Decimal(1)}
    assert page.accuracy([]) == {}


def test_a_month_that_is_not_over_is_empty_and_not_nothing(whole: str) -> None:
    cells = re.findall(r'<td class="cell"([^>]*)>([^<]*)</td>', whole)
    assert len(cells) == 6
    filled = [bool(style) for style, _ in cells]
    assert filled == [True, True, False, True, False, False]
    assert [text.strip() != "" for _, text in cells] == filled


# What it must survive


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_empty_report_is_a_page_that_says_so(lang: str) -> None:
    read = Reading(page.render(replace(EMPTY, lang=lang)))
    assert read.text.count(word("nothing", lang)) == 4
    assert "None" not in read.text
    assert "nan" not in read.text.lower().split()


def test_a_period_without_sales_draws() -> None:
    quiet = [Day(FIRST + timedelta(days=i), Decimal(0), None, 0, None) for i in range(DAYS)]
    read = Reading(
        page.render(full(days=quiet, figures=(Figure("revenue", Decimal(0), Decimal(0), "money", "up", [0.0] * DAYS),)))
    )
    assert "svg" in read.tags


@pytest.mark.parametrize("count", [1, 2, 400])
def test_any_number_of_days_draws(count: int) -> None:
    days = [Day(FIRST + timedelta(days=i), money("10"), money("9"), 1, money("2")) for i in range(count)]
    Reading(page.render(full(days=days)))


def test_no_name_becomes_markup() -> None:
    hostile = full(
        client=HOSTILE,
        products=(Product(HOSTILE, 1, money("1")),),
        notices=(HOSTILE,),
        timezone=HOSTILE,
        channels=(Channel(HOSTILE, {"last_click": money("1")}, Decimal(1), Decimal(0), None, None),),
        deliveries=(Delivery(HOSTILE, HOSTILE, HOSTILE, 1, money("1")),),
    )
    html = page.render(hostile)
    read = Reading(html)
    assert "script" not in read.tags
    assert "img" not in read.tags
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]
    assert HOSTILE in " ".join(read.words)


def test_as_many_models_as_there_are_draw_in_colours_of_their_own() -> None:
    models = tuple(plugins.kinds("attribution"))
    channel = Channel("meta", {model: money("10") for model in models}, Decimal(1), Decimal(0), money("5"), None)
    report = full(models=models, channels=(channel,))
    read = Reading(page.render(report))
    assert read.text.count("R$ 10,00") >= 2 * len(models)
    bars = re.findall(r'aria-roledescription="bar"[^>]*fill="(#[0-9a-f]{6})"', charts.channels(report))
    assert len(bars) == len(models)
    assert len(set(bars)) == len(models)


# Notices.


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("code", notices.SENTENCES)
def test_a_notice_says_the_same_in_every_language(code: str) -> None:
    sentences = notices.SENTENCES[code]
    assert len(sentences) == len(LANGUAGES)
    assert len({frozenset(placeholders(one)) for one in sentences}) == 1
    assert len(set(sentences)) == len(LANGUAGES)


def say(code: str, lang: str, **facts: str) -> str:
    line = notices.sentence(
        facts.pop("stream", "ads.meta"),
        code,
        "in English",
        facts,
        count=1234,
        value=money("56.70"),
        lang=lang,
        currency="BRL",
    )
    return line.replace("\u00a0", " ")


def test_a_notice_is_written_as_its_reader_writes() -> None:
    told = {"first": "2026-03-01", "last": "2026-03-09", "native": "1000.5", "currency": "USD"}
    assert say("spend-without-ad", "pt-BR", **told) == (
        "Meta: Entre 1 de mar. de 2026 e 9 de mar. de 2026 há investimento (1.000,50 USD) sem anúncio na lista da plataforma"
        " (anúncios excluídos)."
    )
    late = {"stream": "conversions.meta_capi", "kind": "click", "kept": "7", "destination": "meta_capi"}
    assert say("CTX-6101", "pt-BR", **late) == (
        "Conversões: 1.234 pedidos (R$ 56,70) com id de clique são mais antigos que os 7 dias que Meta (API de Conversões)"
        " aceita: não enviados."
    )
    assert say("CTX-6101", "en", **late).startswith("Conversions: 1,234 orders (R$56.70) with a click id")
    failed = {"stream": "quality", "rule": "currency", "part": "fct_orders", "measured": "3", "allowed": "0.005"}
    assert say("CTX-2103", "es", **failed) == (
        'Calidad de los datos: La verificación "moneda y cotización" falló en fct_orders: encontrado 3, permitido 0,005.'
    )


def test_a_notice_nobody_has_written_is_shown_as_it_was_told() -> None:
    assert say("something-new", "pt-BR") == "Meta: in English"
    assert say("history", "pt-BR", stream="elsewhere") == "elsewhere: in English", "a fact is missing"


def test_every_check_has_a_name_in_every_language() -> None:
    from cortex.steps.quality import RULES

    assert set(notices.RULES) == {rule.name for rule in RULES}


def test_every_notice_that_is_made_has_its_sentence() -> None:
    """Codes stand in the code as words: whoever adds one says it in three languages too."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "cortex").rglob("*.py"))
    made = set(re.findall(r"Notice\(\s*code=\"([^\"]+)\"", source)) | set(
        re.findall(r"self\._notice\(\s*\"([^\"]+)\"", source)
    )
    assert len(made) > 6
    assert {code for code in made if code not in {key.partition(".")[0] for key in notices.SENTENCES}} == set()
