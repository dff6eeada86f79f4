"""Tag Manager's own words: parameters, variables, triggers and tags as an export file (exportFormatVersion 2) writes them.

Ids are reserved in the order things are asked for, also for what is left out, so that switching a part on or off does not
renumber the rest of the container.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

ALL_PAGES = "2147479553"
CONSENT_INIT = "2147479572"
INIT = "2147479573"

# The importer gives the container's own ids; these only have to be numbers and agree with each other.
ACCOUNT = "6000000000"
CONTAINER = "100000000"
FINGERPRINT = "1767225600000"


def text(key: str, value: str) -> Json:
    return {"type": "TEMPLATE", "key": key, "value": value}


def flag(key: str, value: bool) -> Json:
    return {"type": "BOOLEAN", "key": key, "value": "true" if value else "false"}


def number(key: str, value: int) -> Json:
    return {"type": "INTEGER", "key": key, "value": str(value)}


def ref(name: str) -> str:
    """A variable as tags name it."""
    return "{{" + name + "}}"


def condition(kind: str, left: str, right: str) -> Json:
    """One condition of a trigger: `left` is a variable, `right` what it is compared with."""
    return {"type": kind, "parameter": [text("arg0", left), text("arg1", right)]}


def table(key: str, rows: Sequence[tuple[str, str]]) -> Json:
    """Rows of name and value, as the Google tag keeps its settings."""
    made = [{"type": "MAP", "map": [text("parameter", name), text("parameterValue", value)]} for name, value in rows]
    return {"type": "LIST", "key": key, "list": made}


def consent(*types: str) -> Json:
    """What a tag needs before it may fire; none says that it was thought about and needs nothing more.

    Google's own tags check their consent themselves, so they are NOT_NEEDED here.
    """
    if not types:
        return {"consentStatus": "NOT_NEEDED"}
    names = [{"type": "TEMPLATE", "value": name} for name in types]
    return {"consentStatus": "NEEDED", "consentType": {"type": "LIST", "list": names}}


@dataclass
class Draft:
    """A container in the making. context: WEB or SERVER."""

    context: Literal["WEB", "SERVER"] = "WEB"
    clients: list[Json] = field(default_factory=list)
    folders: list[Json] = field(default_factory=list)
    variables: list[Json] = field(default_factory=list)
    triggers: list[Json] = field(default_factory=list)
    tags: list[Json] = field(default_factory=list)
    templates: list[Json] = field(default_factory=list)
    next_id: dict[str, int] = field(
        default_factory=lambda: {"folder": 1, "variable": 101, "trigger": 201, "tag": 301, "template": 401, "one": 1}
    )

    def _id(self, kind: str) -> str:
        # Exports of server containers number everything with one counter; two elements with one id are refused.
        kind = kind if self.context == "WEB" else "one"
        self.next_id[kind] += 1
        return str(self.next_id[kind] - 1)

    def _element(self, kind: str, name: str, **rest: object) -> Json:
        return _owned() | {f"{kind}Id": self._id(kind), "name": name, "fingerprint": FINGERPRINT} | rest

    def folder(self, name: str, *, when: bool = True) -> str:
        made = self._element("folder", name)
        if when:
            self.folders.append(made)
        return str(made["folderId"])

    def variable(self, name: str, kind: str, parameters: Sequence[Json], folder: str, *, when: bool = True) -> None:
        made = self._element("variable", name, type=kind, parameter=list(parameters), parentFolderId=folder)
        if when:
            self.variables.append(made | {"formatValue": {}})

    def constant(self, name: str, value: str, folder: str, *, when: bool = True) -> None:
        self.variable(name, "c", [text("value", value)], folder, when=when)

    def layer(self, path: str, folder: str, *, when: bool = True) -> None:
        """A data-layer variable named after its path."""
        parameters = [number("dataLayerVersion", 2), flag("setDefaultValue", False), text("name", path)]
        self.variable(f"CTX - dl {path}", "v", parameters, folder, when=when)

    def code(self, name: str, javascript: str, folder: str, *, when: bool = True) -> None:
        self.variable(name, "jsm", [text("javascript", javascript)], folder, when=when)

    def client(self, name: str, kind: str, parameters: Sequence[Json], folder: str) -> None:
        """What claims requests in a server container."""
        made = self._element("client", name, type=kind, parameter=list(parameters), parentFolderId=folder)
        self.clients.append(made | {"priority": {"type": "INTEGER", "value": "0"}})

    def event_data(self, path: str, folder: str) -> None:
        """A variable of a server container that reads the claimed event."""
        self.variable(f"CTX - ed {path}", "ed", [flag("setDefaultValue", False), text("keyPath", path)], folder)

    def event(
        self,
        name: str,
        folder: str,
        *,
        when: bool = True,
        matching: Literal["EQUALS", "MATCH_REGEX"] = "EQUALS",
        called: str = "",
        filters: Sequence[Json] = (),
    ) -> str:
        """A trigger on an event: of the data layer, or one that a client of a server container claimed."""
        made = self._element(
            "trigger",
            called or f"CTX - {name}",
            type="CUSTOM_EVENT",
            customEventFilter=[condition(matching, "{{_event}}", name)],
            parentFolderId=folder,
        )
        if filters:
            made["filter"] = list(filters)
        if when:
            self.triggers.append(made)
        return str(made["triggerId"])

    def template(self, name: str, source: str) -> str:
        """A custom template; the answer is the tag type that uses it."""
        made = self._element("template", name, templateData=source)
        self.templates.append(made)
        return f"cvt_{CONTAINER}_{made['templateId']}"

    def tag(
        self,
        name: str,
        kind: str,
        parameters: Sequence[Json],
        triggers: Sequence[str],
        folder: str,
        *,
        needs: Sequence[str] = (),
        priority: int | None = None,
        after: str = "",
        fires: Literal["ONCE_PER_EVENT", "ONCE_PER_LOAD"] = "ONCE_PER_EVENT",
        paused: bool = False,
        notes: str = "",
        when: bool = True,
    ) -> None:
        """A tag. needs: consent types. after: a tag that must have run before. notes are read by people in Tag Manager."""
        made = self._element(
            "tag",
            name,
            type=kind,
            parameter=list(parameters),
            firingTriggerId=list(triggers),
            parentFolderId=folder,
            tagFiringOption=fires,
            monitoringMetadata={"type": "MAP"},
            # Consent reaches a server container inside the events; nothing is asked of its tags.
            consentSettings=consent(*needs) if self.context == "WEB" else {"consentStatus": "NOT_SET"},
        )
        if priority is not None:
            made["priority"] = {"type": "INTEGER", "value": str(priority)}
        if after:
            made["setupTag"] = [{"tagName": after, "stopOnSetupFailure": True}]
        if paused:
            made["paused"] = True
        if notes:
            made["notes"] = notes
        if when:
            self.tags.append(made)

    def html(self, name: str, script: str, triggers: Sequence[str], folder: str, **rest: Any) -> None:
        """A Custom HTML tag that holds one script."""
        parameters = [text("html", f"<script>\n{script}\n</script>"), flag("supportDocumentWrite", False)]
        self.tag(name, "html", parameters, triggers, folder, **rest)

    def export(self, name: str, built_ins: Iterable[tuple[str, str]]) -> Json:
        """The whole file. `built_ins` are pairs of type and name. The dates are fixed: nothing changed, nothing differs."""
        used = {item["parentFolderId"] for item in self.variables + self.triggers + self.tags + self.clients}
        version = _owned() | {
            "path": f"accounts/{ACCOUNT}/containers/{CONTAINER}/versions/0",
            "containerVersionId": "0",
            "container": _container(name, self.context),
            "builtInVariable": [_owned() | {"type": kind, "name": label} for kind, label in built_ins],
            "folder": [folder for folder in self.folders if folder["folderId"] in used],
            "variable": self.variables,
            "trigger": self.triggers,
            "tag": self.tags,
            "customTemplate": self.templates,
            "fingerprint": FINGERPRINT,
        }
        if self.clients:
            version["client"] = self.clients
        return {"exportFormatVersion": 2, "exportTime": "2026-01-01 00:00:00", "containerVersion": version}


def _owned() -> Json:
    return {"accountId": ACCOUNT, "containerId": CONTAINER}


def _container(name: str, context: str) -> Json:
    return _owned() | {
        "path": f"accounts/{ACCOUNT}/containers/{CONTAINER}",
        "name": name,
        "publicId": "GTM-0000000",
        "usageContext": [context],
        "fingerprint": FINGERPRINT,
        "tagIds": ["GTM-0000000"],
    }
