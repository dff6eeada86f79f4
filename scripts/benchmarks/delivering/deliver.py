"""Conversions of one new client from plan to accepted, by the steps `cortex run conversions` calls; one JSON line each."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from cortex import conversions as rules
from cortex import tenant as tenants
from cortex.clock import Window
from cortex.identity import identify
from cortex.records import Person
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import adjust, ledger, queue, send
from cortex.warehouse import Warehouse, provision, tables
from cortex.warehouse import engine as engines
from cortex.workspace import Workspace

CODE = f"bench{os.getpid()}"
ROUNDS = 3
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
BLOCKS = {
    "meta_capi": 'meta_capi: {{ pixel_id: "123456789012345", api_url: "{sink}" }}',
    "google_ec": 'google_ec: {{ conversion_action_id: "987654321", customer_id: "1234567890", api_url: "{sink}" }}',
}
FILE = """\
client: {{ name: "Bench", code: "{code}", timezone: "America/Sao_Paulo" }}
ecommerce: {{ platform: nuvemshop, store_id: "1234567" }}
offline_conversions:
  {block}
privacy: {{ consent: {{ mode: opt_in }} }}
"""
KEYS = {
    "meta_capi": ("em", "ph", "fn", "ln", "ct", "st", "zp", "country", "external_id"),
    "google_ec": ("email_address", "phone_number", "given_name", "family_name"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sink")
    parser.add_argument("database")
    parser.add_argument("kind", choices=sorted(BLOCKS))
    parser.add_argument("orders", type=int)
    parser.add_argument(
        "--events", action="store_true", help="also time building and posting alone, and the vendor's classes"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        (workspace.root / "tenants").mkdir()
        block = BLOCKS[asked.kind].format(sink=asked.sink)
        (workspace.root / "tenants" / f"{CODE}.yaml").write_text(FILE.format(code=CODE, block=block))
        provision.apply(asked.database, CODE, workspace.state)
        google = {
            "type": "authorized_user",
            "client_id": "c",
            "client_secret": "s",
            "refresh_token": "r",
            "token_uri": f"{asked.sink}/token",
        }
        vault = Vault(
            CODE,
            workspace.root,
            {"CORTEX_META_CAPI_TOKEN": "of-nobody", "CORTEX_GOOGLE_CREDENTIALS": json.dumps(google)},
        )
        try:
            with Warehouse.open(asked.database, CODE, workspace.state) as warehouse:
                fill(warehouse, asked.kind, asked.orders)
                window = Window((NOW - timedelta(days=7)).date(), NOW.date())
                began = time.monotonic()

                def clock() -> datetime:
                    return NOW + timedelta(seconds=time.monotonic() - began)

                run = Run(tenants.load(workspace, CODE), window, workspace, warehouse, vault, clock, "bench")
                deliver(run, asked.kind, asked.orders)
                if asked.events:
                    compare(run, asked.kind, asked.sink)
        finally:
            engines.drop(engines.tenant_place(asked.database, CODE, workspace.state))


def deliver(run: Run, kind: str, orders: int) -> None:
    took: dict[str, float] = {}
    cpu = time.process_time()
    for name, step in (
        ("queue", queue.queue),
        ("adjust", adjust.adjust),
        ("send", lambda run: send.deliver(run, kind)),
    ):
        began = time.perf_counter()
        step(run)
        took[name] = time.perf_counter() - began
    cpu = time.process_time() - cpu
    taken = run.warehouse.rows("SELECT COUNT(*) AS n FROM conversion_outbox WHERE state = 'accepted'")[0]["n"]
    if taken != orders:
        raise SystemExit(f"{taken} of {orders} were accepted")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"took": took, "cpu": cpu, "peak": peak}), flush=True)


def compare(run: Run, kind: str, sink: str) -> None:
    """CPU of telling a platform of the same 20,000 sales: by this house's destination, and by Meta's own classes.

    Here the buyer was written and hashed when the order was read (`sealing`), and an event is built from digests;
    the vendor's classes take the buyer in the clear and write and hash them while they build.
    """
    rows = run.warehouse.rows("SELECT * FROM conversion_outbox ORDER BY outbox_key LIMIT 20000")
    destination = ledger.destination_of(run, kind)
    buyers = [buyer(row["order_ref"]) for row in rows]
    identify(buyers[0], destination.identifiers, "BR")
    began = time.process_time()
    known = [identify(one, destination.identifiers, "BR") for one in buyers]
    sealing = (time.process_time() - began) / len(rows)
    for row, identifiers in zip(rows, known, strict=True):
        sealed = rules.Sealed(identifiers=identifiers, ip="203.0.113.7", user_agent="Mozilla/5.0 (Linux; Android 14)")
        row["identifiers"] = rules.sealed_text(sealed)
    made = ledger.Composer(run, kind).conversions(rows)
    parts = [made[start : start + 1000] for start in range(0, len(made), 1000)]
    theirs = with_sdk(buyers, sink) if kind == "meta_capi" else None
    # In turns, and of each the quickest round: what else the machine does falls on both.
    rounds = [(each(destination.send, parts), theirs and each(theirs, parts)) for _ in range(ROUNDS)]
    ours, sdk = (min(found) if all(found) else None for found in zip(*rounds, strict=True))
    print(json.dumps({"ours": ours, "sealing": sealing, "sdk": sdk, "events": len(made)}), flush=True)


def each(post: Callable[[list[Any]], object], parts: list[list[Any]]) -> float:
    """CPU seconds an event."""
    post(parts[0])
    began = time.process_time()
    for part in parts:
        post(part)
    return (time.process_time() - began) / sum(map(len, parts))


def buyer(order: str) -> Person:
    number = int(order)
    return Person(
        store_id=str(number), email=f"Buyer.{number}@Example.com", phone=f"+55 11 9{number % 10**8:08}", first_name="Ana",
        last_name=f"Souza {number % 97}", city="São Paulo", state="SP", postal_code="01310-100", country="BR",
    )  # fmt: skip


def with_sdk(buyers: list[Person], sink: str) -> Callable[[list[Any]], object]:
    """Posts conversions through the vendor's classes: every field our destination tells but one they lack
    (customer_segmentation)."""
    from facebook_business.adobjects.serverside.action_source import ActionSource
    from facebook_business.adobjects.serverside.content import Content
    from facebook_business.adobjects.serverside.custom_data import CustomData
    from facebook_business.adobjects.serverside.event import Event
    from facebook_business.adobjects.serverside.event_request import EventRequest
    from facebook_business.adobjects.serverside.user_data import UserData
    from facebook_business.api import FacebookAdsApi, FacebookSession

    FacebookSession.GRAPH = sink
    FacebookAdsApi.init(access_token="of-nobody", crash_log=False)
    known = {one.store_id: one for one in buyers}

    def event(one: Any) -> Event:
        who = known[one.order_id]
        items = [
            Content(product_id=i.product_id, quantity=i.quantity, item_price=float(i.unit_price)) for i in one.items
        ]
        return Event(
            event_name="Purchase", event_time=int(one.occurred_at.timestamp()), event_id=one.event_id,
            event_source_url=one.event_url, action_source=ActionSource.WEBSITE,
            user_data=UserData(
                emails=[who.email], phones=[who.phone], first_names=[who.first_name], last_names=[who.last_name],
                cities=[who.city], states=[who.state], zip_codes=[who.postal_code], country_codes=["br"],
                external_ids=[who.store_id], client_ip_address=one.ip, client_user_agent=one.user_agent,
                fbc=one.clicks.fbc, fbp=one.clicks.fbp,
            ),
            custom_data=CustomData(
                value=float(one.value), currency=one.currency, order_id=one.order_id, contents=items,
                content_type="product", num_items=sum(i.quantity for i in one.items),
            ),
        )  # fmt: skip

    return lambda part: EventRequest(pixel_id="123456789012345", events=[event(one) for one in part]).execute()


def fill(warehouse: Warehouse, kind: str, orders: int) -> None:
    for start in range(0, orders, 2_000):
        numbers = range(start, min(start + 2_000, orders))
        found = list(stored(numbers))
        warehouse.atomically(lambda tx, found=found: tx.upsert(tables.fct_orders, found))  # type: ignore[misc]
        items = [item(row) for row in found]
        warehouse.atomically(lambda tx, items=items: tx.upsert(tables.fct_order_items, items))  # type: ignore[misc]
        expires = NOW + timedelta(days=30)
        sealed = [
            {
                "order_key": row["order_key"],
                "destination": kind,
                "identifiers": identities(kind, row["external_id"]),
                "expires_at": expires,
            }
            for row in found
        ]
        warehouse.atomically(lambda tx, sealed=sealed: tx.upsert(tables.conversion_identifiers, sealed))  # type: ignore[misc]


def digest(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


def identities(kind: str, order: str) -> str:
    known = {key: [digest(key, order)] for key in KEYS[kind]}
    if kind == "google_ec":
        known |= {"region_code": ["BR"], "postal_code": ["01310-100"]}
    return rules.sealed_text(
        rules.Sealed(identifiers=known, ip="203.0.113.7", user_agent="Mozilla/5.0 (Linux; Android 14)")
    )


def stored(numbers: range) -> Iterator[dict[str, Any]]:
    texts = {column.name: "" for column in tables.fct_orders.columns if not column.nullable}
    for number in numbers:
        placed = NOW - timedelta(minutes=5 + number % 8000)
        yield texts | {
            "order_key": digest(number), "platform": "nuvemshop", "external_id": str(10_000_000 + number), "number": str(number),
            "customer_key": digest("buyer", number % 70_000), "status": "open", "payment_status": "paid", "is_paid": 1,
            "created_at": placed, "updated_at": placed, "paid_at": placed, "order_date": placed.date(), "paid_date": placed.date(),
            "currency": "BRL", "subtotal": Decimal(100), "discount": Decimal(0), "shipping": Decimal(10), "tax": Decimal(0),
            "total": Decimal(110), "paid": Decimal(number % 900 + 100), "refunded": Decimal(0), "installments": 1, "items": 1,
            "is_test": 0, "is_new_customer": number % 2, "country": "BR", "fbc": f"fb.1.1763000000000.IwAR{number}aBcDeF",
            "fbp": f"fb.1.1763000000000.{number}", "gclid": f"Cj0KCQiA{number:012}", "event_url": "https://loja.example/checkout/success",
            "consent_state": "granted", "consent_source": "cart", "consent_version": "3", "run_id": "bench",
        }  # fmt: skip


def item(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "order_key": order["order_key"], "line": 1, "platform": "nuvemshop", "product_id": "p1", "variant_id": "", "sku": "S",
        "name": "Camisa", "category": "", "seller_id": "", "quantity": 1, "unit_price": Decimal(100), "full_unit_price": Decimal(100),
        "discount": Decimal(0), "total": Decimal(100), "unit_cost": None,
    }  # fmt: skip


if __name__ == "__main__":
    main()
