"""Loading: a code becomes a Tenant, or one error with everything that is wrong in its file."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from cortex.conversions.policy import Privacy
from cortex.errors import ConfigError, Problem, UsageError
from cortex.settings import PlatformSection, Section
from cortex.tenant import checking, codes
from cortex.tenant.client import Ecommerce, Tenant
from cortex.tenant.document import Block, Entry, Node, Scalar, parse, read_bytes
from cortex.tenant.hunting import Hunt
from cortex.tenant.platforms import ANNOUNCED, INSTALLED, ROOMS, STORE, Platforms
from cortex.tenant.sections import (
    SECTIONS,
    Alerts,
    Analytics,
    Client,
    Etl,
    FunnelStages,
    Kpis,
    Notifications,
    Quality,
    Schedule,
    Tracking,
    homes,
)
from cortex.workspace import Workspace

S = TypeVar("S", bound=Section)


def load(workspace: Workspace, code: str, *, platforms: Platforms = INSTALLED) -> Tenant:
    """The client of that code.

    Raises UsageError for a code that cannot be (CTX-1030) or has no file (CTX-1001), and ConfigError with every
    problem of the file: CTX-3001 wrong content, CTX-3002 no plain small YAML, CTX-3003 a credential in it.
    """
    codes.check(code)
    path = workspace.tenants / f"{code}.yaml"
    if not path.is_symlink() and not path.exists():
        raise codes.unknown(workspace, code)
    return _Reader(path, f"tenants/{code}.yaml", code, platforms).tenant()


def load_version(path: Path, code: str, *, platforms: Platforms = INSTALLED) -> Tenant:
    """Another version of a client's file, wherever it lies, to compare with. Raises ConfigError as `load`."""
    return _Reader(path, path.name, codes.check(code), platforms).tenant()


def load_each(workspace: Workspace, *, platforms: Platforms = INSTALLED) -> Iterator[Tenant | ConfigError]:
    """Every client file in turn, each as its Tenant or its error: one broken file hides no other client."""
    for stem in workspace.tenant_codes():
        try:
            yield load_file(workspace, stem, platforms=platforms)
        except ConfigError as error:
            yield error


def load_file(workspace: Workspace, stem: str, *, platforms: Platforms = INSTALLED) -> Tenant:
    """The client of a file that is there. As `load`, but a file whose name cannot be a code is a ConfigError too."""
    try:
        return load(workspace, stem, platforms=platforms)
    except UsageError as error:
        file = f"tenants/{stem}.yaml"
        hint = f"Rename it to {codes.suggestion(stem)}.yaml, or start its name with _ if it is no client."
        raise ConfigError(
            "CTX-3001",
            f"{file} is not named after a client code.",
            problems=[Problem(file, 1, 1, "", "the file name is not a client code", hint)],
            fix=error.fix,
        ) from None


def load_all(workspace: Workspace, active_only: bool = True, *, platforms: Platforms = INSTALLED) -> list[Tenant]:
    """Every client, by code. Raises one ConfigError with the problems of all files when any is wrong."""
    found: list[Tenant] = []
    errors: list[ConfigError] = []
    for each in load_each(workspace, platforms=platforms):
        if isinstance(each, Tenant):
            found.append(each)
        else:
            errors.append(each)
    if errors:
        problems = [problem for error in errors for problem in error.problems]
        files = f"{len(errors)} client file{'' if len(errors) == 1 else 's'}"
        code = max(error.code for error in errors)
        raise ConfigError(
            code,
            f"{files} of {len(errors) + len(found)} cannot be used.",
            problems=problems,
            fix="cortex config validate",
        )
    return [tenant for tenant in found if tenant.active or not active_only]


@dataclass
class _Reader:
    """One file on its way to a Tenant."""

    path: Path
    file: str
    code: str
    platforms: Platforms
    disabled: set[str] = field(default_factory=set)

    def tenant(self) -> Tenant:
        content = read_bytes(self.path, self.file)
        hunt = Hunt(self.file, self.code, self.platforms)
        try:
            document = parse(content, self.file)
        except ConfigError as error:
            hunt.through_text(content.decode("utf-8", "replace").splitlines())
            raise self._error(hunt, error.problems, error.code) from None
        hunt.through(document)
        self.report = checking.Report(self.file, document, list(document.problems))
        self._unknown_blocks(document.root)
        client, shop = self._client(), self._shop()
        self._same_code(document.root)
        blocks = {block: self._platforms_of(block) for block in ROOMS if block != STORE}
        etl, analytics = self._own(Etl, "etl"), self._own(Analytics, "analytics_config")
        alerts, quality = self._own(Alerts, "alerts"), self._own(Quality, "quality")
        funnel = self._own(FunnelStages, "funnel_stages")
        tracking, kpis = self._own(Tracking, "tracking"), self._own(Kpis, "kpis")
        schedule, notifications = self._own(Schedule, "schedule"), self._own(Notifications, "notifications")
        privacy = self._own(Privacy, "privacy") if "privacy" in document.root.entries else None
        wrong = self.report.problems or hunt.found
        if wrong or not (client and shop and etl and analytics and alerts and quality):
            raise self._error(hunt, self.report.problems)
        if not (funnel and tracking and kpis and schedule and notifications):
            raise self._error(hunt, self.report.problems)
        return Tenant(
            code=client.code,
            name=client.name,
            timezone=ZoneInfo(client.timezone),
            currency=client.currency,
            lang=client.lang,
            active=client.active,
            ecommerce=shop,
            ads=blocks["ads"],
            traffic=blocks["analytics"],
            destinations=blocks["offline_conversions"],
            disabled=frozenset(self.disabled),
            etl=etl,
            analytics=analytics,
            alerts=alerts,
            notifications=notifications,
            privacy=privacy,
            quality=quality,
            funnel=funnel,
            tracking=tracking,
            kpis=kpis,
            schedule=schedule,
            path=self.path,
            file=self.file,
            sha256=hashlib.sha256(content).hexdigest(),
            sources=self.report.sources,
            warnings=tuple(self._warnings(blocks["offline_conversions"], privacy)),
        )

    def _error(self, hunt: Hunt, problems: Sequence[Problem], code: str = "CTX-3001") -> ConfigError:
        """Where a credential was found, that is the news: it must be renewed, not only moved."""
        every = sorted([*hunt.masked(problems), *hunt.found], key=lambda problem: (problem.line, problem.column))
        count = f"{len(every)} problem{'' if len(every) == 1 else 's'}"
        if hunt.found:
            code, message = "CTX-3003", f"{self.file} holds a credential ({count} in all)."
            fix = "Move it to .env and renew it at the platform: a file that is shared has shown it."
        elif code == "CTX-3002":
            message, fix = f"{self.file} cannot be taken as a client file.", "Compare it with tenants/_example.yaml."
        else:
            message, fix = f"{self.file} has {count}.", f"cortex config validate {self.code}"
        return ConfigError(code, message, problems=every, fix=fix)

    def _entry(self, name: str) -> Entry:
        root = self.report.document.root
        return root.entries.get(name) or Entry(1, 1, Scalar("", True, 1, 1))

    def _client(self) -> Client | None:
        if "client" not in self.report.document.root.entries:
            self.report.add(1, 1, "client", "is missing", "Every client has a name, a code and a timezone.")
            return None
        return self._own(Client, "client")

    def _own(self, model: type[S], name: str) -> S | None:
        return checking.section(self.report, model, name, self._entry(name), elsewhere=_HOMES)

    def _same_code(self, root: Block) -> None:
        block = root.get("client")
        code = block.get("code") if isinstance(block, Block) else None
        if isinstance(code, Scalar) and code.value is not None and code.text.strip() != self.code:
            self.report.add(code.line, code.column, "client.code", f"must be {self.code}, as the file is called")

    def _unknown_blocks(self, root: Block) -> None:
        known = [*SECTIONS, *ROOMS]
        for key, entry in root.entries.items():
            if key in known:
                continue
            near = difflib.get_close_matches(key, known, n=1)
            home = _HOMES.get(key, "")
            hint = f"Did you mean {home or near[0]}?" if home or near else f"Blocks: {', '.join(known)}."
            self.report.add(entry.line, entry.column, key, "is not a block of a client file", hint)

    def _shop(self) -> Ecommerce | None:
        entry = self._entry(STORE)
        block = entry.node
        platform = block.get("platform") if isinstance(block, Block) else None
        available = self.platforms.kinds(ROOMS[STORE])
        if not isinstance(block, Block):
            text = "is missing" if isinstance(block, Scalar) and block.value is None else "must be a block of keys"
            self.report.add(entry.line, entry.column, STORE, text, "Every client has a shop.")
            return None
        if not isinstance(platform, Scalar) or platform.value is None:
            at, text = (platform, "must be the name of a platform") if platform else (entry, "is missing")
            self.report.add(at.line, at.column, f"{STORE}.platform", text, f"Available: {', '.join(available)}.")
            return None
        if platform.text not in available:
            hint = _available(platform.text, available)
            self.report.add(platform.line, platform.column, f"{STORE}.platform", "is not available", hint)
            return None
        enabled = block.get("enabled")
        if isinstance(enabled, Scalar) and enabled.value is False:
            text = "a client cannot be without its shop"
            self.report.add(
                enabled.line, enabled.column, f"{STORE}.enabled", text, "To pause the client: client.active: false."
            )
            return None
        model = self.platforms.adapter(ROOMS[STORE], platform.text).Config
        config = checking.section(self.report, model, STORE, entry, skip=("platform",), elsewhere=_HOMES)
        self.report.sources[f"{STORE}.platform"] = f"{self.file}:{platform.line}"
        return Ecommerce(platform.text, config) if config is not None else None

    def _platforms_of(self, name: str) -> dict[str, PlatformSection]:
        entry = self._entry(name)
        found: dict[str, PlatformSection] = {}
        if isinstance(entry.node, Block):
            for kind, each in entry.node.entries.items():
                config = self._platform(name, kind, each)
                if config is not None:
                    found[kind] = config
        elif not (isinstance(entry.node, Scalar) and entry.node.value is None):
            self.report.add(entry.line, entry.column, name, "must be a block of keys", "One key per platform.")
        return found

    def _platform(self, name: str, kind: str, entry: Entry) -> PlatformSection | None:
        """The enabled platform's settings; None when it is off or wrong."""
        path = f"{name}.{kind}"
        available = self.platforms.kinds(ROOMS[name])
        enabled = entry.node.get("enabled") if isinstance(entry.node, Block) else None
        off = isinstance(enabled, Scalar) and enabled.value is False
        announced = off and kind in ANNOUNCED.get(name, ())
        if kind not in available and not announced:
            self.report.add(entry.line, entry.column, path, "is not available", _available(kind, available))
            return None
        if kind not in available:
            checking.section(self.report, PlatformSection, path, entry)
            self.disabled.add(path)
            return None
        model = self.platforms.adapter(ROOMS[name], kind).Config
        config = checking.section(
            self.report, model, path, entry, inherited=self._inherited(model), elsewhere=_HOMES, optional=off
        )
        if off:
            self.disabled.add(path)
            self.report.sources.setdefault(f"{path}.enabled", f"{self.file}:{enabled.line}" if enabled else "")
            return None
        return config

    def _inherited(self, model: type[PlatformSection]) -> dict[str, tuple[str, Scalar]]:
        """What a Config says it takes from another block when its own has no such key (`inherits`)."""
        found: dict[str, tuple[str, Scalar]] = {}
        wanted: Mapping[str, str] = getattr(model, "inherits", {})
        for key, origin in wanted.items():
            node: Node | None = self.report.document.root
            for part in origin.split("."):
                node = node.get(part) if isinstance(node, Block) else None
            if isinstance(node, Scalar) and node.value is not None:
                found[key] = (origin, node)
        return found

    def _warnings(self, destinations: Mapping[str, PlatformSection], privacy: Privacy | None) -> Iterator[Problem]:
        if destinations and (privacy is None or privacy.consent is None):
            entry = self._entry("offline_conversions")
            kinds = ", ".join(destinations)
            yield Problem(
                self.file,
                entry.line,
                entry.column,
                "privacy.consent",
                f"is missing: no conversion leaves for {kinds} until the client's consent rule is written down.",
                "In the block privacy, add consent: {mode: opt_in} or {mode: opt_out}, as the client instructs.",
            )


def _available(kind: str, available: Sequence[str]) -> str:
    near = difflib.get_close_matches(kind.lower(), available, n=1)
    known = f"Available: {', '.join(available) or 'none yet'}."
    return f"Did you mean {near[0]}? {known}" if near else known


_HOMES = homes()
