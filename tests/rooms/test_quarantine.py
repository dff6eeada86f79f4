"""Records that cannot be trusted are kept apart with their reason, whichever stream they came in (F17)."""

from __future__ import annotations

import pytest

from cortex.errors import BadRecord, QualityGate
from cortex.records import AdSpend
from cortex.steps import pull, quality
from tests.rooms.told_shop import Shop, shop
from tests.rooms.warehouse_rows import DAY

__all__ = ["shop"]


def test_rows_of_an_ad_platform_that_cannot_be_are_kept_apart_too(shop: Shop) -> None:
    """What Meta and TikTok set aside, `test_meta_ads` and `test_tiktok_ads` say; here is what becomes of it."""
    shop.platforms.ads = [
        AdSpend(platform="meta", account_id="act_1", level="ad", day=DAY, campaign_id="c", ad_id=str(n))
        for n in range(9)
    ]
    run = shop.read(quality={"max_quarantined_pct": 10})
    run.quarantined.append(BadRecord("ads.meta", "2026-03-10 c 9", "an amount is not a number"))
    outcome = pull.spend(run, "meta")
    assert (outcome.summary, outcome.facts["quarantined"]) == ("9 ad-days, 0 BRL · 1 quarantined", 1)
    quality.check(run)
    failed = "SELECT part FROM rpt_data_quality WHERE rule = 'quarantine' AND status = 'failed'"
    assert shop.bench.rows(failed) == []
    for name in ("10", "11"):
        run.quarantined.append(BadRecord("ads.meta", name, "an amount is not a number"))
    shop.platforms.ads = []
    with pytest.raises(QualityGate, match="2 of 2 ad-days of meta could not be trusted") as gate:
        pull.spend(run, "meta")
    assert gate.value.exit_code == 8
    assert shop.bench.rows("SELECT stream, COUNT(*) AS n FROM quarantine GROUP BY stream") == [("ads.meta", 3)]
    assert shop.bench.rows("SELECT COUNT(*) AS n FROM fct_ad_spend") == [(9,)], "what it said before stays"
    quality.check(run)
    assert shop.bench.rows(failed) == [("ads.meta",)]
