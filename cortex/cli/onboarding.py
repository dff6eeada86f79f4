"""onboard: from a client file to a provisioned, checked client, in one resumable command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse.accounts import Ensured


def register(app: typer.Typer) -> None:
    app.command("onboard")(onboard)


def onboard(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show the plan; change nothing.")] = False,
) -> Answer:
    """Provision and check a client; safe to repeat.

    Schema, seeds, views, credentials, tracking kit, checklist.
    """
    from cortex.clock import system_clock
    from cortex.secrets import Vault
    from cortex.steps import handover, provision
    from cortex.tenant import env_files
    from cortex.warehouse import accounts
    from cortex.warehouse import provision as schema

    shell: Shell = context.obj
    shell.command = "onboard"
    tenant = _load(shell, client)
    workspace = shell.workspace
    shell.say(f"Onboarding {tenant.code}   workspace {workspace.root}")
    parts = " · ".join(kind for _, kind, _ in tenant.platforms())
    shell.say(f" ✓ client file     tenants/{tenant.code}.yaml valid ({parts})")
    if dry_run:
        return _plan(shell, tenant)

    vault = Vault(tenant.code, workspace.root)
    new_key = not _has_key(vault)
    vault.identity_key(create=True)
    schema.plan(shell.database, tenant.code, workspace.state)  # another client's schema stops here, before any right
    ensured = accounts.ensure(shell.database, tenant.code, workspace.state)
    changes = [*ensured.changes, *schema.apply(shell.database, tenant.code, workspace.state)]
    _say_changes(shell, tenant, [change for change in changes if change not in ensured.changes])
    _say_users(shell, tenant, ensured)
    checked = list(provision.check(tenant, workspace, system_clock()))
    refused = [check for check in checked if check.error is not None]
    for check in checked:
        if check.account is not None:
            shell.say(f" ✓ credentials     {check.name}: {check.account.name or check.account.id}")
        elif check.error is not None:
            shell.say(f" ! credentials     {check.name}: {check.error.message}")
            shell.say(f"                   fix: {check.error.fix or 'cortex explain ' + check.error.code}")
    path, kit, kit_changed = handover.write_kit(tenant, workspace)
    shell.say(f" ✓ tracking kit    {path} ({'written' if kit_changed else 'unchanged'})")
    missing = env_files.complete(tenant, workspace)
    if missing:
        shell.say(f" ✓ .env.example    {len(missing)} name{'s' if len(missing) > 1 else ''} added")
    standing = _standing(shell, tenant, checked)
    shell.say(f" ✓ checklist       {standing}")
    warnings = [{"code": "CTX-3050", "message": str(problem)} for problem in tenant.warnings]
    for warning in warnings:
        shell.say(f" ! client file     {warning['message']}")
    if ensured.unwilling:
        warnings.append(
            {"code": "CTX-5024", "message": f"{tenant.code} has no database users of its own. {ensured.unwilling}"}
        )
    nothing = not changes and not kit_changed and not new_key and not missing
    shell.show(
        f"{tenant.code}: nothing to change. Checklist: {standing}."
        if nothing
        else f"{tenant.code}: ready"
        + (f" with {len(refused)} pending credential{'s' if len(refused) > 1 else ''}." if refused else ".")
    )
    return Answer(
        client=tenant.code,
        data={
            "changed": not nothing,
            "changes": [str(change) for change in changes],
            "credentials": [_check_facts(check) for check in checked],
            "tracking_kit": path,
            "env_example": missing,
            "kit_warnings": kit.warnings,
            "checklist": standing,
        },
        warnings=warnings,
        next=[f"cortex doctor {tenant.code}"]
        if refused
        else [f"cortex backfill {tenant.code} --days 90", f"cortex run daily {tenant.code}"],
    )


def _load(shell: Shell, client: str) -> Tenant:
    """The client, or how to start its file: nothing is made from a code that has none."""
    from cortex import tenant as tenants
    from cortex.tenant import codes

    codes.check(client)
    if client not in shell.workspace.tenant_codes() and not shell.workspace.tenant_codes():
        raise ConfigError(
            "CTX-3051", f"There is no {shell.workspace.tenants / client}.yaml yet.",
            fix=f"cortex init, then copy tenants/_example.yaml to tenants/{client}.yaml and fill it in.",
        )  # fmt: skip
    try:
        return tenants.load(shell.workspace, client)
    except UsageError as error:
        raise UsageError(
            error.code, error.message, fix=f"Copy tenants/_example.yaml to tenants/{client}.yaml and fill it in."
        ) from None


def _plan(shell: Shell, tenant: Tenant) -> Answer:
    from cortex.tenant import env_files
    from cortex.warehouse import accounts
    from cortex.warehouse import provision as schema

    wanted = (shell.database, tenant.code, shell.workspace.state)
    changes = [str(change) for change in [*schema.plan(*wanted), *accounts.plan(*wanted)]]
    changes += [f"add {name} to .env.example" for name in env_files.missing(tenant, shell.workspace)]
    for change in changes:
        shell.show(f"+ {change}")
    shell.show(f"{len(changes)} changes pending, 0 to destroy" if changes else "nothing to change")
    return Answer(
        client=tenant.code, data={"changes": changes}, next=[f"cortex onboard {tenant.code}"] if changes else []
    )


def _say_changes(shell: Shell, tenant: Tenant, changes: list[Any]) -> None:
    if not changes:
        shell.say(f" ✓ schema          cortex_{tenant.code} up to date")
        return
    counted: dict[str, int] = {}
    for change in changes:
        kind = change.what.split()[0]
        counted[kind] = counted.get(kind, 0) + 1
    said = ", ".join(
        f"{count} {kind}{'s' if count > 1 and not kind.endswith('s') else ''}" for kind, count in counted.items()
    )
    shell.say(f" ✓ schema          cortex_{tenant.code}: {said}")


def _say_users(shell: Shell, tenant: Tenant, ensured: Ensured) -> None:
    for change in ensured.changes:
        done = "made" if change.verb == "create" else "mended: new password, or rights as they should be"
        shell.say(f" ✓ database user   {change.what.removeprefix('user ')} {done}")
    if ensured.unwilling:
        shell.say(f" ! database users  none of its own. {ensured.unwilling} The configured user goes on being used.")
        shell.say(f"                   what an administrator can run: cortex db users {tenant.code}")


def _has_key(vault: Any) -> bool:
    from cortex.errors import CredentialError

    try:
        vault.identity_key()
    except CredentialError:
        return False
    return True


def _check_facts(check: Any) -> dict[str, Any]:
    if check.error is not None:
        return {
            "platform": check.name,
            "ok": False,
            "code": check.error.code,
            "message": check.error.message,
            "fix": check.error.fix,
        }
    return {"platform": check.name, "ok": True, "account": check.account.name or check.account.id}


def _standing(shell: Shell, tenant: Tenant, checked: list[Any]) -> str:
    from cortex.handoff import checklist
    from cortex.steps import milestones

    milestones.record_checks(shell.database, shell.workspace, tenant.code, checked)
    return checklist.summary(milestones.standing(tenant, shell.workspace, shell.database), "en")
