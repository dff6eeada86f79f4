"""The agency's own file, tenants/_agency.yaml: how people are told, for every client whose file says nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from cortex.errors import ConfigError, Problem
from cortex.notify import ChannelSection
from cortex.settings import Section
from cortex.tenant import checking
from cortex.tenant.client import Tenant
from cortex.tenant.document import Entry, Scalar, parse, read_bytes
from cortex.tenant.hunting import Hunt
from cortex.tenant.platforms import INSTALLED
from cortex.tenant.sections import Line, Notifications
from cortex.workspace import Workspace

C = TypeVar("C", bound=ChannelSection)
FILE = "_agency.yaml"


class Own(Section):
    """Who the agency is."""

    name: Line = Field(default="", max_length=120, description="Name as people read it.")
    lang: Literal["pt-BR", "en", "es"] = Field(
        default="pt-BR", description="Language of what is told about all clients."
    )


@dataclass(frozen=True)
class Agency:
    """What the file says; without one, nothing: no channel of the agency's own."""

    own: Own = field(default_factory=Own)
    notifications: Notifications = field(default_factory=Notifications)


BLOCKS: dict[str, type[Section]] = {"agency": Own, "notifications": Notifications}


def load_agency(workspace: Workspace) -> Agency:
    """The agency of a workspace. Raises ConfigError with every problem of its file, as a client's does."""
    path, name = workspace.tenants / FILE, f"tenants/{FILE}"
    if not path.is_symlink() and not path.exists():
        return Agency()
    report = checking.Report(name, parse(read_bytes(path, name), name))
    report.problems += report.document.problems
    hunt = Hunt(name, "", INSTALLED)
    hunt.through(report.document)
    root = report.document.root
    for key, entry in root.entries.items():
        if key not in BLOCKS:
            report.add(entry.line, entry.column, key, "is not a block of this file", f"Blocks: {', '.join(BLOCKS)}.")
    own = checking.section(report, Own, "agency", _entry(root.entries, "agency"))
    told = checking.section(report, Notifications, "notifications", _entry(root.entries, "notifications"))
    if report.problems or hunt.found or own is None or told is None:
        raise _wrong(name, [*hunt.masked(report.problems), *hunt.found], leaked=bool(hunt.found))
    return Agency(own, told)


def channels(tenant: Tenant, of: Agency) -> dict[str, ChannelSection]:
    """By which channels a client's people are told, and how: what its file leaves open the agency's says.

    A channel is in use when either file has its block, or the client's `alerts` name somebody on it. Raises
    ConfigError when the two files together make no sense.
    """
    named = {"slack": bool(tenant.alerts.slack_channel), "email": bool(tenant.alerts.email_recipients)}
    found: dict[str, ChannelSection] = {}
    for kind, model in kinds().items():
        own, general = getattr(tenant.notifications, kind), getattr(of.notifications, kind)
        if own is None and general is None and not named.get(kind):
            continue
        said = _said(general) | (
            {"recipients": tenant.alerts.email_recipients} if kind == "email" and named[kind] else {}
        )
        found[kind] = _joined(model, said | _said(own), tenant.file)
    return {kind: config for kind, config in found.items() if config.enabled and config.when != "never"}


def general_channels(of: Agency) -> dict[str, ChannelSection]:
    """By which channels the agency itself is told about all its clients."""
    every = {kind: getattr(of.notifications, kind) for kind in kinds()}
    return {kind: one for kind, one in every.items() if one is not None and one.enabled and one.when != "never"}


def reminder_hours(tenant: Tenant, of: Agency) -> int:
    own = tenant.notifications
    return own.reminder_hours if "reminder_hours" in own.model_fields_set else of.notifications.reminder_hours


def kinds() -> dict[str, type[ChannelSection]]:
    """Channels a file may name, with the model of their block."""
    found: dict[str, type[ChannelSection]] = {}
    for name, known in Notifications.model_fields.items():
        for arm in getattr(known.annotation, "__args__", ()):
            if isinstance(arm, type) and issubclass(arm, ChannelSection):
                found[name] = arm
    return found


def _said(section: ChannelSection | None) -> dict[str, object]:
    """What a file says itself, defaults left out."""
    return {} if section is None else {name: getattr(section, name) for name in section.model_fields_set}


def _joined(model: type[C], said: Mapping[str, object], file: str) -> C:
    try:
        return model.model_validate(said)
    except ValidationError as failure:
        text = "; ".join(str(error.get("ctx", {}).get("error", error["msg"])) for error in failure.errors())
        raise ConfigError(
            "CTX-8110", f"notifications of {file} and tenants/{FILE} together: {text}.", fix="cortex config validate"
        ) from None


def _entry(entries: Mapping[str, Entry], name: str) -> Entry:
    return entries.get(name) or Entry(1, 1, Scalar("", True, 1, 1))


def _wrong(name: str, problems: list[Problem], *, leaked: bool) -> ConfigError:
    count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    every = sorted(problems, key=lambda problem: (problem.line, problem.column))
    if leaked:
        fix = "Move it to .env and renew it where it was made: a file that is shared has shown it."
        return ConfigError("CTX-3003", f"{name} holds a credential ({count} in all).", problems=every, fix=fix)
    return ConfigError("CTX-3001", f"{name} has {count}.", problems=every, fix="cortex config validate")
