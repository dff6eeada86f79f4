"""init and config: a workspace, and what is right or wrong in its client files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import ConfigError, Problem, UsageError

IGNORED = ".env\n.cortex/\ndist/\n"


def register(app: typer.Typer) -> None:
    app.command("init")(init)
    config = typer.Typer(help="Client files: validate, show, schema.", no_args_is_help=True)
    config.command("validate")(validate)
    config.command("show")(show)
    config.command("schema")(schema)
    app.add_typer(config, name="config")


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Also in a folder that holds other things.")] = False,
) -> Answer:
    """Start a workspace: tenants/, .env.example and .gitignore. Files that exist are left as they are."""
    from cortex import tenant

    shell: Shell = context.obj
    if folder.is_file():
        raise UsageError("CTX-1021", f"{folder} is a file.")
    foreign = folder.is_dir() and any(folder.iterdir()) and not (folder / "tenants").is_dir()
    if foreign and not force:
        raise UsageError(
            "CTX-1022",
            f"{folder.resolve()} holds other things and no tenants/.",
            fix="Choose an empty folder, or --force.",
        )
    files = {
        "tenants/_example.yaml": tenant.example_text(),
        "tenants/schema.json": json.dumps(tenant.schema(), indent=2, ensure_ascii=False) + "\n",
        ".env.example": tenant.env_example([]),
        ".gitignore": IGNORED,
    }
    made = []
    for name, text in files.items():
        path = folder / name
        state = "unchanged"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            state = "created"
        made.append({"file": name, "state": state})
        shell.show(f"{state:10} {path}")
    return Answer(
        data=made,
        next=["cp tenants/_example.yaml tenants/xyz.yaml", "cortex config validate xyz", "cortex onboard xyz"],
    )


def validate(
    context: typer.Context, clients: Annotated[list[str] | None, typer.Argument(metavar="CLIENT")] = None
) -> Answer:
    """Show every problem of client files at once. All files when none is named."""
    from cortex import tenant

    shell: Shell = context.obj
    codes = clients or shell.workspace.tenant_codes()
    load = tenant.load if clients else tenant.load_file
    problems: list[Problem] = []
    for code in codes:
        try:
            load(shell.workspace, code)
            shell.show(f"tenants/{code}.yaml ok")
        except ConfigError as error:
            problems += error.problems
            if not error.problems:
                raise
    if not clients and (agency := shell.workspace.tenants / tenant.AGENCY_FILE).exists():
        codes = [*codes, agency.stem]
        try:
            tenant.load_agency(shell.workspace)
            shell.show(f"tenants/{agency.name} ok")
        except ConfigError as error:
            problems += error.problems
            if not error.problems:
                raise
    if problems:
        raise ConfigError(
            "CTX-3001",
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {len(codes)} client file{'s' if len(codes) > 1 else ''}.",
            problems=problems,
        )
    return Answer(data=[{"client": code, "valid": True} for code in codes])


def show(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With defaults and where each value comes from.")
    ] = False,
) -> Answer:
    """The settings of a client; with --resolved also the defaults."""
    from cortex import tenant

    shell: Shell = context.obj
    settings = tenant.describe(tenant.load(shell.workspace, client))
    rows = [row for row in settings if resolved or row[2] != "default"]
    shell.table(["setting", "value", "from"], rows)
    return Answer(data=[{"key": key, "value": value, "source": source} for key, value, source in rows], client=client)


def schema(context: typer.Context) -> Answer:
    """JSON Schema of a client file, for editors."""
    from cortex import tenant

    shell: Shell = context.obj
    found = tenant.schema()
    shell.show(json.dumps(found, indent=2, ensure_ascii=False))
    return Answer(data=found)
