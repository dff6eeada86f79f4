"""The sandbox: faithful local stand-ins of every platform Cortex speaks to, fed by one deterministic world."""

from __future__ import annotations

import ipaddress
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cortex.clock import Clock
from cortex.errors import UsageError
from cortex.sandbox.bigquery import BigQueryStandIn
from cortex.sandbox.data_manager import DataManagerStandIn
from cortex.sandbox.faults import Faults
from cortex.sandbox.ga4 import Ga4StandIn
from cortex.sandbox.market import Market
from cortex.sandbox.measurement import MeasurementStandIn
from cortex.sandbox.meta import MetaStandIn
from cortex.sandbox.nuvemshop import NuvemshopStandIn
from cortex.sandbox.oauth import OAuth
from cortex.sandbox.received import Call, Delivery, Received, Refusal
from cortex.sandbox.server import Front, HttpServer, Route
from cortex.sandbox.slack import SlackStandIn
from cortex.sandbox.tiktok import TikTokStandIn
from cortex.sandbox.wire import standing

if TYPE_CHECKING:
    from types import TracebackType

    from cortex.sandbox.google_ads import GoogleAdsStandIn

__all__ = ["Call", "Delivery", "Faults", "Received", "Refusal", "Running", "serve"]


@dataclass
class Running:
    """A sandbox that answers. `received` tells what arrived, `faults` what goes wrong; `close` ends it.

    The stand-ins are there for what only a test wants: `oauth.expire()`, `ga4.flags[...]`, `meta.failing_reports`.
    """

    http_url: str
    grpc_url: str
    """`grpc://host:port` of Google Ads; empty when it was not asked for."""
    market: Market
    received: Received
    faults: Faults
    oauth: OAuth
    meta: MetaStandIn
    ga4: Ga4StandIn
    bigquery: BigQueryStandIn
    data_manager: DataManagerStandIn
    nuvemshop: NuvemshopStandIn
    slack: SlackStandIn
    google_ads: GoogleAdsStandIn | None
    _http: HttpServer = field(repr=False)
    _closed: threading.Event = field(default_factory=threading.Event, repr=False)

    def close(self) -> None:
        """Stop listening and close every connection. Closing twice is harmless."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._http.close()
        if self.google_ads is not None:
            self.google_ads.stop()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(
    market: Market,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    grpc_port: int = 0,
    clock: Clock | None = None,
    rate_scale: float = 1.0,
    faults: Faults | None = None,
    google: bool = True,
) -> Running:
    """Serve every platform of `market` on one HTTP port and, with `google`, Google Ads on a gRPC port.

    clock: the platforms' present; by default it stands still at `market.now`. rate_scale: how many times as fast as
    the real ones they are: limits are multiplied by it, and reports and uploads are ready after fewer polls (after
    the first from 5 on). Port 0 takes a free one. Raises UsageError for an address that is not of this machine alone: the tokens are
    public and the shoppers look real. Raises OSError when a port is taken.
    """
    _only_here(host)
    present = clock or standing(market.now)
    received, failing = Received(), faults or Faults()
    oauth = OAuth(market)
    meta = MetaStandIn(market, clock=present, received=received, rate_scale=rate_scale)
    ga4 = Ga4StandIn(market, oauth, clock=present, rate_scale=rate_scale)
    bigquery = BigQueryStandIn(market, oauth, clock=present, rate_scale=rate_scale)
    data_manager = DataManagerStandIn(market, oauth, clock=present, received=received, rate_scale=rate_scale)
    tiktok = TikTokStandIn(market, clock=present, received=received, rate_scale=rate_scale)
    measurement = MeasurementStandIn(market, clock=present, received=received)
    nuvemshop = NuvemshopStandIn(market, clock=present, rate_scale=rate_scale)
    slack = SlackStandIn(clock=present, rate_scale=rate_scale)
    routes: list[Route] = [
        (re.compile(r"/(?:20\d\d-\d\d|v1/\d+)/"), "nuvemshop", nuvemshop),
        (re.compile(r"/v\d+\.\d+/"), "meta", meta),
        (re.compile(r"/v1beta/properties/"), "ga4", ga4),
        (re.compile(r"/bigquery/v2/"), "bigquery", bigquery),
        (re.compile(r"/v1/(?:events:ingest|requestStatus:retrieve)$"), "data_manager", data_manager),
        (re.compile(r"/open_api/v1\.3/event/track/?$"), "tiktok", tiktok),
        (re.compile(r"/(?:debug/)?mp/collect$"), "ga4_mp", measurement),
        (re.compile(r"/token$"), "oauth", oauth),
        (re.compile(r"/services/"), "slack", slack),
    ]

    def health() -> dict[str, Any]:
        return {"status": "ok", "now": present().isoformat(), "shops": [shop.code for shop in market.shops]}

    own = {"/sandbox/health": health, "/sandbox/received": received.summary}
    http = HttpServer(host, port, Front(routes, own, received, failing))
    ads: GoogleAdsStandIn | None = None
    grpc_url = ""
    if google:
        from cortex.sandbox.google_ads import GoogleAdsStandIn

        ads = GoogleAdsStandIn(
            market,
            oauth,
            clock=present,
            received=received,
            faults=failing,
            rate_scale=rate_scale,
            uploaded=data_manager.uploads,
        )
        try:
            grpc_url = f"grpc://{host}:{ads.start(host, grpc_port)}"
        except OSError:
            http.close()
            raise
    return Running(
        f"http://{host}:{http.port}",
        grpc_url,
        market,
        received,
        failing,
        oauth,
        meta,
        ga4,
        bigquery,
        data_manager,
        nuvemshop,
        slack,
        ads,
        http,
    )


def _only_here(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback or ":" in host:
        raise UsageError(
            "CTX-1071",
            f"The sandbox does not listen on {host}: it serves this machine only.",
            fix="Leave --host out, or use 127.0.0.1.",
        )
