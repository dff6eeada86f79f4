"""The client file changes its mind: another window, another model, other words for the funnel, and old rows follow."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from cortex.clock import Window
from cortex.records import AdSpend
from cortex.steps import credit
from tests.rooms.test_currencies import sale
from tests.rooms.told_shop import Shop, shop
from tests.rooms.warehouse_rows import DAY

__all__ = ["shop"]
SHARES = "SELECT model, window_days, COUNT(*) AS n FROM fct_attribution GROUP BY model, window_days ORDER BY model"
LATER = Window(DAY + timedelta(100), DAY + timedelta(101))


def shared(shop: Shop, models: list[str], days: int) -> tuple[int, list[tuple[object, ...]]]:
    """A daily run long after the orders: how many it shared out anew, and by what they are shared out now."""
    told = {"models": models, "window_days": days}
    run = shop.bench.run(LATER, analytics_config={"attribution": told})
    return int(credit.credit_changed(run).facts["orders"]), shop.bench.rows(SHARES)


def test_orders_of_long_ago_follow_another_window_and_another_model(shop: Shop) -> None:
    shop.platforms.sales = [sale("1", "BRL"), sale("2", "BRL")]
    shop.read()
    assert shared(shop, ["last_click"], 30) == (2, [("last_click", 30, 2)])
    assert shared(shop, ["last_click"], 30) == (0, [("last_click", 30, 2)]), "nothing is done twice"
    assert shared(shop, ["last_click"], 7) == (2, [("last_click", 7, 2)])
    assert shared(shop, ["last_click", "linear"], 7) == (2, [("last_click", 7, 2), ("linear", 7, 2)])
    assert shared(shop, ["linear", "last_click"], 7)[0] == 0


def test_campaigns_that_ended_follow_other_words(shop: Shop) -> None:
    def ad(campaign: str) -> AdSpend:
        return AdSpend(
            platform="meta", account_id="act_1", level="campaign", day=DAY, campaign_id=campaign, campaign_name=campaign,
            timezone="America/Sao_Paulo", spend=Decimal(1),
        )  # fmt: skip

    shop.platforms.ads = [ad("topo verão"), ad("RMKT")]
    shop.read(funnel_stages={"TOFU": ["topo"]})
    shop.platforms.ads = []
    shop.read(funnel_stages={"MOFU": ["topo"], "BOFU": ["/^rmkt/"]})
    assert shop.bench.rows("SELECT campaign_id, funnel_stage FROM dim_campaigns ORDER BY 1") == [
        ("RMKT", "BOFU"), ("topo verão", "MOFU"),
    ]  # fmt: skip
