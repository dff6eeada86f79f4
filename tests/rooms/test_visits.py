"""Landing pages, the tracking kit's attributes, and who bought, as every store reads them."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.records import Clicks, Consent, Touch
from cortex.stores import _people, _visits
from cortex.stores._visits import attributes, consent, kit_touches, landing, merged, order_clicks, tagged, visit

PLACED = datetime(2026, 3, 1, 15, tzinfo=UTC)
DAY = date(2026, 3, 1)


def ms(instant: datetime) -> str:
    return str(int(instant.timestamp() * 1000))


@pytest.mark.parametrize("module", [_people, _visits])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_of_a_query_only_tags_and_click_ids_are_kept_in_their_own_case() -> None:
    arrived = landing(
        "https://Loja.example.com/p/Camiseta?utm_source=Google&utm_medium=CPC&utm_id=99&gclid=CjAbC-_9&token=secret"
        "&email=ana%40example.com&fbclid=IwAR_x"
    )
    assert arrived.site == "https://loja.example.com/"
    assert arrived.path == "/p/Camiseta"
    assert arrived.tags == {"source": "Google", "medium": "CPC", "campaign_id": "99"}
    assert arrived.clicks == Clicks(gclid="CjAbC-_9", fbclid="IwAR_x")
    assert "secret" not in repr(arrived)
    assert "ana" not in repr(arrived)


def test_an_address_an_email_tool_put_into_a_tag_or_a_path_is_masked() -> None:
    arrived = landing("https://loja.example.com/sair/ana@example.com?utm_content=ana%40example.com&utm_term=ok")
    arrived = tagged(arrived, {"campaign": "para bia@example.com"})
    assert "@" not in arrived.path + arrived.tags["content"] + arrived.tags["campaign"]
    assert arrived.tags["term"] == "ok"


@pytest.mark.parametrize("url", ["", "//", "http://[", "javascript:alert(1)", "///?=&=&", "p?utm_source", "\x00"])
def test_what_is_no_address_has_no_site_and_no_click(url: str) -> None:
    arrived = landing(url)
    assert arrived.site == ""
    assert arrived.clicks == Clicks()
    assert arrived.tags == {}


@given(st.text(max_size=60))
def test_any_text_can_be_read_as_a_landing_page(url: str) -> None:
    arrived = landing(url)
    assert "?" not in arrived.path
    assert not arrived.site or arrived.site.startswith(("http://", "https://"))


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_can_stand_in_the_kits_attributes(first: str, choice: str) -> None:
    for touch in kit_touches({"ctx_first": first}, PLACED, DAY):
        assert (touch.occurred_at is None) == (touch.day is not None)
    assert consent(choice).state in {"granted", "denied", "unknown"}


def test_first_and_last_touch_are_one_when_they_are_the_same() -> None:
    same = urlencode({"t": ms(PLACED), "source": "google", "medium": "organic", "lp": "/a?b=c"})
    [touch] = kit_touches({"ctx_first": same, "ctx_last": same}, PLACED, DAY)
    assert (touch.origin, touch.source, touch.landing_page, touch.occurred_at) == ("kit", "google", "/a", PLACED)


@pytest.mark.parametrize("clock", [ms(PLACED + timedelta(hours=2)), "0", "tomorrow", "", "9" * 30, "-5"])
def test_a_browsers_clock_that_cannot_be_true_leaves_the_day_of_the_order(clock: str) -> None:
    [touch] = kit_touches({"ctx_last": urlencode({"t": clock, "source": "x"})}, PLACED, DAY)
    assert (touch.occurred_at, touch.day) == (None, DAY)


def told(at: datetime | None, **tags: str) -> Touch:
    clicks = Clicks(gclid=tags.pop("gclid", ""))
    return Touch(origin="order", occurred_at=at, day=None if at else DAY, clicks=clicks, **tags)  # type: ignore[arg-type]


def kit(at: datetime | None, **tags: str) -> Touch:
    clicks = Clicks(gclid=tags.pop("gclid", ""))
    return Touch(origin="kit", occurred_at=at, day=None if at else DAY, clicks=clicks, **tags)  # type: ignore[arg-type]


def test_one_visit_told_twice_is_one_touch_with_all_that_is_known() -> None:
    [touch] = merged(told(None, gclid="A"), [kit(PLACED, gclid="A", source="google", medium="cpc")])
    assert (touch.origin, touch.occurred_at, touch.day, touch.source) == ("order", PLACED, None, "google")


def test_the_kit_alone_knows_the_referrer_of_an_untagged_visit() -> None:
    """The shop's landing page has no tags; the kit saw where the visitor came from, seconds later."""
    browser = kit(PLACED + timedelta(seconds=9), source="blog.example.com", medium="referral")
    [touch] = merged(told(PLACED), [browser])
    assert (touch.origin, touch.source, touch.medium, touch.occurred_at) == (
        "order",
        "blog.example.com",
        "referral",
        PLACED,
    )


@pytest.mark.parametrize(
    ("shop", "browser"),
    [
        (told(PLACED, gclid="A"), kit(PLACED, gclid="B")),
        (told(PLACED, source="a"), kit(PLACED, source="b")),
        (told(PLACED, source="a"), kit(PLACED - timedelta(minutes=31), source="a")),
        (told(PLACED), kit(PLACED - timedelta(days=2), source="google", medium="cpc")),
        (told(None), kit(PLACED, source="google", medium="cpc")),
    ],
)
def test_two_visits_stay_two(shop: Touch, browser: Touch) -> None:
    assert merged(shop, [browser]) == [browser, shop]


def test_a_direct_visit_has_a_touch_and_an_order_without_a_visit_has_none() -> None:
    assert visit(landing("https://loja.example.com/"), DAY, None).landing_page == "/"
    assert merged(None, []) == []


def test_the_browsers_own_ids_win_and_fbc_is_built_only_without_one() -> None:
    page = landing("/?fbclid=Page_X&gclid=Page_G")
    kept = order_clicks(page, {"ctx_gclid": "Kit_G", "ctx_fbc": "fb.1.7.Kit_X", "ctx_fbp": "fb.1.7.1"}, [], PLACED)
    assert (kept.gclid, kept.fbc, kept.fbp) == ("Kit_G", "fb.1.7.Kit_X", "fb.1.7.1")
    first = Touch(origin="kit", occurred_at=PLACED - timedelta(days=3), clicks=Clicks(fbclid="Page_X"))
    built = order_clicks(page, {}, [first], PLACED)
    assert built.fbc == f"fb.1.{ms(PLACED - timedelta(days=3))}.Page_X"
    assert order_clicks(landing("/"), {}, [], PLACED) == Clicks()


def test_ids_of_the_browser_come_from_the_kit_alone() -> None:
    kept = order_clicks(landing("/"), {"ctx_ttp": "2Xj-AbC_dEf123"}, [], PLACED)
    assert kept == Clicks(ttp="2Xj-AbC_dEf123")
    kept = order_clicks(landing("/"), {"ctx_ga_client_id": "1234567890.1763600000"}, [], PLACED)
    assert kept == Clicks(ga_client_id="1234567890.1763600000")
    assert len(order_clicks(landing("/"), {"ctx_ga_client_id": "9" * 99}, [], PLACED).ga_client_id) <= 32


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("granted;v=3;t=" + ms(PLACED), Consent(state="granted", source="ctx_consent", version="3", at=PLACED)),
        ("denied", Consent(state="denied", source="ctx_consent")),
        ("granted;t=soon", Consent(state="granted", source="ctx_consent")),
        ("Granted;v=3", Consent()),
        ("yes", Consent()),
        ("", Consent()),
    ],
)
def test_consent_is_what_was_said_and_nothing_else(text: str, choice: Consent) -> None:
    assert consent(text) == choice


def test_only_the_kits_own_attributes_are_read() -> None:
    extra = {"ctx_gclid": " A ", "cpf": "1", "ctx_fbc": 7, "ctx_fbp": ""}
    assert attributes(extra) == {"ctx_gclid": "A"}
    assert attributes([]) == attributes(None) == {}


@pytest.mark.parametrize(
    ("name", "given_name", "family"),
    [
        ("Ana Paula de Souza Lima", "Ana Paula", "de Souza Lima"),
        ("JOÃO PEDRO DOS SANTOS", "JOÃO PEDRO", "DOS SANTOS"),
        ("Maria  Silva", "Maria", "Silva"),
        ("José Eduardo", "José", "Eduardo"),
        ("  Madonna ", "Madonna", ""),
        ("", "", ""),
    ],
)
def test_compound_given_names_stay_together(name: str, given_name: str, family: str) -> None:
    assert _people.full_name(name) == (given_name, family)


def test_places() -> None:
    assert [_people.state_code(name, "BR") for name in ("Sao Paulo", " paraná", "df", "Atlantis", "")] == [
        "SP", "PR", "DF", "", "",
    ]  # fmt: skip
    assert [_people.postal_prefix(*place) for place in (("1310-100", "BR"), ("01310-100", "BR"), ("1636", "AR"))] == [
        "", "01310", "",
    ]  # fmt: skip
