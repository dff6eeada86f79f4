"""The search for credentials in one client file, and the mask over everything that is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from cortex.errors import Problem
from cortex.secrets import MASK, REDACTOR
from cortex.settings import Adapter, Section
from cortex.tenant import suspicion
from cortex.tenant.document import Block, Document, Scalar, scalars
from cortex.tenant.platforms import ROOMS, STORE, Platforms
from cortex.tenant.sections import SECTIONS

Path = tuple[str, ...]


@dataclass
class Hunt:
    """What was found (`found`), each with the variable that should hold it; nothing of it is ever repeated."""

    file: str
    code: str
    platforms: Platforms
    found: list[Problem] = field(default_factory=list)
    _leaked: set[str] = field(default_factory=set)

    @property
    def _prefix(self) -> str:
        """Of the variables that hold this client's credentials; without a client, the agency's."""
        return f"CORTEX_{self.code.upper()}_" if self.code else "CORTEX_"

    def through_text(self, lines: Sequence[str]) -> None:
        """Every line as it stands, comments included: a token in a comment is as public as any."""
        for at, line in enumerate(lines, start=1):
            for column, text, what, name in suspicion.shapes(line):
                self._leak(text)
                variable = f"{self._prefix}{name}" if name else "an environment variable"
                hint = f"Set {variable} in .env instead."
                self.found.append(Problem(self.file, at, column + 1, "", f"looks like {what}", hint))

    def through(self, document: Document) -> None:
        """The text, then every value by the name of its key and by its randomness."""
        self.through_text(document.lines)
        flagged = {problem.line for problem in self.found}
        for path, scalar in scalars(document.root):
            if scalar.line in flagged or not path:
                continue
            key = next((part for part in reversed(path) if not part.isdigit()), "")
            adapter = self._adapter(document, path)
            known = _declared(path, adapter)
            if not known and suspicion.named(key):
                self._leak(scalar.text)
                self._report(scalar, path, adapter, "credentials do not belong in this file")
            elif not (known and key.endswith(("_id", "_ids"))):
                drawn = suspicion.random(scalar.text)
                if drawn:
                    self._leak(drawn)
                    self._report(scalar, path, adapter, "looks like a credential")

    def masked(self, problems: Sequence[Problem]) -> list[Problem]:
        """Other problems without what leaked, and without second verdicts on lines that hold a credential."""
        lines = {found.line for found in self.found}
        return [
            Problem(each.file, each.line, each.column, *map(self._mask, (each.key, each.text, each.hint)))
            for each in problems
            if each.line not in lines
        ]

    def _leak(self, text: str) -> None:
        if len(text) >= 4:
            self._leaked.add(text)
        REDACTOR.remember(text)

    def _mask(self, text: str) -> str:
        for leaked in sorted(self._leaked, key=len, reverse=True):
            text = text.replace(leaked, MASK)
        return text

    def _report(self, scalar: Scalar, path: Path, adapter: type[Adapter] | None, what: str) -> None:
        """Points at the environment variable of the block's own credential whose name is nearest."""
        words = set(path[-1].lower().split("_"))
        names = [known.name for known in adapter.secrets] if adapter else []
        best = max(names, key=lambda name: len(words & set(name.lower().split("_"))), default="…")
        key = self._mask(".".join(path))[:120]
        hint = f"Set {self._prefix}{best} in .env instead."
        self.found.append(Problem(self.file, scalar.line, scalar.column, key, what, hint))

    def _adapter(self, document: Document, path: Path) -> type[Adapter] | None:
        """The adapter whose block the path is in."""
        room = ROOMS.get(path[0])
        kind = path[1] if len(path) > 1 else ""
        if path[0] == STORE:
            block = document.root.get(STORE)
            platform = block.get("platform") if isinstance(block, Block) else None
            kind = platform.text if isinstance(platform, Scalar) else ""
        return self.platforms.adapter(room, kind) if room and kind in self.platforms.kinds(room) else None


def _declared(path: Path, adapter: type[Adapter] | None) -> bool:
    """Whether the key is one its block's model knows."""
    if path[0] in SECTIONS:
        return len(path) > 1 and _in_section(SECTIONS[path[0]], path[1:])
    at = 1 if path[0] == STORE else 2
    return adapter is not None and len(path) > at and path[at] in adapter.Config.model_fields


def _in_section(model: type[Section], path: Path) -> bool:
    if path[0] not in model.model_fields:
        return False
    annotation = model.model_fields[path[0]].annotation
    arms = (annotation, *get_args(annotation))
    inner = next((arm for arm in arms if isinstance(arm, type) and issubclass(arm, Section)), None)
    return len(path) == 1 or inner is None or _in_section(inner, path[1:])
