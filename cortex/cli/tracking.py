"""tracking: hand over the GTM container and everything around it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortex.cli.shell import Answer, Shell


def register(app: typer.Typer) -> None:
    tracking = typer.Typer(help="The GTM handoff: export.", no_args_is_help=True)
    tracking.command("export")(export)
    app.add_typer(tracking, name="tracking")


def export(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write the zip.")] = None,
) -> Answer:
    """Write the tracking kit of a client.

    GTM container, dataLayer contract, snippets, guides, checklist.
    """
    from cortex import tenant as tenants
    from cortex.steps import handover

    shell: Shell = context.obj
    shell.command = "tracking export"
    tenant = tenants.load(shell.workspace, client)
    path, kit, _ = handover.write_kit(tenant, shell.workspace, out)
    errors = [finding for finding in kit.findings if finding.severity == "error"]
    shell.show(str(path))
    counts = ", ".join(f"{count} {name}" for name, count in kit.counts.items())
    shell.say(f"  container.json   GTM import file ({counts}) · {len(errors)} lint errors · no secrets")
    shell.say("  " + " · ".join(name for name in sorted(kit.files) if "/" not in name and name != "container.json"))
    folders = sorted({name.split("/")[0] for name in kit.files if "/" in name})
    shell.say("  " + " · ".join(f"{folder}/" for folder in folders))
    for warning in kit.warnings:
        shell.say(f"  ! {warning}")
    shell.say("Handoff: import container.json in GTM (Merge, Rename conflicting) → Preview → publish.")
    return Answer(
        client=client,
        data={"path": path, "files": sorted(kit.files), "counts": kit.counts, "lint_errors": len(errors)},
        warnings=[{"code": "CTX-3060", "message": warning} for warning in kit.warnings],
    )
