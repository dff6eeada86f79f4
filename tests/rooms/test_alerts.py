"""Alerts: one row per condition, told once and then only when it matters again, over when a run says so; on both engines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.errors import CortexError, CredentialError, PlatformError, QualityGate, Transient
from cortex.records import Notice
from cortex.run import Run
from cortex.secrets import Secret, Vault
from cortex.steps import alert, keeping
from cortex.steps.alert import Changes
from cortex.steps.symptoms import Ended, Fate
from cortex.warehouse import Warehouse, tables
from cortex.workspace import Workspace
from tests.rooms.warehouse_rows import DAY, NOON, key, row

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
