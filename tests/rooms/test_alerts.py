"""Alerts: one row per condition, told once and then only when it matters again, over when a run says so; on both engines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.errors import CortexError, CredentialError, PlatformError, QualityGate, Transient
from cortex.records import Notice
from cortex.reports import alerts
from cortex.run import Run
from cortex.secrets import Secret, Vault
from cortex.steps import alert, keeping
from cortex.steps.alert import Changes
from cortex.steps.symptoms import Ended, Fate
from cortex.warehouse import Warehouse, tables
from cortex.workspace import Workspace
from tests.rooms.warehouse_rows import DAY, NOON, key, order, row, spend

DAILY = timedelta(hours=24)
BROKEN = Transient("CTX-4011", "Meta answered 503.")
FINAL = PlatformError("CTX-4012", "Meta refused the request (400).", fix="cortex doctor x")


class Client:
    """One client over days. `ran(…)` is one run of it, told to nobody unless `told=True`."""

    def __init__(self, warehouse: Warehouse, workspace: Workspace) -> None:
        self.warehouse, self.workspace = warehouse, workspace
        self.now: datetime = NOON
        self.count = 0
        self.sections: dict[str, Any] = {
            "ads": {"meta": {"account_id": "act_1"}},
            "offline_conversions": {"meta_capi": {"pixel_id": "123456789"}},
        }

    def run(self, run_id: str = "") -> Run:
        file = {
            "client": {"name": "Loja", "code": self.warehouse.code, "timezone": "America/Sao_Paulo"},
            "ecommerce": {"platform": "olist", "path": "x"},
            **self.sections,
        }
        (self.workspace.tenants / f"{self.warehouse.code}.yaml").write_text(json.dumps(file), encoding="utf-8")
        tenant = tenants.load(self.workspace, self.warehouse.code)
        self.count += not run_id
        vault = Vault(tenant.code, self.workspace.root, {})
        window = Window(DAY, DAY + timedelta(1))
        return Run(tenant, window, self.workspace, self.warehouse, vault, lambda: self.now, run_id or f"r{self.count}")

    def ran(
        self,
        fates: dict[str, CortexError | str | None],
        *,
        pipeline: str = "daily",
        run_id: str = "",
        told: bool = True,
        notices: Iterable[Notice] = (),
    ) -> Changes:
        """fates: step -> its error, None for ok, or another status."""
        made = [
            Fate(name, "failed", said) if isinstance(said, CortexError) else Fate(name, said or "ok")
            for name, said in fates.items()
        ]
        run = self.run(run_id)
        changes = alert.settle(run, Ended(pipeline, "ok", 1.0, made, list(notices)), DAILY)
        if told:
            alert.told(run, changes.due)
        return changes

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["dedup_key"]: row for row in self.warehouse.rows("SELECT * FROM alerts ORDER BY dedup_key")}

    def open(self) -> list[str]:
        return [key for key, row in self.rows().items() if row["resolved_at"] is None]

    def mark(self, column: str) -> None:
        rows = [{"alert_id": row["alert_id"], column: self.now} for row in self.rows().values()]
        self.warehouse.atomically(lambda tx: tx.assign(tables.alerts, "alert_id", rows))


@pytest.fixture
def client(warehouse: Warehouse, workspace: Workspace) -> Client:
    return Client(warehouse, workspace)


def keys(rows: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(row["dedup_key"] for row in rows)


def test_what_lasts_is_one_alert_told_once_and_again_after_a_day(client: Client) -> None:
    assert keys(client.ran({"ads.meta": BROKEN}).due) == ["step_failed:ads.meta"]
    for hour in (1, 6, 12, 22):
        client.now = NOON + timedelta(hours=hour)
        assert client.ran({"ads.meta": BROKEN}).due == []
    (found,) = client.rows().values()
    assert (found["times"], found["first_seen_at"], found["last_seen_at"]) == (5, NOON, client.now)
    assert (found["notified_at"], found["severity"], found["code"], found["run_id"]) == (
        NOON,
        "warning",
        "CTX-4011",
        "r5",
    )
    client.now = NOON + timedelta(hours=23, minutes=55)  # tomorrow's run begins a little earlier
    assert keys(client.ran({"ads.meta": BROKEN}).due) == ["step_failed:ads.meta"]


def test_who_was_not_reached_is_told_by_the_next_run(client: Client) -> None:
    client.ran({"ads.meta": BROKEN}, told=False)
    assert keys(client.ran({"ads.meta": BROKEN}, told=False).due) == ["step_failed:ads.meta"]


def test_a_resumed_run_meets_it_once(client: Client) -> None:
    client.ran({"ads.meta": BROKEN}, run_id="same")
    client.ran({"ads.meta": BROKEN}, run_id="same")
    assert [row["times"] for row in client.rows().values()] == [1]


def test_another_severity_is_told_at_once(client: Client) -> None:
    client.ran({"ads.meta": BROKEN})
    (found,) = client.ran({"ads.meta": FINAL}).due
    assert (found["severity"], found["code"], found["times"], found["action"]) == (
        "critical",
        "CTX-4012",
        2,
        "cortex doctor x",
    )
    assert client.ran({"ads.meta": FINAL}).due == []


def test_it_is_over_when_the_step_goes_well_and_begins_anew_when_it_comes_back(client: Client) -> None:
    client.ran({"ads.meta": BROKEN})
    client.mark("read_at")
    client.now += timedelta(hours=1)
    changes = client.ran({"ads.meta": None})
    assert (keys(changes.over), changes.due) == (["step_failed:ads.meta"], [])
    (found,) = client.rows().values()
    assert (found["resolved_at"], found["run_id"]) == (client.now, "r2")
    assert client.ran({"ads.meta": None}).over == [], "what is over is said once"
    client.now += timedelta(hours=1)
    assert keys(client.ran({"ads.meta": BROKEN}).due) == ["step_failed:ads.meta"]
    (found,) = client.rows().values()
    assert (found["times"], found["first_seen_at"], found["resolved_at"], found["read_at"]) == (
        1,
        client.now,
        None,
        None,
    )


def test_the_end_of_what_nobody_was_told_of_is_no_news(client: Client) -> None:
    client.ran({"ads.meta": BROKEN}, told=False)
    assert client.ran({"ads.meta": None}).over == []
    assert client.open() == []


def test_a_run_says_nothing_of_steps_it_left_out_or_skipped(client: Client) -> None:
    client.ran({"ads.meta": BROKEN, "store.orders": FINAL})
    client.ran({"store.products": None})
    client.ran({"ads.meta": "skipped", "store.orders": "skipped"})
    assert client.open() == ["step_failed:ads.meta", "step_failed:store.orders"]
    client.ran({"ads.meta": "done"})
    assert client.open() == ["step_failed:store.orders"]


def test_what_was_dismissed_is_told_again_only_when_it_gets_worse_or_comes_back(client: Client) -> None:
    client.ran({"ads.meta": BROKEN})
    client.mark("dismissed_at")
    client.now += timedelta(days=3)
    assert client.ran({"ads.meta": BROKEN}).due == []
    assert keys(client.ran({"ads.meta": FINAL}).due) == ["step_failed:ads.meta"]
    client.mark("dismissed_at")
    assert client.ran({"ads.meta": BROKEN}).due == [], "better is no news"
    assert client.ran({"ads.meta": None}).over == []
    assert keys(client.ran({"ads.meta": BROKEN}).due) == ["step_failed:ads.meta"]


def test_the_view_shows_what_is_open_and_not_put_aside(client: Client) -> None:
    client.ran({"ads.meta": FINAL, "store.orders": BROKEN, "attribution": BROKEN})
    seen = client.warehouse.rows(
        "SELECT subject, urgency, is_read, times FROM rpt_open_alerts ORDER BY urgency, subject"
    )
    assert [tuple(row.values()) for row in seen] == [
        ("ads.meta", 1, 0, 1), ("attribution", 2, 0, 1), ("store.orders", 2, 0, 1),
    ]  # fmt: skip
    client.mark("read_at")
    client.ran({"attribution": None})
    rows = client.warehouse.rows("SELECT subject, is_read FROM rpt_open_alerts ORDER BY subject")
    assert [tuple(row.values()) for row in rows] == [("ads.meta", 1), ("store.orders", 1)]
    client.mark("dismissed_at")
    assert client.warehouse.rows("SELECT subject FROM rpt_open_alerts") == []


def test_a_credential_that_is_refused_is_an_alert_of_its_own(client: Client) -> None:
    client.ran({"conversions.meta_capi": CredentialError("CTX-4101", "Meta refused the token.", fix="Renew it.")})
    (found,) = client.rows().values()
    assert (found["kind"], found["subject"], found["severity"]) == ("credential", "conversions.meta_capi", "critical")
    assert found["action"] == "Renew it."
    client.ran({"conversions.meta_capi": None})
    assert client.open() == []


def test_the_pieces_of_a_backfill_are_one_condition_apart_from_the_nightly_one(client: Client) -> None:
    pieces: dict[str, CortexError | str | None] = {"ads.meta@2026-03-01": FINAL, "ads.meta@2026-02-22": None}
    client.ran(pieces, pipeline="backfill")
    assert client.open() == ["step_failed:backfill/ads.meta"]
    client.ran({"ads.meta": None})
    assert client.open() == ["step_failed:backfill/ads.meta"]
    client.ran(dict.fromkeys(pieces), pipeline="backfill")
    assert client.open() == []


def test_a_platform_that_left_the_client_file_takes_its_alerts_along(client: Client) -> None:
    client.ran({"ads.meta": FINAL, "conversions.meta_capi": FINAL, "conversions.queue": FINAL, "store.orders": FINAL})
    client.sections = {"ads": {}, "offline_conversions": {}}
    client.ran({"attribution": None})
    assert client.open() == ["step_failed:conversions.queue", "step_failed:store.orders"]


def test_a_destination_left_alone_until_it_is_mended(client: Client) -> None:
    notice = Notice(
        code="CTX-6104", stream="conversions.meta_capi", count=12, value=Decimal("340.50"),
        message="meta_capi takes nothing until this is mended, 12 conversions wait: no permission for the pixel",
    )  # fmt: skip
    (found,) = client.ran({"conversions.meta_capi": None}, notices=[notice]).due
    assert (found["kind"], found["severity"], found["code"]) == ("destination_stopped", "critical", "CTX-6104")
    facts = json.loads(found["facts"])
    assert facts == {"destination": "meta_capi", "count": "12", "value": "340.50", "why": "no permission for the pixel"}
    client.ran({"conversions.meta_capi": None})
    assert client.open() == []


# Checks


def checked(client: Client, run_id: str, *failed: tuple[str, str, str], unknown: str = "") -> None:
    rows = [
        row(tables.dq_results, run_id=run_id, rule=rule, part=part, severity=severity, status="failed", message="3 rows",
            measured=Decimal(3), allowed=Decimal(0))
        for rule, part, severity in failed
    ]  # fmt: skip
    if unknown:
        rows.append(row(tables.dq_results, run_id=run_id, rule=unknown, part="p", severity="warning", status="unknown"))
    client.warehouse.atomically(lambda tx: tx.replace(tables.dq_results, {"run_id": run_id}, rows))


@pytest.mark.parametrize(
    ("gate", "severities"),
    [("never", ("warning", "info")), ("error", ("critical", "info")), ("warning", ("critical", "critical"))],
)
def test_a_check_that_failed_is_as_severe_as_the_gate_says(
    client: Client, gate: str, severities: tuple[str, str]
) -> None:
    client.sections["quality"] = {"fail_on": gate}
    checked(client, "r1", ("sums", "a", "error"), ("sums", "b", "error"), ("volume", "c", "warning"))
    client.ran({"quality": QualityGate("CTX-2103", "2 of 3 checks failed.") if gate != "never" else None})
    found = client.rows()
    assert list(found) == ["quality:sums", "quality:volume"], "the gate's own failure is not told a second time"
    assert tuple(row["severity"] for row in found.values()) == severities
    assert found["quality:sums"]["message"] == "a: 3 rows (and 1 more)"
    assert found["quality:sums"]["action"] == f"cortex dq {client.warehouse.code}"


def test_a_check_is_over_when_it_passes_and_not_when_it_could_not_be_made(client: Client) -> None:
    checked(client, "r1", ("sums", "a", "error"), ("volume", "c", "warning"))
    client.ran({"quality": None})
    checked(client, "r2", unknown="volume")
    client.ran({"quality": None})
    assert client.open() == ["quality:volume"]
    client.ran({"quality": FINAL})
    assert client.open() == ["quality:volume", "step_failed:quality"], "a step that broke has checked nothing"


# Deliveries


def sales(client: Client, good: int, bad: int, *, days_ago: float = 1, state: str = "rejected") -> None:
    at = client.now - timedelta(days=days_ago)

    def one(name: str, fate: str) -> dict[str, Any]:
        return row(
            tables.conversion_outbox, outbox_key=key(f"{name}{days_ago}"), order_key=key(name), destination="meta_capi",
            action="purchase", state=fate, occurred_at=at, attempts=1,
        )  # fmt: skip

    rows = [one(f"g{n}", "accepted") for n in range(good)] + [one(f"b{n}", state) for n in range(bad)]
    client.warehouse.atomically(lambda tx: tx.upsert(tables.conversion_outbox, rows))


SENT: dict[str, CortexError | str | None] = {"conversions.meta_capi": None}


def test_sales_that_do_not_arrive_are_an_alert_below_the_threshold(client: Client) -> None:
    sales(client, 94, 6)
    client.ran(SENT)
    (found,) = client.rows().values()
    assert (found["dedup_key"], found["severity"], found["code"]) == ("delivery:meta_capi", "warning", "CTX-8130")
    assert found["message"] == "6 of 100 sales of the last 7 days did not arrive; at least 95 % should."
    client.sections["alerts"] = {"thresholds": {"delivery_pct": 90}}
    assert keys(client.ran(SENT).over) == ["delivery:meta_capi"]


def test_hardly_anything_arriving_is_critical(client: Client) -> None:
    sales(client, 10, 90, state="unknown")
    client.ran(SENT)
    assert [row["severity"] for row in client.rows().values()] == ["critical"]


def test_few_sales_old_ones_rules_and_what_still_waits_are_no_failure(client: Client) -> None:
    sales(client, 0, 19)
    client.ran(SENT)
    assert client.open() == []
    client.warehouse.atomically(lambda tx: tx.run("DELETE FROM conversion_outbox"))
    sales(client, 0, 100, days_ago=8)
    sales(client, 0, 50, state="gated")
    sales(client, 0, 500, days_ago=2, state="planned")
    client.ran(SENT)
    assert client.open() == []


def test_a_run_that_sent_nothing_says_nothing_of_deliveries(client: Client) -> None:
    sales(client, 0, 100)
    client.ran(SENT)
    client.ran({"ads.meta": None})
    assert client.open() == ["delivery:meta_capi"]


# CAC and ROAS

CREDITED: dict[str, CortexError | str | None] = {"attribution": None}
UNTIL = DAY
"""First day that is not whole: the last seven end the day before."""


def traded(client: Client, since: int, until: int, *, spent: str, won: int, revenue: str = "100.00") -> None:
    """Days (counted back from UNTIL, `until` not included) that each spent so much and won so many new customers."""
    orders, credited, spends = [], [], []
    for back in range(since, until, -1):
        day = UNTIL - timedelta(days=back)
        spends.append(spend(day, spent))
        for n in range(won):
            name = f"{back}-{n}-"
            orders.append(order(name, paid_date=day, customer_key=key(name), is_new_customer=1))
            credited.append(
                row(
                    tables.fct_attribution,
                    order_key=key(name),
                    model="last_click",
                    method="last_click",
                    position=1,
                    order_date=day,
                    channel="meta",
                    platform="meta",
                    weight=Decimal(1),
                    attributed_revenue=Decimal(revenue),
                    is_new_customer=1,
                )
            )

    def write(tx: Any) -> None:
        tx.upsert(tables.fct_ad_spend, spends)
        tx.upsert(tables.fct_orders, orders)
        tx.upsert(tables.fct_attribution, credited)

    client.warehouse.atomically(write)


def read_until(client: Client, until: date = UNTIL, *, streams: Iterable[str] = ("store.orders", "ads.meta")) -> None:
    for stream in streams:
        client.warehouse.atomically(
            lambda tx, name=stream: tx.move_cursor(
                name, complete_until=until, source_updated_at=None, run_id="r0", at=NOON
            )
        )


def shifted(client: Client) -> dict[str, dict[str, Any]]:
    client.ran(CREDITED)
    return {name: row for name, row in client.rows().items() if row["resolved_at"] is None}


def test_cac_and_roas_beyond_their_thresholds_are_alerts_until_they_are_not(client: Client) -> None:
    """28 days of 100.00 a day for 5 buyers (CAC 20, ROAS 5), then 7 of 130.00 for as many (CAC 26, ROAS 3.85)."""
    traded(client, 63, 7, spent="100.00", won=5)
    traded(client, 7, 0, spent="130.00", won=5)
    read_until(client)
    client.ran({"ads.meta": None})
    assert client.open() == [], "a run that credits nothing says nothing of it"
    found = shifted(client)
    assert {name: (row["severity"], row["code"]) for name, row in found.items()} == {
        "cac:all": ("warning", "CTX-8241"), "roas:all": ("warning", "CTX-8242"),
    }  # fmt: skip
    assert alerts.title(found["cac:all"], "pt-BR", "BRL") == "CAC +30 % (limite 20 %)"
    assert alerts.message(found["cac:all"], "pt-BR", "BRL").replace("\xa0", " ") == (
        "R$ 910,00 nos 7 dias até 9 de mar. de 2026 trouxeram 35 novos clientes, R$ 26,00 cada; nos 28 dias antes, R$ 20,00."
    )
    assert alerts.title(found["roas:all"], "en", "BRL") == "ROAS −23.1 % (limit 15 %)"
    assert found["roas:all"]["message"] == (
        "910.00 BRL of the 7 days to 2026-03-09 brought 3500.00 by last click, ROAS 3.85;"
        " in the 28 days before it was 5.00."
    )
    client.sections["alerts"] = {"thresholds": {"cac_increase_pct": 30, "roas_decrease_pct": 23.1}}
    assert keys(client.ran(CREDITED).over) == ["cac:all", "roas:all"], "thirty percent is not more than thirty"
    client.sections["alerts"] = {}
    assert list(shifted(client)) == ["cac:all", "roas:all"]
    client.sections["ads"] = {}
    client.ran({"store.orders": None})
    assert client.open() == [], "nobody looks at it any more"
    assert shifted(client) == {}, "what was spent once is no ad account"


WEEKS = [
    # days of history, (spend, buyers) a day of the baseline, of the last week, read until, alerts
    (63, ("100.00", 5), ("119.00", 5), UNTIL, ["roas:all"]),
    (63, ("100.00", 5), ("117.00", 5), UNTIL, []),
    (63, ("100.00", 5), ("130.00", 7), UNTIL, []),
    (63, ("100.00", 5), ("100.00", 0), UNTIL, ["cac:all", "roas:all"]),
    (63, ("100.00", 5), ("15.00", 0), UNTIL, []),  # so little spend should have won five
    (63, ("10.00", 1), ("30.00", 1), UNTIL, ["cac:all", "roas:all"]),  # 28 buyers, thrice the spend: 21
    (63, ("20.00", 1), ("25.00", 1), UNTIL, []),  # 28 buyers, the week's spend worth 9
    (62, ("100.00", 5), ("200.00", 5), UNTIL, ["roas:all"]),  # buyers of old would look new
    (34, ("100.00", 5), ("200.00", 5), UNTIL, []),  # the baseline is not whole
    (63, ("100.00", 5), ("200.00", 5), UNTIL - timedelta(days=7), []),  # the dear week was not read whole
]


def test_what_is_too_little_to_compare_or_within_the_thresholds_is_no_alert(client: Client) -> None:
    client.sections["ecommerce"] = {"platform": "nuvemshop", "store_id": "1"}
    for history, before, recent, whole, expected in WEEKS:
        for table in ("fct_ad_spend", "fct_orders", "fct_attribution", "sync_state"):
            client.warehouse.atomically(lambda tx, name=table: tx.run(f"DELETE FROM {name}"))
        traded(client, history, 7, spent=before[0], won=before[1])
        traded(client, 7, 0, spent=recent[0], won=recent[1])
        read_until(client, whole)
        assert list(shifted(client)) == expected, (history, before, recent, whole)
        if recent[1] == 0 and expected:
            found = client.rows()["cac:all"]
            assert alerts.title(found, "en", "BRL") == "CAC +∞ % (limit 20 %)"
            assert "won 0 new customers, — each" in alerts.message(found, "en", "BRL")
            client.sections["ecommerce"] = {"platform": "olist", "path": "x"}
            assert shifted(client) == {}, "a file ends where it ends, however new the spend"
            client.sections["ecommerce"] = {"platform": "nuvemshop", "store_id": "1"}


def test_what_is_over_is_forgotten_in_time_and_what_is_wrong_never(client: Client) -> None:
    client.sections["privacy"] = {"retention": {"raw_days": 30}}
    client.ran({"ads.meta": BROKEN, "store.orders": BROKEN})
    client.ran({"ads.meta": None})
    client.now += timedelta(days=30)
    keeping.forget(client.run())
    assert len(client.rows()) == 2
    client.now += timedelta(seconds=1)
    assert keeping.forget(client.run()).facts["deleted"] == {"alerts": 1}
    assert client.open() == list(client.rows()) == ["step_failed:store.orders"]


def test_no_person_and_no_credential_is_in_an_alert(client: Client) -> None:
    Secret("canary-token-of-a-test", "a test")
    said = "Order of canary.person@example.com (+55 11 98765-4321) was refused: canary-token-of-a-test"
    client.ran({"ads.meta": PlatformError("CTX-4012", said, fix="Ask canary.person@example.com")})
    told = repr(client.rows())
    assert "refused" in told
    for secret in ("canary.person", "98765", "canary-token"):
        assert secret not in told
