"""Stand-in for Nuvemshop's API: the documented answers, limits and refusals, strict where the documentation is silent.

Where nothing is documented this stand-in refuses (422) instead of guessing, so that a client never learns to rely on
kindness: a page size above 200, a page below 1, a parameter that does not exist, more than 10,000 results. Sources:
the public API documentation of the 2025-03 version and the behaviour its clients report.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from cortex.clock import Clock
from cortex.sandbox.market import Market, Shop
from cortex.sandbox.nuvemshop_query import ALLOWED, Query, Refused, read_query
from cortex.sandbox.nuvemshop_shelf import Shelf
from cortex.sandbox.wire import Request, Response

ROUTE = re.compile(r"^/(?P<version>[^/]+)/(?P<store>\d+)/(?P<resource>[a-z]+)(?:/(?P<id>\d+))?(?P<rest>/.*)?$")
VERSIONS = {"2025-03", "v1"}
MOST_RESULTS = 10_000
SCOPES = {
    "orders": "read_orders",
    "checkouts": "read_orders",
    "products": "read_products",
    "customers": "read_customers",
}
REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}

Answer = Callable[[dict[str, str]], Response]


class Bucket:
    """A leaky bucket: every request adds one, `leak` of them run out a second."""

    def __init__(self, size: float, leak: float, tick: Callable[[], float]) -> None:
        self.size, self.leak = size, leak
        self._tick = tick
        self._level, self._at = 0.0, tick()
        self._lock = threading.Lock()

    def pour(self) -> tuple[bool, dict[str, str]]:
        """Whether the request fits, and the headers that tell how full the bucket is."""
        with self._lock:
            now = self._tick()
            self._level = max(0.0, self._level - (now - self._at) * self.leak)
            self._at = now
            fits = self._level + 1 <= self.size
            if fits:
                self._level += 1
            level = self._level
        return fits, {
            "X-Rate-Limit-Limit": str(int(self.size)),
            "X-Rate-Limit-Remaining": str(int(self.size - level)),
            "X-Rate-Limit-Reset": str(int(level / self.leak * 1000)),
        }


class NuvemshopStandIn:
    """Every shop of a market behind one API. Safe to call from several threads.

    clock: the platform's present; orders placed later do not exist yet and every order is as it is then. rate: size
    and leak per second of each shop's bucket; rate_scale multiplies both (the larger plans have ten times the rate).
    tick: monotonic seconds for the bucket, which runs in real time even when the present stands still.
    """

    def __init__(
        self,
        market: Market,
        clock: Clock,
        *,
        rate: tuple[float, float] = (40, 2.0),
        rate_scale: float = 1.0,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._shops = {shop.store_id: shop for shop in market.shops}
        self._tokens = {shop.store_token: shop for shop in market.shops}
        self._shelves = {shop.store_id: Shelf(shop) for shop in market.shops}
        self._buckets = {
            shop.store_id: Bucket(rate[0] * rate_scale, rate[1] * rate_scale, tick) for shop in market.shops
        }
        self.unpaid: set[str] = set()
        """Store ids whose owner has not paid the platform: everything answers 402."""

    def handle(self, request: Request) -> Response:
        """The platform's answer to one request."""
        if not request.headers.get("User-Agent", "").strip():
            return _error(400, "Missing User-Agent header.")
        token = _bearer(request.headers.get("Authentication", ""))
        owner = self._tokens.get(token)
        if owner is None:
            return _error(401, "Invalid access token")
        route = ROUTE.match(request.path)
        if route is None or route["version"] not in VERSIONS or route["rest"]:
            return _error(404, "There is no such resource.")
        shop = self._shops.get(route["store"])
        if shop is None:
            return _error(404, "Store not found")
        if shop is not owner:
            return _error(403, "The token belongs to another store.")
        fits, limits = self._buckets[shop.store_id].pour()
        answer = self._limited(request, route, shop) if fits else _error(429, "Too many requests, slow down.")
        answer.headers.update(limits)
        return answer

    def _limited(self, request: Request, route: re.Match[str], shop: Shop) -> Response:
        resource, wanted = route["resource"], route["id"]
        if shop.store_id in self.unpaid:
            return _error(402, "The store has not paid for this app.")
        if resource not in ALLOWED:
            return _error(404, "There is no such resource.")
        if request.method != "GET":
            return _error(405, "This stand-in only reads.")
        scope = SCOPES.get(resource)
        if scope and scope not in shop.scopes:
            return _error(403, f"The token lacks the scope {scope}.")
        try:
            query = read_query(request.query, "one" if wanted or resource == "store" else resource)
        except Refused as refusal:
            return Response.of_json(422, {refusal.field: [refusal.why]})
        now = int(self._clock().timestamp())
        shelf = self._shelves[shop.store_id]
        if resource == "store":
            return Response.of_json(200, query.cut(shelf.store()))
        if wanted:
            found = shelf.one(resource, int(wanted), now)
            return (
                _error(404, f"{resource[:-1].capitalize()} not found")
                if found is None
                else _json(query, [found], one=True)
            )
        if resource == "checkouts":
            return _error(404, "Error finding result with the parameters entered")
        return self._page(request, query, shelf.search(resource, query, now), shelf, resource, now)

    def _page(
        self, request: Request, query: Query, hits: Sequence[int], shelf: Shelf, resource: str, now: int
    ) -> Response:
        total = len(hits)
        if total > MOST_RESULTS:
            return _error(422, f"The query has more than {MOST_RESULTS} results. Narrow it, for instance by date.")
        last = -(-total // query.per_page)
        if query.page > last:
            return _error(404, f"Last page is {last}")
        first = (query.page - 1) * query.per_page
        items = shelf.fetch(resource, hits[first : first + query.per_page], now)
        answer = _json(query, items)
        answer.headers["X-Total-Count"] = str(total)
        links = _links(request, query.page, last)
        if links:
            answer.headers["Link"] = links
        return answer


def _bearer(text: str) -> str:
    scheme, _, token = text.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _json(query: Query, items: list[dict[str, Any]], *, one: bool = False) -> Response:
    shown = [query.cut(item) for item in items]
    return Response.of_json(200, shown[0] if one else shown)


def _links(request: Request, page: int, last: int) -> str:
    """The Link header: the same query with another page, as full addresses."""
    others = [(name, value) for name, value in request.query if name != "page"]
    base = f"http://{request.headers.get('Host', 'localhost')}{request.path}"
    pages = {"first": 1 if page > 1 else 0, "prev": page - 1, "next": page + 1 if page < last else 0}
    pages["last"] = last if page < last else 0
    return ", ".join(
        f'<{base}?{urlencode([*others, ("page", number)])}>; rel="{name}"' for name, number in pages.items() if number
    )


def _error(status: int, description: str) -> Response:
    return Response.of_json(status, {"code": status, "message": REASONS[status], "description": description})
