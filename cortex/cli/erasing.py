"""erase: a person who asks to be forgotten (LGPD art. 18). Who it is comes from standard input, never from the command line."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import PolicyRefusal, UsageError

if TYPE_CHECKING:
    from cortex.records import Person
    from cortex.steps.erasing import Found
    from cortex.tenant import Tenant

FIELDS = {"email": "E-mail", "phone": "Phone", "document": "CPF or CNPJ", "store_id": "Customer id in the shop"}


def register(app: typer.Typer) -> None:
    app.command("erase")(erase)


def erase(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking again.")] = False,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for a run of the client to end.")] = 0.0,
) -> Answer:
    """Erase a buyer from a client's data; totals stay. Asks who, or reads lines such as `email: …` on standard input."""
    from secrets import token_hex

    from cortex import tenant as tenants
    from cortex.clock import system_clock
    from cortex.runner.lease import Lease
    from cortex.secrets import Vault
    from cortex.steps import erasing

    shell: Shell = context.obj
    shell.command = "erase"
    tenant = tenants.load(shell.workspace, client)
    key = Vault(tenant.code, shell.workspace.root).identity_key()
    asked = (key, _person(shell), tenant.ecommerce.kind)
    with shell.warehouse(tenant.code, writes=True) as warehouse:
        found = erasing.find(warehouse, *asked)
        if not found.aliases:
            raise UsageError(
                "CTX-8020", "Nobody was named whom an order could be known by.", fix="cortex explain CTX-8020"
            )
        told = warehouse.rows(
            "SELECT destination, COUNT(*) AS conversions FROM conversion_outbox WHERE order_key IN :keys"
            " AND sent_at IS NOT NULL GROUP BY destination ORDER BY destination",
            keys=found.keys or [""],
        )
        sent = {row["destination"]: row["conversions"] for row in told}
        _say(shell, found, sent)
        if dry_run:
            return Answer(client=tenant.code, data={"orders": len(found.orders), "erased": False, "told": sent})
        _confirm(shell, tenant, yes=yes)
        owner = f"erase-{token_hex(8)}"
        with (
            shell.control() as ledger,
            Lease(ledger, tenant.code, owner, wait) as lease,
        ):
            if (newer := warehouse.fence(lease.epoch)) is not None:
                lease.beyond(newer)
                warehouse.fence(lease.epoch)
            found = erasing.find(warehouse, *asked)
            at = system_clock()()
            rows = warehouse.atomically(lambda tx: erasing.erase(tx, key, found, now=at))
    return _certify(shell, tenant, found, rows, sent, at)


def _person(shell: Shell) -> Person:
    """Asked for on a terminal, else read from standard input: a line per fact, an address or phone also without its name."""
    from cortex.records import Person

    if sys.stdin.isatty() and not shell.no_input:
        shell.say("Who is to be forgotten? Leave out what is not known.")
        given = {
            name: typer.prompt(f"  {label}", default="", show_default=False, err=True) for name, label in FIELDS.items()
        }
    else:
        given = dict(_fact(line) for line in sys.stdin.read().splitlines() if line.strip())
    return Person(**{name: value.strip() for name, value in given.items()})


def _fact(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if colon and name.strip().lower() in FIELDS:
        return name.strip().lower(), value
    return ("email" if "@" in line else "phone"), line


def _say(shell: Shell, found: Found, sent: dict[str, int]) -> None:
    if not found.orders:
        shell.show("No order names this person. Older orders read from now on will land without them.")
        return
    days = [row["created_at"].date() for row in found.orders]
    buyers = len({row["customer_key"] for row in found.orders})
    shell.show(f"{len(days)} orders of {buyers} buyer{'s' if buyers > 1 else ''}, placed {min(days)} to {max(days)}.")
    for destination, count in sent.items():
        shell.show(f"{count} conversions were told to {destination}: ask the platform to forget them too.")


def _confirm(shell: Shell, tenant: Tenant, *, yes: bool) -> None:
    if yes:
        return
    typed = ""
    if sys.stdin.isatty() and not shell.no_input:
        typed = typer.prompt("Type the client's code to erase for ever", default="", show_default=False, err=True)
    if typed.strip() != tenant.code:
        raise PolicyRefusal(
            "CTX-8021", "Nothing was erased: it was not confirmed.", fix=f"cortex erase {tenant.code} --yes"
        )


def _certify(
    shell: Shell, tenant: Tenant, found: Found, rows: dict[str, int], sent: dict[str, int], at: datetime
) -> Answer:
    """A file that proves what was done and names nobody."""
    from cortex import __version__

    facts: dict[str, Any] = {
        "client": tenant.code,
        "erased_at": at.isoformat(timespec="seconds"),
        "orders": len(found.orders),
        "rows": rows,
        "told": sent,
        "cortex": __version__,
    }
    path = shell.workspace.dist / f"{tenant.code}-erasure-{at:%Y%m%dT%H%M%S}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    shell.table(["table", "rows"], [[name, count] for name, count in rows.items() if count], right=("rows",))
    shell.show(str(path))
    return Answer(client=tenant.code, data={**facts, "erased": True, "path": path})
