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
    """Write the tracking kit of a client: GTM container, dataLayer contract, snippets, guides, checklist."""
    import json

    from cortex import tenant as tenants
    from cortex.handoff import kit, lint
    from cortex.steps import provision

    shell: Shell = context.obj
    tenant = tenants.load(shell.workspace, client)
    built = kit.build(provision.kit_spec(tenant))
    path = out or shell.workspace.dist / f"{tenant.code}-tracking.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    kit.write_zip(built.files, path)
    container = json.loads(built.files["container.json"])["containerVersion"]
    counts = {name: len(container.get(name, [])) for name in ("tag", "trigger", "variable")}
    findings = lint.lint(json.loads(built.files["container.json"]))
    errors = [finding for finding in findings if finding.severity == "error"]
    shell.show(f"{path}")
    shell.say(
        f"  container.json   {counts['tag']} tags, {counts['trigger']} triggers, {counts['variable']} variables"
        f" · {len(errors)} lint errors · no secrets"
    )
    shell.say("  " + " · ".join(name for name in sorted(built.files) if name != "container.json"))
    for warning in built.warnings:
        shell.say(f"  ! {warning}")
    shell.say("Handoff: import container.json in GTM (Merge, Rename conflicting) → Preview → publish.")
    return Answer(
        client=client,
        data={"path": path, "files": sorted(built.files), "counts": counts, "lint_errors": len(errors)},
        warnings=[{"code": "CTX-3060", "message": warning} for warning in built.warnings],
    )
