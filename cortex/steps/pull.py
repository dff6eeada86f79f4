"""Pull: what the shop, the ad platforms and GA4 say, into the warehouse, each window as often as you like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from cortex import plugins
from cortex.ads import AdPlatform
from cortex.clock import Window, day_start, local_day
from cortex.records import AdSpend, Notice, Order, Sessions
from cortex.run import Outcome, Run, Step
from cortex.steps import catalogue as catalogue_steps
from cortex.steps import currencies, erasing, keeping, landing, quarantine, saving, sealing, walked, windows
from cortex.steps.ahead import read_ahead
from cortex.stores import Store
from cortex.traffic import Traffic
from cortex.warehouse import Loaded, tables

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction

OVERLAP = timedelta(days=1)
"""A shop's list may settle for a while after a change: the last day read is read again."""
CLICKS_SETTLE = timedelta(days=2)
"""Click ids of a day are final after about one; asking costs one operation of the quota a day."""
PROVISIONAL = timedelta(hours=3)
"""Ad platforms keep counting a day for some hours after its end in the account's zone."""


def store(_tenant: Tenant) -> Iterator[Step]:
    """Orders by change time."""
    yield Step("store.orders", orders, reads=True)


def catalogue(tenant: Tenant) -> Iterator[Step]:
    """What else the shop's platform offers: products as they stand, sellers, places, reviews."""
    shop = plugins.adapter("stores", tenant.ecommerce.kind, Store)
    for offered, work in catalogue_steps.WORK.items():
        if hasattr(shop, offered):
            yield Step(f"store.{offered}", work, reads=True)


def ads(tenant: Tenant) -> Iterator[Step]:
    """Spend and clicks, one step per enabled platform."""
    for kind in tenant.ads:
        yield Step(f"ads.{kind}", partial(spend, kind=kind), reads=True)


def traffic(tenant: Tenant) -> Iterator[Step]:
    """Touches, sessions and journeys by path, one step per enabled source."""
    for kind in tenant.traffic:
        yield Step(f"traffic.{kind}", partial(visits, kind=kind), reads=True)


def orders(run: Run) -> Outcome:
    """Orders changed in the window, since the last whole day when that is earlier, and until now when it is the newest.

    Raises QualityGate when more records are quarantined than the tenant allows; what is good stays loaded.
    """
    shop = run.adapter("stores", run.tenant.ecommerce.kind, Store, run.tenant.ecommerce.config)
    key = run.vault.identity_key()
    stream = "store.orders"
    zone = run.tenant.timezone
    done, total, value = Loaded(), 0, Decimal(0)
    newest: datetime | None = None
    changes = _changes(run, stream)
    exchanged, erased = currencies.Exchanged(currencies.rates(run)), erasing.known(run.warehouse, key)

    def land(batch: list[Order]) -> tuple[list[Order], landing.Landed]:
        return batch, landing.land(
            batch, key=key, zone=zone, run_id=run.run_id, now=run.now(), exchanged=exchanged, erased=erased
        )

    with read_ahead(shop.orders(changes), run.tenant.etl.batch_size, land) as batches:
        for batch, landed in batches:
            gone = {row.order_key for row in landed.erased}
            identifiers = [row for row in sealing.seal(run, batch) if row["order_key"] not in gone]
            done += run.warehouse.atomically(partial(_write, landed=landed, identifiers=identifiers))
            saving.orders(run, stream, changes, landed.raw)
            total += len(landed.orders)
            value += sum([row.paid for row in landed.orders], Decimal(0))
            newest = max([row.updated_at for row in landed.orders] + ([newest] if newest else []))
            run.progress(total)
    windows.move(run, stream, Window(changes.since, run.window.until), newest)
    run.notices += exchanged.notices(stream)
    _tell_texts(run, stream, done)
    bad = quarantine.judge(run, total, "orders")
    unusual = f" · {bad} quarantined" if bad else ""
    return Outcome(
        total,
        f"{total} orders, {done.inserted} new, {done.updated} updated{unusual}",
        {
            "orders": total,
            "new": done.inserted,
            "updated": done.updated,
            "quarantined": bad,
            "paid": value,
            "currency": run.tenant.currency,
            "window": str(changes),
        },
    )


def _tell_texts(run: Run, stream: str, done: Loaded) -> None:
    for code, count, what in (
        ("texts_cut", done.clipped, "were longer than their column and were cut"),
        ("texts_mended", done.mended, "held NUL or half a character, which was left out"),
    ):
        if count:
            run.notices.append(Notice(code=code, stream=stream, message=f"Texts {what}.", count=count))


def _write(tx: Transaction, landed: landing.Landed, identifiers: list[landing.Row]) -> Loaded:
    """One batch, whole or not at all. An order older than what is known changes nothing, nor does one told the same
    again: most of what is read twice needs no writing."""
    known = tx.lookup(tables.fct_orders, "order_key", landed.keys, ["updated_at", "content"])
    new, changed, fresh = set[str](), set[str](), set[str]()
    for row in landed.orders:
        key, stored = row.order_key, known.get(row.order_key)
        if stored is None:
            new.add(key)
        elif row.updated_at < stored["updated_at"]:
            continue
        elif row.content is None or row.content != stored["content"]:
            changed.add(key)
        fresh.add(key)
    loaded = Loaded(unchanged=len(landed.orders) - len(new) - len(changed))
    if new:
        loaded += _write_orders(tx, landed.only(new), unknown=True)
    if changed:
        loaded += _write_orders(tx, landed.only(changed), unknown=False)
    tx.upsert(tables.conversion_identifiers, [row for row in identifiers if row["order_key"] in fresh])
    return replace(loaded, clipped=tx.texts.count, mended=tx.texts.mended)


def _write_orders(tx: Transaction, landed: landing.Landed, *, unknown: bool) -> Loaded:
    """Orders with all that is theirs. unknown: none of them was stored a moment ago."""
    keys = sorted(landed.keys)
    loaded = tx.upsert(
        tables.fct_orders,
        landed.orders,
        newer="updated_at",
        keep=("customer_key", "is_new_customer", "device"),
        quiet=("run_id",),
        unknown=unknown,
    )
    # Somebody else may have written one of them meanwhile: then it has children.
    stored = () if unknown and loaded.inserted == len(keys) else keys
    tx.rewrite(tables.fct_order_items, "order_key", keys, landed.items, stored=stored)
    tx.rewrite(tables.fct_payments, "order_key", keys, landed.payments, stored=stored)
    tx.rewrite(tables.fct_order_aliases, "order_key", keys, landed.aliases, stored=stored)
    # A refund keeps the day it was first seen on, where the platform tells none.
    tx.upsert(tables.fct_refunds, landed.refunds, keep=("created_at", "refund_date"), unknown=unknown)
    tx.upsert(tables.fct_order_status, landed.statuses, unknown=unknown)
    if stored:
        refs = sorted({row.external_id for row in landed.orders})
        tx.delete(tables.stg_touches, {"origin": ["order", "kit"], "order_ref": refs})
    tx.upsert(tables.stg_touches, landed.touches, unknown=unknown)
    tx.upsert(tables.raw_ecommerce_orders, landed.raw, quiet=("fetched_at", "run_id"), unknown=unknown)
    tx.insert_missing(tables.erased_orders, landed.erased)
    return loaded


def spend(run: Run, kind: str) -> Outcome:
    """Spend of the window, replaced: a row the platform withdrew goes away here too."""
    platform = run.adapter("ads", kind, AdPlatform, run.tenant.ads[kind])
    stream = f"ads.{kind}"
    window = windows.reread(run, stream, platform.restates, platform.history)
    if window is None:
        return windows.forgotten(run, kind, stream, platform.history)
    read = list(platform.spend(window))
    # Before anything is replaced: a platform that says it all in another shape must not empty what it said before.
    bad = quarantine.judge(run, len(read), f"ad-days of {kind}", loaded=False)
    settled_clicks = Window(max(window.since, min(run.window.since, window.last) - CLICKS_SETTLE), window.until)
    clicks = {click.click_id: click for click in platform.clicks(settled_clicks)}
    pulled_at = run.now()
    exchanged = currencies.Exchanged(currencies.rates(run))
    spend_rows = [_spend_row(row, pulled_at, run, exchanged) for row in read]
    campaigns = {(row.platform, row.campaign_id, row.adset_id, row.ad_id): _campaign_row(row, run) for row in read}
    click_rows = [
        {
            "platform": click.platform,
            "click_id": click.click_id,
            "day": click.day,
            "campaign_id": click.campaign_id,
            "adset_id": click.adset_id,
            "ad_id": click.ad_id,
        }
        for click in clicks.values()
    ]

    raw = keeping.raw_ads(read, run_id=run.run_id, at=pulled_at)

    def write(tx: Transaction) -> None:
        revised = keeping.revisions(tx, kind, window, spend_rows, run_id=run.run_id, at=pulled_at)
        tx.upsert(tables.ad_daily_revision, revised)
        tx.upsert(tables.RAW_ADS[kind], raw, quiet=("fetched_at", "run_id"))
        tx.replace(tables.fct_ad_spend, {"platform": kind, "day": (window.since, window.until)}, spend_rows)
        tx.upsert(tables.dim_campaigns, list(campaigns.values()))
        _restage(tx, run, kind)
        tx.upsert(tables.fct_ad_clicks, click_rows)
        windows.move_in(tx, run, stream, window)

    run.warehouse.atomically(write)
    run.notices += exchanged.notices(stream)
    total = sum((row["spend"] for row in spend_rows), Decimal(0))
    clicked = f", {len(clicks)} clicks" if clicks else ""
    return Outcome(
        len(read),
        f"{len(read)} ad-days, {total} {run.tenant.currency}{clicked}" + (f" · {bad} quarantined" if bad else ""),
        {
            "quarantined": bad,
            "spend": total,
            "currency": run.tenant.currency,
            "native_currencies": sorted({row.currency for row in read}),
            "clicks": len(clicks),
            "window": str(window),
        },
    )


def _spend_row(row: AdSpend, pulled_at: object, run: Run, exchanged: currencies.Exchanged) -> landing.Row:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(row.timezone) if row.timezone else run.tenant.timezone
    settled = day_start(row.day + timedelta(days=1), zone) + PROVISIONAL <= run.now()
    (cost, value), money = exchanged.amounts(row.currency, row.day, row.spend, row.conversion_value)
    return {
        "platform": row.platform,
        "account_id": row.account_id,
        "day": row.day,
        "campaign_id": row.campaign_id,
        "adset_id": row.adset_id,
        "ad_id": row.ad_id,
        "level": row.level,
        **money,
        "timezone": row.timezone,
        "impressions": row.impressions,
        "reach": row.reach,
        "clicks": row.clicks,
        "spend": cost,
        "native_spend": row.spend,
        "conversions": row.conversions,
        "conversion_value": value,
        "native_value": row.conversion_value,
        "pulled_at": pulled_at,
        "is_provisional": int(not settled),
    }


def _campaign_row(row: AdSpend, run: Run) -> landing.Row:
    return {
        "platform": row.platform,
        "campaign_id": row.campaign_id,
        "adset_id": row.adset_id,
        "ad_id": row.ad_id,
        "account_id": row.account_id,
        "campaign_name": row.campaign_name,
        "adset_name": row.adset_name,
        "ad_name": row.ad_name,
        "funnel_stage": run.tenant.funnel_stage(row.campaign_name),
    }


STAGED = "SELECT DISTINCT campaign_name, funnel_stage FROM dim_campaigns WHERE platform = :platform"


def _restage(tx: Transaction, run: Run, kind: str) -> None:
    """Campaigns that ended long ago follow the client file's words too."""
    for row in tx.rows(STAGED, platform=kind):
        stage = run.tenant.funnel_stage(row["campaign_name"])
        if stage != row["funnel_stage"]:
            tx.update(
                tables.dim_campaigns,
                {"platform": kind, "campaign_name": row["campaign_name"]},
                {"funnel_stage": stage},
            )


def visits(run: Run, kind: str) -> Outcome:
    """What a source offers, replaced by window: touches of orders, sessions by source, journeys by path."""
    source = run.adapter("traffic", kind, Traffic, run.tenant.traffic[kind])
    stream = f"traffic.{kind}"
    window = windows.reread(run, stream, source.restates, source.history)
    if window is None:
        return windows.forgotten(run, kind, stream, source.history)
    sessions: list[Sessions] | None = list(source.sessions(window)) if hasattr(source, "sessions") else None
    gone = erasing.order_refs(run.warehouse)
    told = (erasing.without_ids(touch) if touch.order_id in gone else touch for touch in source.touches(window))
    rows = (landing.touch_row(touch, run.tenant.timezone, order_ref=touch.order_id) for touch in told)
    touches = {row.touch_key: row for row in rows}
    paths = walked.rows(source.journeys(window)) if hasattr(source, "journeys") else None
    exchanged = currencies.Exchanged(currencies.rates(run))
    session_rows = [_session_row(row, exchanged) for row in sessions or ()]

    raw = keeping.raw_ga4(sessions or (), run_id=run.run_id, at=run.now())

    def write(tx: Transaction) -> None:
        days = (window.since, window.until)
        # What a source does not tell of is another's, and stays as that one told it.
        if sessions is not None:
            tx.upsert(tables.raw_ga4, raw, quiet=("fetched_at", "run_id"))
            tx.replace(tables.fct_sessions, {"day": days}, session_rows)
        if paths is not None:
            tx.replace(tables.agg_paths, {"origin": kind, "day": days}, paths)
        tx.replace(tables.stg_touches, {"origin": kind, "day": days}, list(touches.values()))
        windows.move_in(tx, run, stream, window)

    run.warehouse.atomically(write)
    run.notices += exchanged.notices(stream)
    seen, facts = _seen(sessions, len({row.order_ref for row in touches.values()}), paths)
    return Outcome(
        len(sessions or ()) + len(touches) + len(paths or ()),
        seen,
        {**facts, "touches": len(touches), "window": str(window)},
    )


def _seen(sessions: list[Sessions] | None, orders: int, paths: list[landing.Row] | None) -> tuple[str, dict[str, int]]:
    """What was told, in a line and in figures; what the source does not offer is in neither."""
    said, facts = [], {}
    if sessions is not None:
        facts["sessions"] = sum(row.sessions for row in sessions)
        said.append(f"{facts['sessions']} sessions")
    said.append(f"{orders} orders seen")
    if paths is not None:
        facts["journeys"] = sum(row["journeys"] for row in paths)
        facts["ordered"] = sum(row["orders"] for row in paths)
        said.append(f"{facts['journeys']} journeys, {facts['ordered']} of them with an order")
    return ", ".join(said), facts


def _session_row(row: Sessions, exchanged: currencies.Exchanged) -> landing.Row:
    (revenue,), money = exchanged.amounts(row.currency, row.day, row.revenue)
    return {
        "property_id": row.property_id,
        "day": row.day,
        "source": row.source,
        "medium": row.medium,
        "campaign": row.campaign,
        "channel_group": row.channel_group,
        "sessions": row.sessions,
        "engaged_sessions": row.engaged_sessions,
        "users": row.users,
        "new_users": row.new_users,
        "revenue": revenue,
        "native_revenue": row.revenue,
        **money,
    }


def _changes(run: Run, stream: str) -> Window:
    """The days whose changes are read: the run's window, from the last day read whole on, and up to this moment.

    A window that ends with yesterday must not end there for changes: an order of yesterday that was packed this
    morning has this morning's change time, and would be missing from yesterday. A piece of a backfill is read exactly,
    but for the newest.
    """
    today = local_day(run.now(), run.tenant.timezone)
    until = today + timedelta(days=1) if run.window.until == today else run.window.until
    if run.reread == "none" and run.window.days > 1:
        return Window(run.window.since, until)
    cursor = run.warehouse.cursor(stream)
    known = cursor["complete_until"] if cursor else None
    since = run.window.since if known is None else min(run.window.since, known - OVERLAP)
    return Window(since, until)
