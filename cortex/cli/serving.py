"""serve, api: the HTTP API, and who may use it."""

from __future__ import annotations

import contextlib
import getpass
import socket
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError

LONGEST_NAME = 64


def register(app: typer.Typer) -> None:
    app.command("serve")(serve)
    api = typer.Typer(help="The HTTP API: keys, audit.", no_args_is_help=True)
    keys = typer.Typer(help="Keys of the HTTP API: create, list, revoke.", no_args_is_help=True)
    keys.command("create")(keys_create)
    keys.command("list")(keys_list)
    keys.command("revoke")(keys_revoke)
    api.add_typer(keys, name="keys")
    api.command("audit")(audit)
    app.add_typer(api, name="api")


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    expose: Annotated[
        bool, typer.Option("--expose", help="Listen on an address other machines reach, without encryption.")
    ] = False,
) -> Answer:
    """Answer the HTTP API until Ctrl-C. Runs it is asked for are done by `cortex worker`."""
    from cortex import logs
    from cortex.web import server

    shell: Shell = context.obj
    server.check_extra()
    logs.configure(fmt=shell.log_format, verbose=shell.verbose, quiet=shell.quiet)
    listening = server.bind(host, port, exposed=expose)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    logs.logger().info("listening", url=url, exposed=not server.is_loopback(host))
    if not server.is_loopback(host):
        shell.say(f"! Everybody who reaches this machine can ask at {url}, and keys travel there in the clear.")
        shell.say("! Put a proxy with TLS before it, and let nobody but the proxy through.")
    shell.say(f"{url}   documentation: {url}/docs")
    shell.say("Ctrl-C ends it in order. Keys: cortex api keys create. Runs it is asked for need a `cortex worker`.")
    server.run(listening, shell.workspace, shell.database)
    shell.say("Stopped.")
    return Answer(data={"url": url})


def keys_create(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="Whose or what it is for, to know it again.")] = "",
    client: Annotated[str, typer.Option("--client", metavar="CLIENT", help="The one client it may ask about.")] = "",
    everyone: Annotated[bool, typer.Option("--all", help="Every client, also those to come.")] = False,
    role: Annotated[str, typer.Option("--role", help="viewer and analyst read; admin may also begin runs.")] = "viewer",
) -> Answer:
    """Make a key and print it, this once: only its digest is kept."""
    from cortex import tenant as tenants
    from cortex.warehouse import KEY, ROLES

    shell: Shell = context.obj
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise UsageError("CTX-8213", f"A key needs a --name of 1 to {LONGEST_NAME} characters.", fix="--name painel")
    if bool(client) == everyone:
        raise UsageError("CTX-8213", "Say --client CLIENT or --all, one of them.", fix="--client CLIENT")
    if role not in ROLES:
        raise UsageError("CTX-8213", f"There is no role {role!r}.", fix="--role viewer, analyst or admin")
    if role == "viewer" and everyone:
        raise UsageError("CTX-8213", "A viewer sees one client.", fix="--client CLIENT, or --all --role analyst")
    code = tenants.load(shell.workspace, client).code if client else ""
    with shell.control() as control:
        key = control.callers.create(name.strip(), role=role, client=code, actor=_who(), at=_now())
    shaped = KEY.fullmatch(key)
    assert shaped is not None
    shell.say("It is shown this once. Send it as the header Authorization: Bearer KEY.")
    shell.show(key)
    facts = {"key_id": shaped[1], "name": name.strip(), "role": role, "client": code or None}
    return Answer(data=facts, client=code, shown_once={"key": key}, next=["cortex serve", "cortex api keys list"])


def keys_list(context: typer.Context) -> Answer:
    """Every key: whose it is, what it may do, when it was last used."""
    shell: Shell = context.obj
    with shell.control() as control:
        found = control.callers.keys()
    shell.table(
        ["key", "name", "role", "client", "created (UTC)", "last used", "state"],
        [
            [
                row["key_id"], row["name"], row["role"], row["client"] or "all", _at(row["created_at"]), _at(row["used_at"]),
                f"revoked {_at(row['revoked_at'])}" if row["revoked_at"] else "valid",
            ]
            for row in found
        ],
    )  # fmt: skip
    return Answer(data=found)


def keys_revoke(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="KEY", help="Its id or its name, as `list` shows them.")],
) -> Answer:
    """End a key's validity, at once."""
    shell: Shell = context.obj
    with shell.control() as control:
        rows = control.callers.keys()
        found = [row for row in rows if which in (row["key_id"], row["name"]) and row["revoked_at"] is None]
        if len(found) != 1:
            how = "more than one valid key is called" if found else "no valid key is called"
            valid = ", ".join(row["key_id"] for row in rows if row["revoked_at"] is None) or "none"
            raise UsageError("CTX-8212", f"{how.capitalize()} {which[:LONGEST_NAME]!r}.", fix=f"Valid: {valid}.")
        key_id = found[0]["key_id"]
        control.callers.revoke(key_id, actor=_who(), at=_now())
    shell.show(f"{key_id} is no longer valid.")
    return Answer(data={"key_id": key_id, "name": found[0]["name"]})


def audit(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, newest first.")] = 20,
) -> Answer:
    """Who changed what over the API. Runs begun, keys made and revoked, what was refused."""
    shell: Shell = context.obj
    with shell.control() as control:
        found = control.callers.trail(limit)
    shell.table(
        ["when (UTC)", "who", "what", "client", "subject", "refused"],
        [
            [_at(row["noted_at"]), row["actor"], row["action"], row["client"], row["subject"], row["refusal"]]
            for row in found
        ],
    )
    return Answer(data=found)


def _at(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else "—"


def _now() -> datetime:
    return datetime.now(UTC)


def _who() -> str:
    """The person at this machine, for the audit; a container may have no name for its user."""
    user: Any = "?"
    with contextlib.suppress(KeyError, OSError):
        user = getpass.getuser()
    return f"cli:{user}@{socket.gethostname()}"[:96]
