"""tracking: hand over the GTM container and everything around it, and look at containers in use."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import DatabaseError, QualityGate, UsageError

if TYPE_CHECKING:
    from cortex.handoff.compare import Change
    from cortex.handoff.export import Finding
    from cortex.handoff.kit import Kit

SIGNS = {"error": "✗", "warning": "!", "info": "·"}
STATES = {"ok": "✓", "failed": "✗", "off": "–"}
CHANGES = {"missing": "-", "changed": "~", "renamed": "→", "added": "+"}

Client = Annotated[str, typer.Argument(metavar="CLIENT")]
ExportFile = Annotated[Path, typer.Argument(metavar="EXPORT", help="Container export of Tag Manager (JSON).")]
Severity = Annotated[
    str, typer.Option("--severity", help="Which findings end with exit code 8: error, warning or none.")
]


def register(app: typer.Typer) -> None:
    tracking = typer.Typer(help="The GTM handoff: export, audit, diff, test.", no_args_is_help=True)
    tracking.command("export")(export)
    tracking.command("audit")(audit)
    tracking.command("diff")(diff)
    tracking.command("test")(rehearse)
    app.add_typer(tracking, name="tracking")


def export(
    context: typer.Context,
    client: Client,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write the zip; - for stdout.")] = None,
    server: Annotated[bool, typer.Option("--server", help="Bring a server container too.")] = False,
    sheet: Annotated[bool, typer.Option("--sheet", help="Only the sheet of variables, as CSV on stdout.")] = False,
) -> Answer:
    """Write the tracking kit of a client.

    GTM containers, dataLayer contract, snippets, guides, checklist. --lang pt-BR or en: pages in that language alone.
    """
    from cortex import tenant as tenants
    from cortex.steps import handover

    shell: Shell = context.obj
    shell.command = "tracking export"
    if shell.lang == "es":
        raise UsageError(
            "CTX-3302", "The kit's pages are written in pt-BR and en.", fix="--lang en, or no --lang for both."
        )
    tenant = tenants.load(shell.workspace, client)
    if sheet:
        text = handover.make_kit(tenant, shell.lang, server=server)["VARIABLES.csv"].decode()
        shell.show(text.rstrip("\n"))
        return Answer(client=client, data={"sheet": text})
    if out is not None and str(out) == "-":
        return _to_stdout(shell, client, handover.make_kit(tenant, shell.lang, server=server))
    path, kit, changed = handover.write_kit(tenant, shell.workspace, out, shell.lang, server=server)
    errors = [finding for finding in kit.findings if finding.severity == "error"]
    shell.show(str(path))
    _describe(shell, kit, len(errors))
    for warning in kit.warnings:
        shell.say(_wrapped(f"  ! {warning}", 4))
    shell.say("Handoff: import container.json in GTM (Merge, Rename conflicting) → Preview → publish.")
    return Answer(
        client=client,
        data={
            "path": path,
            "changed": changed,
            "files": sorted(kit.files),
            "counts": kit.counts,
            "lint_errors": len(errors),
        },
        warnings=[{"code": "CTX-3060", "message": warning} for warning in kit.warnings],
        next=[f"cortex tracking test {client}"],
    )


def _to_stdout(shell: Shell, client: str, kit: Kit) -> Answer:
    from cortex.handoff.kit import zipped

    if shell.json or shell.out.isatty():
        raise UsageError(
            "CTX-3303", "A zip is no text: --out - needs a pipe or a file, and no --json.", fix="--out kit.zip"
        )
    shell.out.flush()
    shell.out.buffer.write(zipped(kit))
    shell.out.buffer.flush()
    return Answer(client=client)


def _describe(shell: Shell, kit: Kit, errors: int) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in kit.counts.items())
    shell.say(f"  container.json   GTM import file ({counts})")
    if "server_container.json" in kit:
        shell.say("  server_container.json   import file of the server container")
    shell.say(f"  {errors} lint errors · no secrets")
    names = [name for name in sorted(kit.files) if "/" not in name and not name.endswith("container.json")]
    shell.say(_wrapped("  " + " · ".join(names), 2))
    folders = sorted({name.split("/")[0] for name in kit.files if "/" in name})
    shell.say("  " + " · ".join(f"{folder}/" for folder in folders))


def audit(
    context: typer.Context,
    file: ExportFile,
    client: Annotated[
        str, typer.Option("--client", metavar="CLIENT", help="Also compare ids with this client's.")
    ] = "",
    severity: Severity = "error",
) -> Answer:
    """Say what is wrong with any Tag Manager container. Web or server; exit code 8 when something is."""
    from cortex import tenant as tenants
    from cortex.handoff import audit as auditing
    from cortex.handoff.reading import read_export
    from cortex.steps import handover, milestones

    shell: Shell = context.obj
    shell.command = "tracking audit"
    _known(severity)
    tenant = tenants.load(shell.workspace, client) if client else None
    container = read_export(file)
    findings = auditing.audit(container, handover.kit_spec(tenant) if tenant else None)
    counts = auditing.counts(container)
    shell.say(f"{file.name}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    _show_findings(shell, findings)
    tally = {kind: sum(finding.severity == kind for finding in findings) for kind in SIGNS}
    shell.show(f"{tally['error']} errors, {tally['warning']} warnings, {tally['info']} notes")
    if tenant and not tally["error"]:
        try:
            milestones.record(shell.database, shell.workspace, tenant.code, {"tracking.audit": f"audit of {file.name}"})
        except DatabaseError as unreachable:
            shell.say(f"The checklist could not be ticked: {unreachable.message}")
    failed = tally["error"] + (tally["warning"] if severity == "warning" else 0)
    error = _gate(shell, severity, failed, f"{failed} findings in {file.name} need mending.")
    facts = [vars(finding) for finding in findings]
    return Answer(client=client, error=error, data={"counts": counts, "tally": tally, "findings": facts})


def diff(
    context: typer.Context,
    client: Client,
    file: ExportFile,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 10 when the kit's elements differ.")] = False,
    every: Annotated[bool, typer.Option("--every", help="Also list the client's own elements.")] = False,
) -> Answer:
    """Show what a client changed in its container. Compared with what the kit would bring today."""
    from cortex import tenant as tenants
    from cortex.handoff import compare
    from cortex.handoff.reading import read_export
    from cortex.steps import handover

    shell: Shell = context.obj
    shell.command = "tracking diff"
    tenant = tenants.load(shell.workspace, client)
    theirs = read_export(file)
    ours = handover.make_containers(tenant, server=compare.context(theirs) == "SERVER")[compare.context(theirs)]
    changes = compare.compare(ours, theirs)
    kit = [change for change in changes if compare.of_the_kit(change)]
    own = [change for change in changes if not compare.of_the_kit(change)]
    for change in [*kit, *(own if every else [])]:
        _show_change(shell, change)
    said = "the kit's elements are as exported" if not kit else f"{len(kit)} elements of the kit differ"
    shell.show(f"{said}; {len(own)} elements are the client's own")
    code = 10 if exit_code and kit else 0
    return Answer(
        client=client, exit_code=code, data={"kit": [vars(each) for each in kit], "own": [vars(each) for each in own]}
    )


def rehearse(
    context: typer.Context,
    client: Client,
    container: Annotated[
        Path | None, typer.Option("--container", help="Run this export instead of the kit's container.")
    ] = None,
) -> Answer:
    """Walk a purchase through the container. In a browser without network.

    Refused, undecided and granted; ids and values are held against what Cortex sends. Exit code 8 when a check fails.
    """
    from cortex import tenant as tenants
    from cortex.handoff.reading import read_export
    from cortex.steps import rehearsal

    shell: Shell = context.obj
    shell.command = "tracking test"
    tenant = tenants.load(shell.workspace, client)
    checks = rehearsal.rehearse(tenant, shell.workspace, read_export(container) if container else None)
    for check in checks:
        shell.show(_wrapped(f" {STATES[check.state]} {check.name.ljust(22)} {_harmless(check.said)}", 26))
    failed = [check for check in checks if not check.ok]
    shell.show(f"{len(checks)} checks, {len(failed)} failed")
    shell.say("Run by Cortex's own interpreter: it proves logic and references, not that Google takes the import.")
    error = _gate(shell, "error", len(failed), f"{len(failed)} of {len(checks)} checks of the container failed.")
    facts = [{"check": check.name, "state": check.state, "message": check.said} for check in checks]
    return Answer(client=client, error=error, data={"checks": facts, "failed": len(failed)})


def _known(severity: str) -> None:
    if severity not in {"error", "warning", "none"}:
        raise UsageError("CTX-1091", f"--severity {severity!r} is not error, warning or none.")


def _gate(shell: Shell, severity: str, failed: int, said: str) -> QualityGate | None:
    if not failed or severity == "none":
        return None
    error = QualityGate(
        "CTX-3402", said, fix="Mend what is listed in Tag Manager, export again, and repeat this command."
    )
    shell.complain(error)
    return error


def _show_findings(shell: Shell, findings: Sequence[Finding]) -> None:
    """One finding per two lines: what and where, then why. Names come from a file nobody vouches for."""
    for finding in findings:
        shell.show(_wrapped(f" {SIGNS[finding.severity]} {finding.rule.ljust(20)} {_harmless(finding.element)}", 24))
        shell.show(_wrapped(f"   {' ' * 20} {_harmless(finding.message)}", 24))


def _show_change(shell: Shell, change: Change) -> None:
    shell.show(_wrapped(f" {CHANGES[change.state]} {change.state.ljust(8)} {change.kind} {_harmless(change.name)}", 12))
    for where, before, after in change.fields[:12]:
        shell.show(_wrapped(f"            {_harmless(where)}: {_short(before)} → {_short(after)}", 14))


def _short(text: str) -> str:
    clean = _harmless(" ".join(text.split()))
    return "(none)" if not clean else clean if len(clean) <= 60 else f"{clean[:57]}…"


def _harmless(text: str) -> str:
    """Without control characters: a name in a foreign file must not write on the terminal."""
    return "".join(sign if sign.isprintable() else "�" for sign in text[:400])


def _wrapped(line: str, indent: int) -> str:
    """The line at the terminal's width, what goes on below indented."""
    width = max(60, min(shutil.get_terminal_size().columns, 120))
    # Runs of spaces align columns, so white space is kept; at the head of the line too.
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=" " * indent)) or line
