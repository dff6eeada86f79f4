"""Nuvemshop (Tiendanube): orders by change time, and the catalogue, over its REST API 2025-03.

Rules and limits: the platform's pages on authentication, pagination, rate limiting and the order resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from pydantic import field_validator

import cortex
from cortex.clock import Window
from cortex.errors import BadRecord, ConfigError, CortexError, CredentialError, PlatformError, Throttled
from cortex.http import Bucket, Client, default_error, retry_after
from cortex.records import Account, History, Order, Product
from cortex.settings import PlatformSection, SecretName
from cortex.stores import Store
from cortex.stores import _nuvemshop_fields as fields
from cortex.stores import _nuvemshop_goods as catalogue
from cortex.stores import _nuvemshop_order as mapping
from cortex.stores import _nuvemshop_wire as wire
from cortex.stores._nuvemshop_pages import CAP, Listing, TooMany
from cortex.stores._nuvemshop_wire import spoken, text
from cortex.stores._oddities import Oddities
from cortex.stores._values import STREAM

API = "https://api.nuvemshop.com.br"
VERSION = "2025-03"
TOKEN = SecretName("NUVEMSHOP_TOKEN", "access token of the app installed in the shop (OAuth, never expires)")
BEGINNING = datetime(2010, 1, 1, tzinfo=UTC)
"""Before the platform's first shop."""
RECENT = timedelta(days=7)
"""Orders looked at to see whether buyers are told: few enough for any shop."""
SPARE = 3.0
"""Places of the shop's bucket left empty: other apps take some between our look at it and our request."""
HIDDEN = ("refunded", "voided", "abandoned")
"""The documentation says that payment_status `any` means authorized, pending and paid: the others are asked for
by name, unless `any` has shown one."""


class Nuvemshop(Store):
    """A Nuvemshop shop."""

    class Config(PlatformSection):
        store_id: str
        contact: str = ""
        """E-mail or page of the agency, told to Nuvemshop in User-Agent: its support asks for it."""

        @field_validator("store_id", mode="before")
        @classmethod
        def _number_as_text(cls, value: object) -> object:
            return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

        @field_validator("store_id")
        @classmethod
        def _digits(cls, value: str) -> str:
            if not (value.isascii() and value.isdigit() and len(value) <= 20):
                raise ValueError("must be the shop's number, as `user_id` in the OAuth answer")
            return value

    config: Config
    secrets = (TOKEN,)
    docs = "platforms/nuvemshop.md"
    history = History(days=None, rows=CAP)

    def check(self) -> Account:
        """Shop and scopes, in two calls. Raises CredentialError, ConfigError (no such shop), Transient, PlatformError."""
        recent = self.access.clock() - RECENT
        with self._client() as client:
            shop = self._shop(client)
            seen = client.get(
                "/orders",
                # Without a first day a shop of more than 10,000 orders refuses the question.
                {"page": 1, "per_page": 1, "fields": "id,customer", "created_at_min": f"{recent:%Y-%m-%dT%H:%M:%S%z}"},
                decode=wire.Page(wire.Order, STREAM),
                accept=(200, 404),
            ).value
        blind = isinstance(seen, list) and any(isinstance(one, wire.Order) and one.customer is None for one in seen)
        note = "no scope read_customers: returning buyers are recognised by e-mail and document only" if blind else ""
        return Account(
            id=self.config.store_id, name=spoken(shop.name), currency=(shop.main_currency or "").upper(), note=note
        )

    def orders(self, window: Window) -> Iterator[Order]:
        """Orders whose `updated_at` lies in the window, up to now.

        Spans overlap by a second, so an order changed at midnight comes with both days. What changes while it is
        read belongs to the next run, which is why runs read some days again (`etl.lookback_days`).
        """
        since, until = window.bounds(self.access.timezone)
        now = self.access.clock()
        until = min(until, now)
        if since >= until:
            return
        oddities = Oddities("Nuvemshop")
        with self._client() as client:
            listing = Listing(
                client,
                "/orders",
                wire.Page(wire.Order, STREAM, lambda records: oddities.fields(fields.unknown(records))),
                "updated_at_min",
                "updated_at_max",
                now,
                lambda: self._shop(client),
            )
            shown: set[str] = set()
            for state in ("any", *HIDDEN):
                if state in shown:
                    continue
                for told in listing.between(since, until, status="any", payment_status=state):
                    try:
                        if isinstance(told, BadRecord):
                            raise told
                        shown.add(told.payment_status or "")
                        found = mapping.order(told, self.access.timezone, oddities)
                    except BadRecord as bad:
                        self.access.quarantine(bad)
                    else:
                        yield found
        for notice in oddities.notices():
            self.access.notice(notice)

    def announced(self, window: Window) -> int:
        """How many orders placed in the window the shop itself counts, asked in as few lists as the cap allows.

        Orders it hides from lists (refunded, voided, abandoned ones, as the documentation has it) may be missing.
        """
        with self._client() as client:
            return self._announced(client, window)

    def _announced(self, client: Client, window: Window) -> int:
        since, until = window.bounds(self.access.timezone)
        params: dict[str, str | int] = {
            "page": 1,
            "per_page": 1,
            "fields": "id",
            "status": "any",
            "created_at_min": f"{since:%Y-%m-%dT%H:%M:%S%z}",
            "created_at_max": f"{until - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S%z}",
        }
        try:
            reply = client.get("/orders", params, decode=msgspec.json.Decoder(msgspec.Raw).decode, accept=(200, 404))
        except TooMany:
            if window.days == 1:
                raise
            middle = window.since + timedelta(days=window.days // 2)
            halves = (Window(window.since, middle), Window(middle, window.until))
            return sum(self._announced(client, half) for half in halves)
        return 0 if reply.status == 404 else int(reply.headers.get("X-Total-Count", 0))

    def products(self) -> Iterator[Product]:
        """The catalogue as it is now, one Product each: lowest price, units of all variants, cost of the first."""
        with self._client() as client:
            shop = self._shop(client)
            currency = (shop.main_currency or "BRL").upper()
            listing = Listing(
                client,
                "/products",
                wire.Page(wire.Product, "store.products"),
                "created_at_min",
                "created_at_max",
                self.access.clock(),
                lambda: shop,
            )
            for told in listing.between(BEGINNING, listing.now):
                try:
                    if isinstance(told, BadRecord):
                        raise told
                    found = catalogue.product(told, currency, self.access.timezone)
                except BadRecord as bad:
                    self.access.quarantine(
                        BadRecord("store.products", bad.key or text(getattr(told, "id", "")), bad.reason)
                    )
                else:
                    yield found

    def _shop(self, client: Client) -> wire.Shop:
        return client.get("/store", decode=msgspec.json.Decoder(wire.Shop).decode).value

    def _client(self) -> Client:
        bucket = Bucket(per_second=2.0, burst=40.0 - SPARE)
        return Client(
            "Nuvemshop",
            _base_url(self.config.api_url or API, self.config.store_id),
            {
                # Not `Authorization`: the platform reads its own header.
                "Authentication": f"bearer {self.access.secret(TOKEN).reveal()}",
                "User-Agent": f"Cortex/{cortex.__version__} ({self.config.contact or 'cortex-ecom'})",
            },
            bucket=bucket,
            error=lambda status, headers, body: _judge(self.config.store_id, status, headers, body),
            observe=lambda headers: _follow(bucket, headers),
            sleep=self.access.sleep,
        )


def _base_url(api_url: str, store_id: str) -> str:
    """The API's root for one shop; a version, or version and shop, already in the setting are kept."""
    root = api_url.rstrip("/").removesuffix(f"/{store_id}")
    versioned = re.search(r"/(v\d+|\d{4}-\d{2})$", root)
    return f"{root}/{store_id}" if versioned else f"{root}/{VERSION}/{store_id}"


def _follow(bucket: Bucket, headers: Mapping[str, str]) -> None:
    """Take limit and pace from the answer: bigger plans leak ten times faster, and other apps share the bucket."""
    try:
        limit, remaining = float(headers["X-Rate-Limit-Limit"]), float(headers["X-Rate-Limit-Remaining"])
        empties_in = float(headers.get("X-Rate-Limit-Reset", 0)) / 1000
    except (KeyError, ValueError):
        return
    used = limit - remaining
    if limit > SPARE:
        bucket.burst = limit - SPARE
    if used >= 1 and empties_in > 0:
        bucket.per_second = min(100.0, max(0.5, used / empties_in))
    bucket.observe(used)


def _judge(store_id: str, status: int, headers: Mapping[str, str], body: bytes) -> CortexError:
    if status == 401:
        return CredentialError(
            "CTX-4401",
            f"Nuvemshop refused the token of shop {store_id} (401).",
            fix="The app was removed or installed again: authorise it anew and set NUVEMSHOP_TOKEN.",
        )
    if status == 403:
        return CredentialError(
            "CTX-4402",
            f"The token of shop {store_id} lacks a permission (403).",
            fix="Authorise the app with the scopes read_orders, read_products and read_customers.",
        )
    if status == 402:
        return PlatformError(
            "CTX-4403",
            f"Nuvemshop has suspended shop {store_id} or the app for lack of payment (402).",
            fix="The shop's owner settles it in the Nuvemshop admin; nothing is lost meanwhile.",
        )
    if status == 404:
        return ConfigError(
            "CTX-4404",
            f"Nuvemshop has no shop {store_id} at this address (404).",
            fix="Check ecommerce.store_id and ecommerce.api_url in the client file.",
        )
    if status == 429:
        return Throttled(
            "CTX-4406", f"Shop {store_id} has used up its requests (429).", retry_after=_until_free(headers)
        )
    if status in {400, 422} and b"10000" in re.sub(rb"[.,]", b"", body):
        return TooMany("CTX-4410", f"A query of shop {store_id} finds more than {CAP} records.")
    if status in {400, 415, 422}:
        return PlatformError(
            "CTX-4405",
            f"Nuvemshop did not accept the request ({status}).",
            fix="Please report this with the time of the run; the platform may have changed.",
        )
    return default_error("Nuvemshop")(status, headers, body)


def _until_free(headers: Mapping[str, str]) -> float:
    """Seconds to wait: `Retry-After`, else the milliseconds until the bucket is empty."""
    try:
        return retry_after(headers) or max(0.0, float(headers.get("X-Rate-Limit-Reset", 0)) / 1000)
    except ValueError:
        return 0.0
