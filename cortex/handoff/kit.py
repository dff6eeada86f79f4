"""The tracking kit of a client: container, guides, event map, data-layer contract and checks, the same bytes every time."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cortex.handoff import sources
from cortex.handoff.container import container
from cortex.handoff.elements import Json
from cortex.handoff.events import EVENTS, mapping_csv
from cortex.handoff.lint import Finding, lint, parameter
from cortex.handoff.places import ATTRIBUTES, NAMES, PLACES
from cortex.handoff.server import server_container
from cortex.handoff.spec import SCRIPTS, KitSpec, Pending, pending

__all__ = ["Kit", "KitSpec", "Pending", "build", "pending", "write_zip"]

# Source page -> where it goes in the kit, Portuguese at the root and English under en/.
_PAGES = {
    "gtm/guide": ("GUIA_GTM.md", "en/GTM_GUIDE.md"),
    "meta_capi/guide": ("GUIA_META_CAPI.md", "en/META_CAPI_GUIDE.md"),
    "google_ec/guide": ("GUIA_GOOGLE_EC.md", "en/GOOGLE_EC_GUIDE.md"),
    "gtm/server": ("GUIA_SERVIDOR.md", "en/SERVER_GUIDE.md"),
    "datalayer/contract": ("DATALAYER.md", "en/DATALAYER.md"),
    "gtm/checklist": ("CHECKLIST.md", "en/CHECKLIST.md"),
    "gtm/test_plan": ("TEST_PLAN.md", "en/TEST_PLAN.md"),
}


class Kit(dict[str, bytes]):
    """Files by path. `pending` is what a person must still fill in, `findings` what the lint said of the container."""

    def __init__(
        self, files: Mapping[str, bytes], language: str, lacks: list[Pending], findings: list[Finding]
    ) -> None:
        super().__init__(files)
        self.language = language
        self.pending = lacks
        self.findings = findings

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files alone."""
        return self

    @property
    def warnings(self) -> list[str]:
        """One sentence per missing value, in the client's language."""
        return [item.words(self.language) for item in self.pending]

    @property
    def counts(self) -> dict[str, int]:
        """Tags, triggers and variables in the container, for one line on the terminal."""
        version = json.loads(self["container.json"])["containerVersion"]
        return {
            name: len(version[key])
            for name, key in (("tags", "tag"), ("triggers", "trigger"), ("variables", "variable"))
        }


def build(spec: KitSpec, language: str = "") -> Kit:
    """The whole kit. Deterministic: no clock, sorted keys, Unix line ends; equal specs give equal bytes.

    language: `pt-BR` or `en` for pages in that language alone; empty for both, English under en/. Missing ids become
    placeholders, their tags are paused, and `Kit.warnings` says so.
    """
    made, lacks = {"container.json": container(spec)}, pending(spec)
    if spec.server:
        made["server_container.json"] = server_container(spec)
    findings = [finding for each in made.values() for finding in lint(each)]
    files = {name: _json(each) for name, each in made.items()} | {
        "event_mapping.csv": mapping_csv().encode(),
        "VARIABLES.csv": _variables(made["container.json"], lacks).encode(),
    }
    for name in [event.ga4 for event in EVENTS] + ["ctx_consent_update"]:
        files[f"datalayer/schemas/{name}.json"] = sources.raw(f"datalayer/schemas/{name}.json").encode()
    for name in SCRIPTS.get(spec.platform, ()):
        files[f"datalayer/{name}"] = _snippet(spec, name)
    files |= _pages(spec, language, lacks, findings)
    files["SHA256SUMS"] = _sums(files)
    return Kit(dict(sorted(files.items())), language or spec.language, lacks, findings)


def _snippet(spec: KitSpec, name: str) -> bytes:
    names = ", ".join(f'"{attribute}"' for attribute in ATTRIBUTES)
    written = sources.script(
        f"datalayer/{name}", {"field_names": names}, policy=spec.consent_policy_version, currency=spec.currency
    )
    return f"{written}\n".encode()


def _pages(spec: KitSpec, language: str, lacks: list[Pending], findings: list[Finding]) -> dict[str, bytes]:
    """The guides: one language at the root, or Portuguese there and English under en/."""
    found = {}
    for page, (portuguese, english) in _PAGES.items():
        if page == "gtm/server" and not spec.server:
            continue
        for told, path in (("pt-BR", portuguese), ("en", english)):
            if language in {"", told}:
                words = _words(replace(spec, language=told), lacks, findings) | {"en": "" if language else "en/"}
                found[path if not language else path.removeprefix("en/")] = sources.page(
                    f"{page}.{told}.md", **words
                ).encode()
    return found


def write_zip(files: Mapping[str, bytes], path: Path) -> None:
    """Write a kit as a zip. A kit that did not change leaves the file, and its time, as they are."""
    data = zipped(files)
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The bytes of a zip that depend on the files alone: sorted, stored, dated 1980, mode 0644."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return data.getvalue()


def _json(value: Json) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _sums(files: Mapping[str, bytes]) -> bytes:
    """In the form `sha256sum --check` reads."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()


_KINDS = {"c": "constant", "v": "data layer", "k": "cookie", "jsm": "JavaScript", "awec": "user-provided data"}


def _variables(made: Json, lacks: list[Pending]) -> str:
    """`VARIABLES.csv`: every variable, its value where it has one, and what is still to be filled in."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["variable", "type", "value", "status", "yaml_key", "onde_encontrar", "where_to_find"])
    missing = {item.variable: item for item in lacks if item.variable}
    for variable in made["containerVersion"]["variable"]:
        name, kind = variable["name"], variable["type"]
        value = {"c": parameter(variable, "value"), "v": parameter(variable, "name"), "k": parameter(variable, "name")}
        item = missing.get(name)
        found = (item.yaml_key, item.pt, item.en) if item else ("", "", "")
        table.writerow([name, _KINDS[kind], value.get(kind, ""), "pending" if item else "ok", *found])
    return text.getvalue()


def _words(spec: KitSpec, lacks: list[Pending], findings: list[Finding]) -> dict[str, str]:
    """What the pages may say, in the language of `spec`. One list for all of them, so that a page cannot ask in vain."""
    portuguese = spec.language == "pt-BR"
    nothing = "a preencher" if portuguese else "to be filled in"
    off = "desligado" if portuguese else "off"
    client = " ".join(spec.client.split())
    items = [f"- [ ] {item.words(spec.language)} (`{item.yaml_key}`)" for item in lacks]
    none = "- [x] Nenhum valor pendente." if portuguese else "- [x] Nothing is missing."
    report = [f"- {finding.severity} · {finding.rule} · {finding.element}: {finding.message}" for finding in findings]
    clean = "- 0 erros, 0 avisos." if portuguese else "- 0 errors, 0 warnings."
    return {
        "client": client,
        "code": spec.code,
        "CODE": spec.code.upper(),
        "currency": spec.currency,
        "platform": NAMES.get(spec.platform, spec.platform),
        "domain": spec.domain or nothing,
        "site": spec.domain or "loja.example",
        "policy": spec.consent_policy_version,
        "measurement_id": (spec.ga4_measurement_id or nothing) if spec.has("ga4") else off,
        "property_id": spec.ga4_property_id or nothing,
        "conversion_id": (spec.google_ads_conversion_id or nothing) if spec.has("google_ads") else off,
        "conversion_label": (spec.google_ads_conversion_label or nothing) if spec.has("google_ads") else off,
        "conversion_action_id": spec.conversion_action_id or nothing,
        "pixel_id": (spec.meta_pixel_id or nothing) if spec.has("meta") else off,
        "tiktok_id": spec.tiktok_pixel_id if spec.has("tiktok") else off,
        "script": _scripts(spec.platform),
        "attributes": PLACES.get(spec.platform, PLACES[""])[0 if portuguese else 1],
        "server_url": spec.server_url or nothing,
        "events": _event_table(portuguese),
        "pending": "\n".join(items) or none,
        "report": "\n".join(report) or clean,
    }


def _scripts(platform: str) -> str:
    """As the pages name them, between backticks."""
    return "`, `".join(f"datalayer/{name}" for name in SCRIPTS.get(platform, ())) or "DATALAYER.md"


def _event_table(portuguese: bool) -> str:
    head = (
        "| O que acontece | dataLayer / GA4 | Meta | TikTok | Quem envia | ID do evento |"
        if portuguese
        else ("| What happens | dataLayer / GA4 | Meta | TikTok | Sent by | Event id |")
    )
    both = "navegador + Cortex" if portuguese else "browser + Cortex"
    alone = "navegador" if portuguese else "browser"
    rows = [
        f"| {event.pt if portuguese else event.en} | `{event.ga4}` | {event.meta or '—'} | {event.tiktok or '—'} "
        f"| {both if event.server else alone} | {f'`{event.event_id}`' if event.meta else '—'} |"
        for event in EVENTS
    ]
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *rows])
