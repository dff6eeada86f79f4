"""The folder in use: the agency's `tenants/`, `pipelines/` and `.cortex/`, then what is bundled with the package."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cortex.errors import UsageError

_PACKAGE = Path(__file__).parent


def bundled(room: str) -> Path:
    """`sql`, `pipelines` or `tracking` as installed: inside the wheel, or beside the package in a checkout."""
    inside = _PACKAGE / "_bundle" / room
    return inside if inside.is_dir() else _PACKAGE.parent / room


@dataclass(frozen=True)
class Workspace:
    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Workspace:
        """The given folder, else CORTEX_WORKSPACE, else the nearest folder upwards that has `tenants/`, else here."""
        if start is not None:
            if not start.is_dir():
                raise UsageError("CTX-1005", f"Workspace {start} is not a folder.")
            return cls(start.resolve())
        named = os.environ.get("CORTEX_WORKSPACE")
        if named:
            return cls.find(Path(named))
        here = Path.cwd().resolve()
        return cls(next((folder for folder in (here, *here.parents) if (folder / "tenants").is_dir()), here))

    @property
    def tenants(self) -> Path:
        return self.root / "tenants"

    @property
    def state(self) -> Path:
        """`.cortex/`: embedded databases, keys, nothing a person edits."""
        return self.root / ".cortex"

    @property
    def dist(self) -> Path:
        """What is handed over: reports and tracking kits."""
        return self.root / "dist"

    def tenant_codes(self) -> list[str]:
        """Codes of the client files present, sorted; `_example.yaml` and other underscored files are no clients."""
        return sorted(file.stem for file in self.tenants.glob("*.yaml") if not file.name.startswith(("_", ".")))

    def recipes(self) -> dict[str, Path]:
        """Pipelines by name; the workspace's own file wins over the bundled one of the same name."""
        found: dict[str, Path] = {}
        for folder in (bundled("pipelines"), self.root / "pipelines"):
            if folder.is_dir():
                found |= {file.stem: file for file in sorted(folder.glob("*.py")) if not file.name.startswith("_")}
        return found
