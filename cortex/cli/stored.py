"""What the weekly run stored of a client's customers and products, open to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Shell, number
from cortex.errors import DatabaseError, UsageError

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Warehouse

Row = dict[str, Any]
Client = Annotated[str, typer.Argument(metavar="CLIENT")]
Chart = Annotated[Path | None, typer.Option("--chart", metavar="FILE.html|.svg", help="Also draw it there.")]
Top = Annotated[int, typer.Option("--top", min=1, help="Rows shown.")]
LABELS = {"pt-BR": "pt", "en": "en", "es": "es"}


@dataclass(frozen=True)
class Stored:
    """A client's computed figures, open to read."""

    tenant: Tenant
    warehouse: Warehouse
    as_of: date
    lang: str
    _segments: dict[str, str] = field(default_factory=dict)

    def rows(self, query: str, **given: Any) -> list[Row]:
        return [dict(row) for row in self.warehouse.rows(query, **given)]

    def figures(self, *areas: str) -> dict[str, Any]:
        """Single figures by name."""
        found = self.rows("SELECT figure, value FROM rpt_insight_figures WHERE area IN :areas", areas=list(areas))
        return {row["figure"]: row["value"] for row in found}

    def segment(self, name: str) -> str:
        """A named RFM segment in the reader's language."""
        if not self._segments:
            end = LABELS[self.lang]
            self._segments.update(
                {row["segment"]: row[f"name_{end}"] for row in self.rows("SELECT * FROM rpt_rfm_segments")}
            )
        return self._segments.get(name, name)

    def alive_by(self) -> str:
        """The model that tells who is still a buyer: MBG/NBD wherever it could be fitted, else the one that tells orders."""
        models = self.rows(
            "SELECT DISTINCT model, is_used, is_converged FROM rpt_customer_models WHERE role = 'orders'"
        )
        fitted = {row["model"] for row in models if row["is_converged"]}
        used = next((row["model"] for row in models if row["is_used"]), "average")
        return "mbg_nbd" if used != "average" and "mbg_nbd" in fitted else used

    def draw(self, chart: Path, spec: Mapping[str, Any], what: str) -> None:
        """A drawing of `cortex.reports.insights` into a file, under the client's name and what it shows."""
        from cortex.reports import insights

        insights.write(chart, spec, title=f"{self.tenant.name} · {what} · {self.as_of}", lang=self.lang)

    def word(self, key: str, **values: object) -> str:
        """In the reader's language (`cortex.reports.analysis_words`)."""
        from cortex.reports.analysis_words import said

        return said(key, self.lang, **values)

    def money(self, value: Decimal | float | None) -> str:
        return number(value, self.lang, 2)

    def share(self, value: Decimal | float | None) -> str:
        return "—" if value is None else f"{number(100 * float(value), self.lang, 1)} %"


@contextmanager
def stored(shell: Shell, client: str, chart: Path | None = None) -> Iterator[Stored]:
    """Raises DatabaseError CTX-7101 when no weekly run has computed anything yet."""
    from cortex import tenant as tenants
    from cortex.reports import insights

    if chart:
        insights.check(chart)
    tenant = tenants.load(shell.workspace, client)
    with shell.warehouse(tenant.code) as warehouse:
        as_of = warehouse.rows("SELECT MAX(as_of) AS as_of FROM rpt_customer_value")[0]["as_of"]
        if as_of is None:
            raise DatabaseError(
                "CTX-7101",
                f"What the customers of {tenant.code} are worth has not been computed yet.",
                fix=f"cortex run weekly {tenant.code}",
            )
        shell.say(f"{tenant.code} · {as_of}")
        yield Stored(tenant, warehouse, as_of, shell.lang or tenant.lang)


def among(option: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise UsageError("CTX-7103", f"{option} {given} is none of {', '.join(known)}.", fix=f"{option} {known[1]}")
