"""A small Nuvemshop of our own for tests: what its documentation promises about lists, and the faults lists have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.faulty import Step, reply

CAP = 10_000


def order(number: int, created: datetime, updated: datetime | None = None, **other: Any) -> dict[str, Any]:
    """An order with nothing unusual; `other` replaces or adds fields."""
    return {
        "id": number,
        "number": str(number),
        "status": "open",
        "payment_status": "paid",
        "currency": "BRL",
        "subtotal": "10.00",
        "discount": "0.00",
        "shipping_cost_customer": "0.00",
        "total": "10.00",
        "total_paid": "10.00",
        "created_at": stamp(created),
        "updated_at": stamp(updated or created),
        "paid_at": stamp(created),
        "payment_details": {"method": "pix", "installments": 1},
        "products": [{"product_id": 1, "variant_id": 2, "name": "Caneca", "price": "10.00", "quantity": "1"}],
        **other,
    }


def stamp(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S%z")


@dataclass
class Shop:
    """Answers for a FaultyServer: `FaultyServer(shop)`.

    inclusive: whether `updated_at_min` and `_max` take their own second in. hides: states `payment_status=any` leaves
    out. before: called with the number of the request before it is answered: the shop goes on living. fault: another
    answer for a request, or None.
    """

    orders: list[dict[str, Any]]
    inclusive: bool = True
    hides: tuple[str, ...] = ()
    before: Callable[[int], None] = lambda _request: None
    fault: Callable[[str, dict[str, str], bytes], list[Step] | None] = lambda _path, _query, _right: None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __call__(self, path: str, query: dict[str, str]) -> Iterable[Step]:
        self.before(len(self.asked))
        self.asked.append((path, query))
        right = self._store() if path.endswith("/store") else self._list(query)
        return self.fault(path, query, right) or [right]

    def _store(self) -> bytes:
        return reply(200, json.dumps({"id": 1, "name": {"pt": "Loja"}, "main_currency": "BRL"}).encode())

    def _list(self, query: dict[str, str]) -> bytes:
        page, size = int(query.get("page", 1)), int(query.get("per_page", 30))
        found = sorted(filter(self._filter(query), self.orders), key=lambda o: (o["created_at"], o["id"]), reverse=True)
        if len(found) > CAP:
            return reply(422, b'{"code":422,"message":"Unprocessable","description":"more than 10.000 results"}')
        last = -(-len(found) // size)
        if page > last:
            said = {"code": 404, "message": "Not Found", "description": f"Last page is {last}"}
            return reply(404, json.dumps(said).encode())
        body = json.dumps(found[(page - 1) * size : page * size]).encode()
        return reply(200, body, X_Total_Count=str(len(found)))

    def _filter(self, query: dict[str, str]) -> Callable[[dict[str, Any]], bool]:
        edge = timedelta(0) if self.inclusive else timedelta(seconds=1)
        since = datetime.fromisoformat(query.get("updated_at_min", "2010-01-01T00:00:00+00:00")) + edge
        until = datetime.fromisoformat(query.get("updated_at_max", "2100-01-01T00:00:00+00:00")) - edge
        state = query.get("payment_status", "any")

        def wanted(one: dict[str, Any]) -> bool:
            said = one.get("payment_status")
            shown = said not in self.hides if state == "any" else said == state
            return shown and since <= datetime.fromisoformat(one["updated_at"]) <= until

        return wanted
