"""demo and sandbox: the whole product against local stand-ins of every platform, with no network and no account."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell, brl, number
from cortex.errors import CortexError, UsageError

if TYPE_CHECKING:
    from cortex.sandbox import Running
    from cortex.sandbox.market import Market, Shop

HTTP_PORT, GRPC_PORT = 8765, 8766
LEAK = 10.0
"""The shop's rate limit on its larger plans is ten times the base plan's: the demo's shops are on those."""


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)
    app.command("sandbox")(sandbox)


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Workspace to make.")] = Path("cortex-demo"),
    seed: Annotated[int, typer.Option("--seed", help="Another world.")] = 1,
    orders: Annotated[int, typer.Option("--orders", help="About how many orders, both shops together.")] = 10_000,
    days: Annotated[int, typer.Option("--days", help="Days of history.")] = 90,
) -> Answer:
    """Take two invented shops from client file to report.

    Onboard, backfill, daily and weekly runs, conversions, tracking kit, against local stand-ins of every platform.
    """
    from cortex.reports import page

    shell: Shell = context.obj
    shell.command = "demo"
    page.check_extra()
    _fresh(folder)
    started = time.monotonic()
    world = ["--seed", str(seed), "--days", str(days), "--orders-count", str(orders)]
    shell.say(f"Building a world of two shops: {days} days, about {orders} orders …")
    with _sandbox_beside(folder, world) as codes:
        for words in _script(codes, days):
            shell.say(f"\n$ cortex {' '.join(words)}")
            _cortex(shell, folder, *words)
        reports = {code: _cortex_json(shell, folder, "report", code, "--days", "30") for code in codes}
        status = {row["client"]: row for row in _cortex_json(shell, folder, "status")["data"]}
    return _summary(shell, folder, codes, reports, status, time.monotonic() - started)


def _script(codes: Sequence[str], days: int) -> Iterator[list[str]]:
    """What a person would type, in order."""
    for code in codes:
        yield ["onboard", code]
    yield ["backfill", "--days", str(days), "--jobs", "1"]
    for code in codes:
        yield ["run", "daily", code]
    yield ["run", "weekly", "--all", "--jobs", "1"]
    yield ["tracking", "export", codes[0]]


def sandbox(
    context: typer.Context,
    seed: Annotated[int, typer.Option("--seed", help="Another world.")] = 1,
    count: Annotated[int, typer.Option("--orders-count", help="About how many orders of the invented world.")] = 10_000,
    days: Annotated[int, typer.Option("--days", help="Days of history of the invented world.")] = 90,
    orders: Annotated[str, typer.Option("--orders", metavar="olist:DIR", help="Serve real orders instead.")] = "",
    now: Annotated[
        str, typer.Option("--now", metavar="INSTANT", help="The day it is there, ISO 8601 with offset.")
    ] = "",
    port: Annotated[int, typer.Option("--port", help="HTTP port; 0 takes a free one.")] = HTTP_PORT,
    grpc_port: Annotated[int, typer.Option("--grpc-port", help="Google Ads port; 0 takes a free one.")] = GRPC_PORT,
    write: Annotated[
        bool, typer.Option("--write", help="Write client files and credentials into the workspace.")
    ] = False,
    minutes: Annotated[float, typer.Option("--minutes", help="Stop by itself after this long.")] = 480.0,
) -> Answer:
    """Serve local stand-ins of every platform until Ctrl-C.

    Nuvemshop, Meta, Google Ads, GA4, Data Manager.
    """
    shell: Shell = context.obj
    shell.command = "sandbox"
    instant = _instant(now)
    market = _market(orders, seed=seed, now=instant(), days=days, count=count)
    with _serving(market, port=port, grpc_port=grpc_port, clock=instant, rate_scale=LEAK) as running:
        shell.show(f"HTTP  {running.http_url}   what arrived: {running.http_url}/sandbox/received")
        shell.show(f"gRPC  {running.grpc_url}")
        for shop in market.shops:
            shell.show(f"shop  {shop.code}  {shop.name}  {len(shop.orders)} orders")
        if write:
            for path in write_clients(shell.workspace.root, market, running):
                shell.show(f"wrote {path}")
        if now:
            shell.show(f"Clients must live on the same day: CORTEX_NOW={now}")
        shell.show(f"Serving for {minutes:g} minutes; Ctrl-C stops.")
        _wait(minutes * 60)
    return Answer(data={"http": running.http_url, "grpc": running.grpc_url})


def write_clients(folder: Path, market: Market, running: Running) -> list[Path]:
    """Client files and credentials of a world's shops, pointing at the running sandbox. Returns the paths."""
    tenants = folder / "tenants"
    tenants.mkdir(parents=True, exist_ok=True)
    written = []
    for shop in market.shops:
        path = tenants / f"{shop.code}.yaml"
        path.write_text(client_file(shop, running.http_url, running.grpc_url), encoding="utf-8")
        written.append(path)
    secrets = folder / ".env"
    descriptor = os.open(secrets, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write("# Credentials of the sandbox: they open nothing but the local stand-ins.\n")
        for shop in market.shops:
            handle.write(credentials(shop, running.http_url))
    return [*written, secrets]


def client_file(shop: Shop, http_url: str, grpc_url: str) -> str:
    """The YAML of one shop of the world."""
    import json

    blocks: dict[str, Any] = {
        "client": {"name": shop.name, "code": shop.code, "timezone": shop.timezone, "currency": shop.currency},
        "ecommerce": {"platform": "nuvemshop", "store_id": shop.store_id, "api_url": http_url},
    }
    if shop.meta or shop.google:
        blocks["ads"] = {}
    if shop.meta:
        blocks["ads"]["meta"] = {"enabled": True, "account_id": shop.meta.account_id, "api_url": http_url}
    if shop.google:
        blocks["ads"]["google"] = {"enabled": True, "customer_id": shop.google.customer_id, "api_url": grpc_url}
    if shop.ga4:
        blocks["analytics"] = {"ga4": {"enabled": True, "property_id": shop.ga4.property_id, "api_url": http_url}}
    conversions: dict[str, Any] = {}
    if shop.meta:
        conversions["meta_capi"] = {"enabled": True, "pixel_id": shop.meta.pixel_id, "api_url": http_url}
    if shop.google:
        conversions["google_ec"] = {
            "enabled": True, "conversion_action_id": shop.google.conversion_action_id, "api_url": http_url,
        }  # fmt: skip
    if conversions:
        blocks["offline_conversions"] = conversions
    blocks["privacy"] = {"consent": {"mode": "opt_in"}}
    return "# Made by the sandbox.\n" + _yaml(blocks, json.dumps)


def credentials(shop: Shop, http_url: str) -> str:
    """Lines of `.env` for one shop of the world."""
    import json

    google = json.dumps(
        {
            "type": "authorized_user",
            "client_id": "sandbox",
            "client_secret": "sandbox",
            "refresh_token": shop.google_refresh_token,
            "token_uri": f"{http_url}/token",
        }
    )
    prefix = f"CORTEX_{shop.code.upper()}"
    return f"{prefix}_NUVEMSHOP_TOKEN={shop.store_token}\n{prefix}_META_TOKEN={shop.meta_token}\n{prefix}_GOOGLE_CREDENTIALS='{google}'\n"


def _yaml(value: dict[str, Any], quote: Callable[[str], str], indent: int = 0) -> str:
    lines = []
    for key, item in value.items():
        pad = " " * indent
        if isinstance(item, dict):
            lines.append(f"{pad}{key}:\n{_yaml(item, quote, indent + 2)}")
        elif isinstance(item, bool):
            lines.append(f"{pad}{key}: {'true' if item else 'false'}\n")
        else:
            lines.append(f"{pad}{key}: {quote(str(item))}\n")
    return "".join(lines)


@contextmanager
def _serving(
    market: Market, *, port: int = 0, grpc_port: int = 0, clock: Any = None, rate_scale: float = 1.0
) -> Iterator[Running]:
    from cortex.sandbox import serve

    running = serve(market, port=port, grpc_port=grpc_port, clock=clock, rate_scale=rate_scale)
    try:
        yield running
    finally:
        running.close()


def _market(orders: str, *, seed: int, now: datetime, days: int, count: int) -> Market:
    from cortex.sandbox import olist, world

    if not orders:
        return world.build(seed=seed, now=now, days=days, shops=world.demo_shops(count))
    kind, _, folder = orders.partition(":")
    if kind != "olist" or not folder:
        raise UsageError("CTX-1023", f"--orders {orders!r} is not olist:DIR.")
    return olist.olist_market(Path(folder), now=now, seed=seed)


def _instant(text: str) -> Callable[[], datetime]:
    """A clock that starts at the given instant and goes on, or the system's."""
    from cortex.clock import system_clock

    if not text:
        return system_clock()
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "CTX-1024", f"--now {text!r} is not an instant.", fix="Write it as 2018-08-29T09:00:00-03:00."
        ) from None
    if start.tzinfo is None:
        raise UsageError("CTX-1024", f"--now {text!r} has no offset.", fix="Write it as 2018-08-29T09:00:00-03:00.")
    began = time.monotonic()
    return lambda: start.astimezone(UTC) + timedelta(seconds=time.monotonic() - began)


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))


def _fresh(folder: Path) -> None:
    """An earlier demo is replaced; a folder that is anything else is left alone."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / ".cortex-demo").is_file():
            raise UsageError(
                "CTX-1025", f"{folder.resolve()} holds other things.", fix="Name an empty folder: cortex demo DIR"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".cortex-demo").write_text("Made by `cortex demo`; the next demo here replaces it.\n", encoding="utf-8")


@contextmanager
def _sandbox_beside(folder: Path, world: Sequence[str]) -> Iterator[list[str]]:
    """A sandbox in a process of its own, as platforms are, with its client files in `folder`. Gives the clients' codes."""
    command = [
        sys.executable,
        "-m",
        "cortex",
        "sandbox",
        "--write",
        "--port",
        "0",
        "--grpc-port",
        "0",
        "--minutes",
        "60",
    ]
    child = subprocess.Popen(  # noqa: S603  # our own program and arguments
        [*command, *world, "--workspace", str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        codes = []
        for line in child.stdout:
            kind, _, rest = line.partition(" ")
            if kind == "shop":
                codes.append(rest.split()[0])
            if kind == "Serving":
                break
        else:
            raise CortexError(
                "CTX-9005", "The sandbox ended before it served anything.", fix="cortex sandbox --verbose"
            )
        yield codes
    finally:
        child.terminate()
        child.wait(timeout=30)
        if child.stdout is not None:
            child.stdout.close()


def _cortex(shell: Shell, folder: Path, *words: str) -> None:
    """One command line, exactly as a person would run it. Its failure ends the demo with the same exit code."""
    quiet = ["--quiet"] if shell.json or shell.quiet else []
    command = [sys.executable, "-m", "cortex", *words, "--workspace", str(folder), *quiet]
    code = subprocess.run(command, check=False, stdout=subprocess.DEVNULL if shell.json else None).returncode  # noqa: S603
    if code:
        raise typer.Exit(code)


def _cortex_json(shell: Shell, folder: Path, *words: str) -> dict[str, Any]:
    """The envelope of a command line. Its failure is told, and ends the demo with the same exit code."""
    import json

    command = [sys.executable, "-m", "cortex", *words, "--workspace", str(folder), "--json"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout)
    if done.returncode:
        error = found["error"] or {"code": "CTX-9000", "message": "It says nothing of why.", "fix": ""}
        shell.say(f"cortex {' '.join(words)}: {error['code']} {error['message']} {error['fix']}")
        raise typer.Exit(done.returncode)
    return found


def _summary(
    shell: Shell, folder: Path, codes: Sequence[str], reports: dict[str, Any], status: dict[str, Any], seconds: float
) -> Answer:
    rows = [{"client": code, **status[code], **reports[code]["data"]} for code in codes]

    def value(row: dict[str, Any], key: str) -> Decimal | None:
        got = row["figures"][key]["value"]
        return None if got is None else Decimal(got)

    shell.show()
    shell.show("The last 30 days, as the reports have them:")
    shell.table(
        ["client", "orders", "net revenue", "new customers", "ad spend", "ROAS", "CAC", "accepted by Meta", "by Google"],
        [
            [
                row["client"], number(value(row, "orders")), brl(value(row, "revenue")), number(value(row, "new_customers")),
                brl(value(row, "spend")), number(value(row, "roas"), digits=2), brl(value(row, "cac")),
                number(row["accepted"].get("meta_capi", 0)), number(row["accepted"].get("google_ec", 0)),
            ]
            for row in rows
        ],
        right=("orders", "net revenue", "new customers", "ad spend", "ROAS", "CAC", "accepted by Meta", "by Google"),
    )  # fmt: skip
    shell.show()
    shell.show(f"Done in {seconds:.0f} s. Open a report:")
    for row in rows:
        shell.show(f"  file://{Path(row['path']).resolve()}")
    return Answer(
        data={"clients": rows, "seconds": round(seconds, 1)},
        next=[f"cortex status --workspace {folder}", f"cortex runs list --workspace {folder}"],
    )
